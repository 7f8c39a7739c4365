"""The characters of a PDF page put into lines, words and table rows, each with the index it came from.

Pure: the page is seen only through the codes of its characters and a function that tells where one of them stands.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from ingestion.parsing.text import clean_character

Rect = tuple[float, float, float, float]
"""Left, bottom, right, top in PDF points, the origin at the page's lower left."""

BoxOf = Callable[[int], Rect | None]

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_COMPOUND = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_MARKER = re.compile(r"\W{1,2}|\(?\w{1,3}[.)]")  # of a list item
_HYPHEN = "\x02"  # what PDFium makes of a hyphen at the end of a line, together with the line break


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: where it stands in the page's text, its height in points and its place on the page."""

    start: int
    end: int
    height: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A page's text; `places[i]` is the index of the character that `text[i]` came from, or -1."""

    text: str
    places: tuple[int, ...]
    lines: tuple[Line, ...]


def laid_out(codes: list[int], box: BoxOf) -> LaidOut:
    """Return the text of a page from the codes of its characters, in their order."""
    return _assembled(_measured(_lines(_joined(_characters(codes))), box))


@dataclass
class _Raw:
    """A line while it is put together."""

    characters: list[tuple[str, int]]
    height: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    # Where a space is so wide that it parts two columns of a table.
    gaps: list[int] = field(default_factory=list)
    # The same, all of one width: a justified line of few words, or a row whose columns happen to lie so.
    even: list[int] = field(default_factory=list)


def _characters(codes: list[int]) -> list[tuple[str, int]]:
    """Return PDFium's characters, cleaned, with their index; each may become none, one or several."""
    found: list[tuple[str, int]] = []
    index = 0
    while index < len(codes):
        code = codes[index]
        at = index
        index += 1
        if 32 <= code < 127:  # most characters, and nothing to do about them
            found.append((chr(code), at))
            continue
        if 0xD800 <= code < 0xDC00 and index < len(codes) and 0xDC00 <= codes[index] < 0xE000:
            code = 0x10000 + ((code - 0xD800) << 10) + (codes[index] - 0xDC00)
            index += 1
        if code == 2:
            found.append((_HYPHEN, at))
            continue
        if code == 0 or code == 13 or code > 0x10FFFF:
            continue
        character = chr(code)
        character = _LIGATURES.get(character) or unicodedata.normalize("NFC", clean_character(character))
        for piece in character:
            if found and (unicodedata.combining(piece) or "\u1160" <= piece <= "\u11ff"):
                composed = unicodedata.normalize("NFC", found[-1][0] + piece)
                if len(composed) == 1:
                    found[-1] = (composed, found[-1][1])
                    continue
            found.append((" " if piece == "\t" else piece, at))
    return found


