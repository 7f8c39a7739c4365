"""Text as every reader hands it on: cleaned, put together block by block, with a record of what stands where."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from ingestion.chunking import Section
from ingestion.links import LONGEST, MOST_LINKS
from ingestion.types import Unreadable

MAX_HEADING_CHARACTERS = 300
# Format characters that have a shape or join letters; all others are invisible and carry nothing a reader sees.
_KEPT_FORMAT = {
    "\u200c",
    "\u200d",
    "\u0600",
    "\u0601",
    "\u0602",
    "\u0603",
    "\u0604",
    "\u0605",
    "\u06dd",
    "\u08e2",
}
_TRAILING = re.compile(r"[ \t]+(?=\n|$)")
_BREAKS = re.compile(r"\r\n?|[\u0085\u2028\u2029\v\f]")
# Letters nobody can see, in the shape of ASCII: made for planting text that only a machine reads.
_TAGS = re.compile("[\U000e0000-\U000e007f]")


def _table() -> dict[int, str]:
    """Return what becomes of each character that does not stay as it is."""
    table: dict[int, str] = {}
    for code in (*range(0x10000), *range(0x110B0, 0x110D0), *range(0x13430, 0x13460), *range(0x1BCA0, 0x1BCA4),
                 *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE0080)):  # fmt: skip
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Zs" and character != " ":
            table[code] = " "  # spaces of odd widths would keep two equal words from being equal
        elif category == "Cs":
            table[code] = "\ufffd"
        elif character in "\ufffe\uffff" or (
            category in {"Cf", "Cc"} and character not in _KEPT_FORMAT and character not in "\n\t"
        ):
            table[code] = ""
    return table


_CLEANED = _table()


def clean(text: str) -> str:
    """Return text in NFC with \\n for line breaks and without control, invisible or unpaired characters."""
    text = _BREAKS.sub("\n", text).translate(_CLEANED)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _TRAILING.sub("", text)


def clean_character(character: str) -> str:
    """Return what one character becomes in a cleaned text: itself, another one, or nothing."""
    return "\n" if _BREAKS.fullmatch(character) else _CLEANED.get(ord(character), character)


def count_planted(text: str) -> int:
    """Return how many invisible tag characters a raw text holds."""
    return len(_TAGS.findall(text))


def one_line(text: str) -> str:
    """Return a cleaned text as one line with single spaces."""
    return " ".join(clean(text).split())


@dataclass
class Text:
    """A text being put together: blocks under headings and on pages, each cleaned before its place is fixed."""

    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _sections: list[Section] = field(default_factory=list)
    _start: int | None = None
    _page: int | None = None
    _path: list[tuple[int, str]] = field(default_factory=list)
    links: list[tuple[int, str]] = field(default_factory=list)
    """Where the block begins that a link stands in, and its target as written."""
    _targets: list[str] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    @property
    def headings(self) -> tuple[str, ...]:
        """The heading path that the next block will stand under."""
        return tuple(name for _, name in self._path)

    def page(self, number: int) -> None:
        """Begin a page (1-based). Headings go on over pages."""
        self._close()
        self._page = number

    def heading(self, level: int, text: str) -> None:
        """Begin a section under this heading, which stands in the text as a line of its own."""
        line = one_line(text)
        if not line:
            return
        self.begin(level, line)
        self.block(line)

    def begin(self, level: int, name: str) -> None:
        """Begin a section under a heading that is already part of the text, or stands nowhere in it."""
        self._close()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, name[:MAX_HEADING_CHARACTERS]))

    def leave_headings(self) -> None:
        """Let what follows stand under no heading, as on a new slide or sheet."""
        self._close()
        self._path.clear()

    def link(self, target: str | None) -> None:
        """Note a link of the block that is added next."""
        if target and len(target) <= LONGEST and len(self.links) + len(self._targets) < MOST_LINKS:
            self._targets.append(clean(target))

    def block(self, text: str, *, tight: bool = False) -> None:
        """Add a paragraph; `tight` puts it on the next line instead of after an empty one."""
        cleaned = clean(text).strip("\n")
        if cleaned.strip():
            self.exact(cleaned, "\n" if tight else "\n\n")

    def row(self, cells: list[str], *, tight: bool = True) -> None:
        """Add a table row, one line: `| cell | cell |`. A row of empty cells adds nothing."""
        words = [one_line(cell).replace("|", "¦") for cell in cells]
        while words and not words[-1]:
            words.pop()
        if words:
            self.block("| " + " | ".join(words) + " |", tight=tight)

    def exact(self, text: str, gap: str) -> int:
        """Add text that is already clean and return where it starts."""
        if self._length:
            self._parts.append(gap)
            self._length += len(gap)
        start = self._length
        if self._start is None:
            self._start = start
        self._parts.append(text)
        self._length += len(text)
        self.links += [(start, target) for target in self._targets]
        self._targets.clear()
        return start

    def finish(self) -> tuple[str, tuple[Section, ...]]:
        """Return the whole text and its sections."""
        self._close()
        return "".join(self._parts), tuple(self._sections)

    def _close(self) -> None:
        if self._start is not None and self._length > self._start:
            self._sections.append(Section(self._start, self._length, self._page, self.headings))
        self._start = None


@dataclass
class Reading:
    """What a reader makes of a file, before title, date and limits are settled for all formats alike."""

    media_type: str
    parser: str
    text: Text = field(default_factory=Text)
    title: str = ""
    # Lines that may be the title of a file that states none; the one most like the file's name is taken.
    title_lines: list[str] = field(default_factory=list)
    author: str = ""
    dated: date | None = None
    status: str = ""
    page_count: int | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, sentence: str) -> None:
        """Note once what could not be read well."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """Return the text of a file of unknown encoding and the encoding's name.

    In this order: a byte order mark, what the file declares of itself, UTF-16 or UTF-32 without a mark, UTF-8, a
    guess from the bytes. Raises Unreadable (unsupported) for what is not text.
    """
    for mark, encoding in (
        (b"\xff\xfe\x00\x00", "utf-32-le"), (b"\x00\x00\xfe\xff", "utf-32-be"), (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
    ):  # fmt: skip
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding
    for encoding in filter(None, (declared, _without_mark(data), "utf-8")):
        try:
            text = data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if "\0" not in text:
            return text, encoding
    if b"\0" in data[:65536]:
        raise Unreadable("unsupported", "The file is neither text nor a document of a kind that can be read.")
    return _guessed(data)


def _without_mark(data: bytes) -> str:
    """Return the wide encoding that a text's pattern of zero bytes shows, or an empty string."""
    head = data[:4096]
    if len(head) < 4 or b"\0" not in head:
        return ""
    share = [head[offset::4].count(0) / max(1, len(head[offset::4])) for offset in range(4)]
    if len(data) % 4 == 0 and share[2] > 0.9 and share[3] > 0.9:
        return "utf-32-le"
    if len(data) % 4 == 0 and share[0] > 0.9 and share[1] > 0.9:
        return "utf-32-be"
    if len(data) % 2 == 0 and share[1] > 0.3 and share[3] > 0.3 and share[0] < 0.1 and share[2] < 0.1:
        return "utf-16-le"
    if len(data) % 2 == 0 and share[0] > 0.3 and share[2] > 0.3 and share[1] < 0.1 and share[3] < 0.1:
        return "utf-16-be"
    return ""


def _guessed(data: bytes) -> tuple[str, str]:
    from charset_normalizer import from_bytes

    try:
        # What fails late in a file is most likely one damaged spot in UTF-8 rather than another encoding.
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > 2000 and not data[: error.start].isascii():
            return data.decode("utf-8", "replace"), "utf-8"
    best = from_bytes(data[:200_000]).best()
    encoding = best.encoding if best is not None else "cp1252"
    content = data.decode(encoding, "replace")
    # Of the encodings that read these bytes alike, the commonest is named.
    return content, "cp1252" if data.decode("cp1252", "replace") == content else encoding
