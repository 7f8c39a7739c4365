"""PDF documents: page by page, so that every character can be found again on the page's picture."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from ingestion.parsing import pdfium
from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.pdf_lines import Line
from ingestion.parsing.stated import date_in, meaningful_title
from ingestion.parsing.text import Reading, clean, one_line
from ingestion.types import Unreadable

MAX_PAGES = 5000
MAX_TITLE_WORDS = 16
_FEW_CHARACTERS = 400
_LARGER = 1.12
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class _Heading:
    """A heading in a page's text: where its line starts and ends there."""

    start: int
    end: int
    level: int
    name: str


def read_pdf(path: Path, max_characters: int) -> Reading:
    """Read a PDF's text layer. Raises Unreadable (encrypted, corrupt, no_text).

    A damaged page is left out with a warning. The text of each page is exactly what `pdfium.page_text` returns for it.
    """
    with pdfium.opened(path) as document:
        reading = Reading(MEDIA_TYPES["pdf"], pdfium.library())
        reading.page_count = len(document)
        _properties(document, reading)
        pages: dict[int, pdfium.PageText] = {}
        extra: dict[int, str] = {}
        notes: dict[str, list[int]] = {"damaged": [], "pictures": [], "empty": [], "recognised": []}
        hidden: Counter[int] = Counter()
        total = 0
        for number in range(1, min(len(document), MAX_PAGES) + 1):
            try:
                with pdfium.loaded(document, number) as (page, text_page):
                    found = pdfium.page_text(page, text_page)
                    filled = "\n".join(pdfium.filled_in(document, page))
                    if not found.text and not filled:
                        notes["pictures" if pdfium.has_picture(page) else "empty"].append(number)
            except Unreadable as error:
                if error.code != "corrupt":
                    raise
                notes["damaged"].append(number)
                continue
            pages[number], extra[number] = found, clean(filled)
            hidden[number] = found.hidden
            if found.recognised:
                notes["recognised"].append(number)
            total += len(found.text)
            if total > max_characters:
                break
        if not any(found.text for found in pages.values()) and not any(extra.values()):
            raise _without_text(notes, len(document))
        headings = _outlined(pages, pdfium.outline(document)) or _larger(pages)
        for number, found in pages.items():
            _add_page(reading, number, found, headings.get(number, []), extra[number])
        if not reading.title:
            first = headings.get(min(pages, default=0), [])
            reading.title_lines = [
                line for line in (_largest(pages), *(one.name for one in first[:6])) if line
            ]
        _warn(reading, notes, hidden)
        if len(document) > MAX_PAGES:
            reading.warn(f"The PDF has {len(document):,} pages; the first {MAX_PAGES:,} were read.")
        if document.count_attachments():
            reading.warn("The PDF has files attached to it; they were not read.")
    return reading


def _add_page(
    reading: Reading, number: int, page: pdfium.PageText, headings: list[_Heading], filled: str
) -> None:
    """Add a page's text unchanged, cut into sections where its headings stand."""
    text = reading.text
    text.page(number)
    cuts = [*headings, _Heading(len(page.text), len(page.text), 0, "")]
    if page.text:
        first = page.text[: cuts[0].start]
        if first:
            text.exact(first, "\n\n")
        for heading, following in pairwise(cuts):
            text.begin(heading.level, heading.name)
            text.exact(page.text[heading.start : following.start], "" if heading.start else "\n\n")
    if filled:
        # After the page's own text, so that its offsets stay those of the picture.
        text.exact(filled, "\n\n")


def _outlined(
    pages: dict[int, pdfium.PageText], entries: list[tuple[int, str, int]]
) -> dict[int, list[_Heading]]:
    """Return the bookmarks as headings where most of them stand on their page as a line, else nothing."""
    found: dict[int, list[_Heading]] = {}
    matched = 0
    for level, title, number in entries:
        page, wanted = pages.get(number), _plain(title)
        if page is None or not wanted:
            continue
        for first, line in enumerate(page.lines):
            lines = page.lines[first : first + 3]
            end = next((one.end for one in lines if _plain(page.text[line.start : one.end]) == wanted), None)
            if end is not None:
                at = found.setdefault(number, [])
                if all(one.end <= line.start or one.start >= end for one in at):
                    at.append(_Heading(line.start, end, level, title[:300]))
                    matched += 1
                break
    if not entries or matched < 0.6 * len(entries):
        return {}
    return {number: sorted(headings, key=lambda one: one.start) for number, headings in found.items()}