def _joined(characters: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Take words back together that a hyphen cut at the end of a line.

    The hyphen stays when the page writes that compound elsewhere (long-term), or when what follows is no small letter.
    """
    plain = "".join(character for character, _ in characters)
    if _HYPHEN not in plain and "-\n" not in plain and "\u00ad" not in plain:
        return characters
    compounds = {match[0].lower() for match in _COMPOUND.finditer(plain)}
    joined: list[tuple[str, int]] = []
    for position, (character, index) in enumerate(characters):
        if character != _HYPHEN:
            joined.append((character, index))
            continue
        before = re.search(r"[^\W\d_]*$", plain[max(0, position - 40) : position])
        after = re.match(r"\s*([^\W\d_]*)", plain[position + 1 : position + 41])
        left, right = before[0] if before else "", after[1] if after else ""
        # After the second part of a chain (out-of-|network) the hyphen is the chain's own.
        is_chain = plain[: position - len(left)].endswith("-")
        is_word = bool(left and right and right[0].islower())
        if not is_word or is_chain or f"{left}-{right}".lower() in compounds:
            joined.append(("-", index))
    return joined


def _lines(characters: list[tuple[str, int]]) -> list[_Raw]:
    lines: list[_Raw] = []
    current: list[tuple[str, int]] = []
    for character, index in [*characters, ("\n", -1)]:
        if character != "\n":
            if character == " " and (not current or current[-1][0] == " "):
                continue
            current.append((character, index))
            continue
        while current and current[-1][0] == " ":
            current.pop()
        if current:
            lines.append(_Raw(current))
        current = []
    return lines


def _measured(lines: list[_Raw], box: BoxOf) -> list[_Raw]:
    for line in lines:
        # The first letter or digit: punctuation of another font may be of another height.
        index = next(
            (index for character, index in line.characters if character.isalnum()), line.characters[0][1]
        )
        first = box(index)
        if first is None:
            continue
        line.bottom, line.top = first[1], first[3]
        line.height = line.top - line.bottom
        wide = _wide_gaps(line, box)
        is_even = len(wide) > 1 and max(wide.values()) < 1.1 * min(wide.values())
        line.gaps, line.even = ([], list(wide)) if is_even else (list(wide), [])
        # A line that a hyphen joined to the next one ends lower on the page than it began.
        index = next((index for character, index in reversed(line.characters) if character.isalnum()), -1)
        last = box(index) if index >= 0 else None
        if last is not None:
            line.bottom = min(line.bottom, last[1])
    return lines


def _assembled(lines: list[_Raw]) -> LaidOut:
    """Put the lines together; a gap clearly wider than the page's usual one is an empty line."""
    gaps = [above.bottom - below.top for above, below in pairwise(lines)]
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
    parts: list[str] = []
    places: list[int] = []
    made: list[Line] = []
    rows = _rows_among(lines)
    for number, line in enumerate(lines):
        if number:
            above = lines[number - 1]
            size = max(1.0, min(above.height, line.height))
            wide = gaps[number - 1] > usual + 0.45 * size and above.height > 0 and not _goes_on(above, line)
            parts.append("\n\n" if wide else "\n")
            places += [-1] * len(parts[-1])
        start = len(places)
        characters = _as_row(line) if rows[number] else line.characters
        parts.append("".join(character for character, _ in characters))
        places += [index for _, index in characters]
        made.append(Line(start, len(places), line.height, line.top, line.bottom))
    return LaidOut("".join(parts), tuple(places), tuple(made))


def _rows_among(lines: list[_Raw]) -> list[bool]:
    """Return which lines are rows of tables, and give those whose columns lie evenly their gaps.

    A line of even gaps is a row where the one above or below it is a row of as many columns.
    """
    count = len(lines)
    rows = [
        len(line.gaps) > 1 or (bool(line.gaps) and any(lines[near].gaps for near in _beside(number, count)))
        for number, line in enumerate(lines)
    ]
    for number in (*range(count), *reversed(range(count))):
        line = lines[number]
        if line.even and any(
            rows[near] and len(lines[near].gaps) == len(line.even) for near in _beside(number, count)
        ):
            line.gaps, line.even, rows[number] = line.even, [], True
    return rows


def _beside(number: int, count: int) -> list[int]:
    return [near for near in (number - 1, number + 1) if 0 <= near < count]


def _as_row(line: _Raw) -> list[tuple[str, int]]:
    """Return a line as a table row, `| cell | cell |`: what stands in columns does not read as a sentence."""
    row: list[tuple[str, int]] = [("|", -1), (" ", -1)]
    for position, (character, index) in enumerate(line.characters):
        if position in line.gaps:
            row += [(" ", -1), ("|", -1), (" ", index)]
        else:
            row.append((character if character != "|" else "¦", index))
    return [*row, (" ", -1), ("|", -1)]


def _wide_gaps(line: _Raw, box: BoxOf) -> dict[int, float]:
    """Return the positions of spaces that are wider than the line is high, between words on one level, and how wide they are."""
    found: dict[int, float] = {}
    content = "".join(character for character, _ in line.characters)
    for position, character in enumerate(content):
        if character != " " or _MARKER.fullmatch(content, 0, position):
            continue
        left, right = box(line.characters[position - 1][1]), box(line.characters[position + 1][1])
        if left is None or right is None:
            continue
        is_level = min(left[3], right[3]) > max(left[1], right[1])
        width = right[0] - left[2]
        # Justified lines are stretched most after a full stop.
        least = 3.0 if content[position - 1] in ".,;:!?" else 1.1
        if is_level and width > least * line.height > 0:
            found[position] = width
    return found


def _goes_on(above: _Raw, line: _Raw) -> bool:
    """Tell whether a sentence clearly runs from one line into the next, whatever the gap between them."""
    return line.characters[0][0].islower() and above.characters[-1][0] not in ".!?:;"
