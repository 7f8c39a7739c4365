"""Whole sheets: a text with its sections as blocks, the section around a quote, and the ranges an address may light."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ingestion.chunking import Section
from ingestion.models import DocumentVersion
from ingestion.rendering.body import Drawer, Line, body, lines_of
from ingestion.rendering.values import Block, Range, Row, Run, Sheet

AROUND_CHARACTERS = 3_000
"""Longest stretch shown around a quote, in characters, before the section is cut at a line."""

FEW_CHARACTERS = 400
"""A section shorter than this is shown together with the one after it."""

MAX_RANGES = 20
"""Most ranges lit at once; an address that asks for more is answered without light."""

_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")


def sections_of(version: DocumentVersion) -> tuple[Section, ...]:
    """Return a version's stored sections as values."""
    return tuple(
        Section(start, end, page, tuple(headings)) for start, end, page, headings in version.sections
    )


def parse_ranges(written: str, length: int) -> tuple[Range, ...]:
    """Return the ranges of an address such as `10-40,52-60`, in order, or none at all when any is not in the text."""
    if not written:
        return ()
    pieces = written.split(",")
    if len(pieces) > MAX_RANGES:
        return ()
    ranges: list[Range] = []
    for piece in pieces:
        match = _RANGE.fullmatch(piece.strip())
        if match is None:
            return ()
        start, end = int(match[1]), int(match[2])
        if not start < end <= length:
            return ()
        ranges.append((start, end))
    return _merged(ranges)


def render(
    text: str,
    sections: Sequence[Section] = (),
    lit: Iterable[Range] = (),
    *,
    within: Range | None = None,
) -> tuple[Block, ...]:
    """Return the blocks of a text, or of the stretch `within` it, with the ranges in `lit` lit.

    All ranges are character offsets into `text`. Headings come from the sections: a heading the text spells out is drawn
    where it stands, one it does not is added.
    """
    start, end = within or (0, len(text))
    drawer = Drawer(text, _merged(lit))
    blocks: list[Block] = []
    path: tuple[str, ...] = ()
    page: int | None = None
    for section in _covering(text, sections):
        first, last = max(section.start, start), min(section.end, end)
        if first >= last:
            path = section.headings if section.start < start else path
            page = section.page if section.start < start else page
            continue
        if section.page is not None and section.page != page:
            blocks.append(Block("page", page=section.page))
        page = section.page
        lines = lines_of(text, first, last)
        if first == section.start:
            headings, lines = _opening(drawer, section, path, lines)
            blocks += headings
        path = section.headings
        blocks += body(drawer, lines)
    return tuple(_anchored(blocks))


def sheet_of(version: DocumentVersion, lit: Iterable[Range] = ()) -> Sheet:
    """Return a whole version as a sheet. The caller has decided that the viewer may read it."""
    blocks = render(version.text, sections_of(version), lit)
    return Sheet(blocks, None, ())


def blocks_around(version: DocumentVersion, start: int, end: int) -> Sheet:
    """Return the section around a quote as a sheet with the quote lit, for the evidence panel.

    `start` and `end` are character offsets into the version's text. A long section is cut at lines near the quote. The
    caller has decided that the viewer may read the version. Raises ValueError for offsets outside the text.
    """
    if not 0 <= start < end <= len(version.text):
        raise ValueError(f"The range {start}-{end} lies outside the text of {len(version.text)} characters.")
    sections = list(_covering(version.text, sections_of(version)))
    number = next((n for n, section in enumerate(sections) if section.end > start), len(sections) - 1)
    here, last = sections[number], number
    # The quote may run over the end of its section, and a section too short to say anything is shown with the next.
    while last + 1 < len(sections) and (
        sections[last].end < end or sections[last].end - here.start < FEW_CHARACTERS
    ):
        last += 1
    first, stop = min(here.start, start), max(sections[last].end, end)
    cut_first, cut_stop = _near(version.text, (first, stop), (start, end))
    blocks = render(version.text, sections_of(version), ((start, end),), within=(cut_first, cut_stop))
    return Sheet(
        tuple(block for block in blocks if block.kind != "page"),
        here.page,
        here.headings,
        is_cut_before=bool(version.text[first:cut_first].strip()),
        is_cut_after=bool(version.text[cut_stop:stop].strip()),
    )


def page_at(version: DocumentVersion, position: int) -> int | None:
    """Return the page on which a character of the text lies, or None where the format has no pages."""
    for section in sections_of(version):
        if section.start <= position < section.end:
            return section.page
    return None


def page_span(version: DocumentVersion, page: int) -> Range | None:
    """Return where a page's text lies in the version's text, or None when the page holds no text."""
    on_page = [section for section in sections_of(version) if section.page == page]
    if not on_page:
        return None
    return min(section.start for section in on_page), max(section.end for section in on_page)