def _larger(pages: dict[int, pdfium.PageText]) -> dict[int, list[_Heading]]:
    """Return short lines set clearly larger than most of the text as headings; the three largest sizes are levels."""
    sizes: Counter[float] = Counter()
    for page in pages.values():
        for line in page.lines:
            sizes[_size(line)] += line.end - line.start
    if not sizes or sum(sizes.values()) < _FEW_CHARACTERS:
        return {}
    body = sizes.most_common(1)[0][0]
    found: dict[int, list[_Heading]] = {}
    used: set[float] = set()
    lines = 0
    for number, page in pages.items():
        position = 0
        lines += len(page.lines)
        while position < len(page.lines):
            line = page.lines[position]
            size = _size(line)
            position += 1
            if size < body * _LARGER:
                continue
            end = line.end
            while (
                position < len(page.lines)
                and _size(page.lines[position]) == size
                and page.text[end : page.lines[position].start] == "\n"
            ):
                end = page.lines[position].end
                position += 1
            name = " ".join(page.text[line.start : end].split())
            if _is_heading(name):
                used.add(size)
                found.setdefault(number, []).append(_Heading(line.start, end, int(size * 10), name))
    levels = {size: min(place, 3) for place, size in enumerate(_clustered(used), 1)}
    count = sum(len(headings) for headings in found.values())
    if count > max(3, 0.25 * lines):
        return {}
    return {
        number: [_Heading(one.start, one.end, _nearest(levels, one.level / 10), one.name) for one in headings]
        for number, headings in found.items()
    }


def _clustered(sizes: set[float]) -> list[float]:
    """Return sizes from the largest on, those within a tenth of each other once."""
    kept: list[float] = []
    for size in sorted(sizes, reverse=True):
        if not kept or size < kept[-1] * 0.9:
            kept.append(size)
    return kept


def _nearest(levels: dict[float, int], size: float) -> int:
    return levels[min(levels, key=lambda one: abs(one - size))]


def _is_heading(name: str) -> bool:
    words = _WORDS.findall(name)
    letters = sum(character.isalpha() for character in name)
    return not name.startswith("|") and (
        0 < len(words) <= MAX_TITLE_WORDS
        and letters >= 3
        and letters > len(name) / 3
        and not name.endswith((".", ",", ";"))
    )


def _largest(pages: dict[int, pdfium.PageText]) -> str:
    """Return the largest line at the top half of the first page as the title, when it stands out."""
    page = pages.get(min(pages, default=0))
    if page is None or len(page.lines) < 2:
        return ""
    upper = page.lines[: max(2, len(page.lines) // 2)]
    tallest = max(upper, key=lambda line: line.height)
    usual = median(line.height for line in page.lines)
    end = tallest.end
    for line in page.lines[page.lines.index(tallest) + 1 :]:
        if _size(line) != _size(tallest) or page.text[end : line.start] != "\n":
            break
        end = line.end
    name = " ".join(page.text[tallest.start : end].split())
    return name if tallest.height > usual * 1.2 and _is_heading(name) else ""


def _properties(document: pdfium.Document, reading: Reading) -> None:
    said: dict[str, str] = document.get_metadata_dict()
    reading.title = meaningful_title(one_line(said.get("Title", "")))
    reading.author = one_line(said.get("Author", ""))
    days = [
        day for key in ("ModDate", "CreationDate") if (day := date_in(said.get(key, "")[2:10])) is not None
    ]
    reading.dated = max(days, default=None)


def _warn(reading: Reading, notes: dict[str, list[int]], hidden: Counter[int]) -> None:
    for kind, sentence in (
        ("damaged", "{pages} damaged and left out."),
        ("pictures", "{pages} without a text layer, like a scan, and could not be read."),
        ("recognised", "{pages} a scan; the text comes from the text recognition stored with it."),
    ):
        if notes[kind]:
            reading.warn(sentence.format(pages=_named(notes[kind])))
    unseen = [number for number, count in hidden.items() if count]
    if unseen:
        count = sum(hidden.values())
        where = "page" if len(unseen) == 1 else "pages"
        reading.warn(
            f"Text that cannot be seen ({count} characters) stands on {where} {_numbers(unseen)}. It was read, but such "
            "text can be there to mislead a machine."
        )


def _without_text(notes: dict[str, list[int]], count: int) -> Unreadable:
    if notes["damaged"] and not notes["pictures"]:
        return Unreadable("corrupt", "The PDF is damaged: none of its pages can be read.")
    if notes["pictures"]:
        return Unreadable(
            "no_text",
            "The PDF has no text layer; it looks scanned. Run text recognition (OCR) over it and add the result.",
        )
    return Unreadable(
        "no_text", "The PDF has no text on its page." if count == 1 else "The PDF has no text on any page."
    )


def _named(numbers: list[int]) -> str:
    return f"Page {numbers[0]} is" if len(numbers) == 1 else f"Pages {_numbers(numbers)} are"


def _numbers(numbers: list[int]) -> str:
    shown = [str(number) for number in numbers[:5]]
    if len(numbers) > 5:
        return ", ".join(shown) + f" and {len(numbers) - 5} more"
    return ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else shown[0]


def _size(line: Line) -> float:
    return round(line.height * 2) / 2


def _plain(text: str) -> str:
    return "".join(_WORDS.findall(text)).casefold()