def _merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return tuple(merged)


def _covering(text: str, sections: Sequence[Section]) -> Iterator[Section]:
    """Yield the sections with the gaps between them filled, so that every character belongs to one."""
    position = 0
    for section in sorted(sections, key=lambda section: section.start):
        if text[position : section.start].strip():
            yield Section(position, section.start)
        yield section
        position = max(position, section.end)
    if text[position:].strip() or not sections:
        yield Section(position, len(text))


def _near(text: str, whole: Range, quote: Range) -> Range:
    """Return the part of a stretch that is shown around a quote: all of it, or lines near the quote."""
    first, stop = whole
    if stop - first <= AROUND_CHARACTERS:
        return whole
    spare = max(AROUND_CHARACTERS - (quote[1] - quote[0]), 0) // 2
    if quote[0] - first > spare:
        line = text.rfind("\n", first, quote[0] - spare)
        # Text without line ends is cut at a space, and before the quote in any case.
        first = line + 1 if line >= first else text.rfind(" ", first, quote[0] - spare + 1) + 1 or first
    if stop - quote[1] > spare:
        line = text.find("\n", quote[1] + spare, stop)
        if line < 0 or line > quote[1] + 2 * spare:
            line = text.find(" ", quote[1] + spare, stop)
        stop = line if line >= 0 else stop
    return first, stop


def _name(words: str) -> str:
    return " ".join(words.split()).casefold()


def _opening(
    drawer: Drawer, section: Section, before: tuple[str, ...], lines: list[Line]
) -> tuple[list[Block], list[Line]]:
    """Return the headings a section opens with, and the lines that remain after those that spell them out."""
    shared = 0
    while shared < min(len(before), len(section.headings)) and before[shared] == section.headings[shared]:
        shared += 1
    pending = [(depth, name) for depth, name in enumerate(section.headings) if depth >= shared]
    if not pending and section.headings:
        # A sibling under the same name: its own heading line, if it has one, is still a heading.
        last = len(section.headings) - 1
        opened = _spelled(drawer, lines, [(last, section.headings[last])])
        return ([opened[0]], opened[1]) if opened else ([], lines)
    blocks: list[Block] = []
    while pending:
        opened = _spelled(drawer, lines, pending)
        if opened is None:
            break
        block, lines, skipped = opened
        blocks += [_added(depth, name) for depth, name in pending[:skipped]]
        blocks.append(block)
        pending = pending[skipped + 1 :]
    return blocks + [_added(depth, name) for depth, name in pending], lines


def _spelled(
    drawer: Drawer, lines: list[Line], pending: Sequence[tuple[int, str]]
) -> tuple[Block, list[Line], int] | None:
    """Return the heading that the first line spells out, the lines after it, and how many pending ones it passes over."""
    for index, line in enumerate(lines):
        if line.start == line.end:
            continue
        written = _name(drawer.text[line.start : line.end])
        for number, (depth, name) in enumerate(pending):
            if written and written == _name(name):
                return _heading(drawer, line, depth), lines[index + 1 :], number
        return None
    return None


def _heading(drawer: Drawer, line: Line, depth: int) -> Block:
    return Block("heading", drawer.runs([(line.start, line.end)]), level=min(depth + 2, 6))


def _added(depth: int, name: str) -> Block:
    return Block("heading", (Run(name),), level=min(depth + 2, 6))


def _anchored(blocks: Iterable[Block]) -> Iterator[Block]:
    """Mark the first lit run of all as the one an address ending in #quote scrolls to."""
    found = False
    for block in blocks:
        if found or not _is_lit(block):
            yield block
            continue
        found = True
        if block.items:
            number = next(n for n, item in enumerate(block.items) if any(run.is_lit for run in item.runs))
            items = list(block.items)
            items[number] = replace(items[number], runs=_first_lit(items[number].runs))
            yield replace(block, items=tuple(items))
        elif block.rows:
            yield replace(block, rows=tuple(_anchored_rows(block.rows)))
        else:
            yield replace(block, runs=_first_lit(block.runs))


def _is_lit(block: Block) -> bool:
    groups = [block.runs, *(item.runs for item in block.items), *(c for row in block.rows for c in row.cells)]
    return any(run.is_lit for runs in groups for run in runs)


def _anchored_rows(rows: Iterable[Row]) -> Iterator[Row]:
    found = False
    for row in rows:
        cells = list(row.cells)
        for number, cell in enumerate(cells):
            if not found and any(run.is_lit for run in cell):
                cells[number] = _first_lit(cell)
                found = True
        yield replace(row, cells=tuple(cells))


def _first_lit(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    first = next(number for number, run in enumerate(runs) if run.is_lit)
    return tuple(replace(run, is_anchor=True) if number == first else run for number, run in enumerate(runs))
