"""Draw lines of a text as blocks: paragraphs, lists, tables, lines that stand as written, with what is lit."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ingestion.rendering.values import Block, Item, Range, Row, Run
from ingestion.tables import is_name

_ITEM = re.compile(r"([-*+•‣▪◦·–—●○■□►✓]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)])[ \t]+(?=\S)")
_RULE = re.compile(r"([-*_=])[ \t]*(?:\1[ \t]*){2,}$")
_PUNCTUATED = tuple(".!?:;,…。！？；：，、")

NARROW = 64
"""Lines of a block that are all shorter than this many characters stand as written; longer ones are wrapped text."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its outer whitespace, as offsets, with the width of what stood before it."""

    start: int
    end: int
    indent: int
    blanks: int  # characters before it; a tab is one and indents by more


def lines_of(text: str, start: int, end: int) -> list[Line]:
    """Return the lines of a stretch; an empty one has equal start and end."""
    lines: list[Line] = []
    position = start
    while position <= end:
        newline = text.find("\n", position, end)
        stop = end if newline < 0 else newline
        content = text[position:stop]
        left = len(content) - len(content.lstrip())
        right = len(content.rstrip())
        indent = len(content[:left].expandtabs(4))
        lines.append(Line(position + left, max(position + right, position + left), indent, left))
        position = stop + 1
    return lines


class Drawer:
    """Holds the text and what is lit, and draws stretches of it as runs."""

    def __init__(self, text: str, lit: tuple[Range, ...]) -> None:
        self.text = text
        self.lit = lit

    def words(self, line: Line) -> str:
        """Return the words of a line."""
        return self.text[line.start : line.end]

    def runs(self, spans: Sequence[Range], joint: str = " ") -> tuple[Run, ...]:
        """Return runs for stretches that follow each other, joined by `joint`; light goes on across a joint."""
        drawn: list[Run] = []
        for number, (start, end) in enumerate(spans):
            if number:
                before = spans[number - 1][1]
                _append(drawn, Run(joint, self._is_lit(before - 1) and self._is_lit(start)))
            for first, last, is_lit in self._split(start, end):
                _append(drawn, Run(self.text[first:last], is_lit))
        return tuple(drawn)

    def _is_lit(self, position: int) -> bool:
        return any(start <= position < end for start, end in self.lit)

    def _split(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        position = start
        for first, last in self.lit:
            if last <= position or first >= end:
                continue
            if first > position:
                yield position, first, False
            yield max(first, position), min(last, end), True
            position = min(last, end)
        if position < end:
            yield position, end, False


def _append(drawn: list[Run], run: Run) -> None:
    if drawn and drawn[-1].is_lit == run.is_lit:
        drawn[-1] = replace(drawn[-1], text=drawn[-1].text + run.text)
    elif run.text:
        drawn.append(run)


def body(drawer: Drawer, lines: Sequence[Line]) -> Iterator[Block]:
    """Yield the blocks of lines: tables, lists, lines that stand as written, and paragraphs."""
    width = max((line.end - line.start for line in lines), default=0)
    index = 0
    while index < len(lines):
        words = drawer.words(lines[index])
        if not words or _RULE.fullmatch(words):
            index += 1
        elif _is_row(words):
            index, block = _table(drawer, lines, index)
            yield block
        elif _ITEM.match(words):
            index, block = _list(drawer, lines, index, width)
            yield block
        else:
            index, block = _paragraph(drawer, lines, index, width)
            yield block


def _is_row(words: str) -> bool:
    return words.startswith("|") or words.count("|") >= 2 or "\t" in words


def _starts_something(words: str) -> bool:
    return bool(not words or _is_row(words) or _ITEM.match(words) or _RULE.fullmatch(words))


def _table(drawer: Drawer, lines: Sequence[Line], index: int) -> tuple[int, Block]:
    rows: list[Row] = []
    while index < len(lines) and _is_row(drawer.words(lines[index])):
        cells = tuple(drawer.runs([span]) for span in _cells(drawer.text, lines[index]))
        rows.append(Row(cells))
        index += 1
    columns = max(len(row.cells) for row in rows)
    # Short rows are filled up so that a table stays a table.
    rows = [replace(row, cells=row.cells + ((),) * (columns - len(row.cells))) for row in rows]
    if len(rows) > 1 and all(_is_name(cell) for cell in rows[0].cells):
        rows[0] = replace(rows[0], is_header=True)
    return index, Block("table", rows=tuple(rows))


def _is_name(cell: tuple[Run, ...]) -> bool:
    """Tell whether a cell of a first row names its column: words, and not a number."""
    return is_name("".join(run.text for run in cell))


def _cells(text: str, line: Line) -> Iterator[Range]:
    words = text[line.start : line.end]
    sign = "|" if "|" in words else "\t"
    start, end = line.start, line.end
    if sign == "|":
        start += words.startswith("|")
        end -= words.endswith("|") and end > start
    position = start
    while position <= end:
        stop = text.find(sign, position, end)
        stop = end if stop < 0 else stop
        content = text[position:stop]
        left = len(content) - len(content.lstrip())
        yield position + left, max(position + left, position + len(content.rstrip()))
        position = stop + 1


def _list(drawer: Drawer, lines: Sequence[Line], index: int, width: int) -> tuple[int, Block]:
    """Draw neighbouring list items; one empty line between two items does not end the list."""
    items: list[Item] = []
    indents: list[int] = []
    while index < len(lines):
        line = lines[index]
        match = _ITEM.match(drawer.text, line.start, line.end)
        if match is None:
            following = lines[index + 1] if index + 1 < len(lines) else None
            is_gap = line.start == line.end and following is not None
            if is_gap and following and _ITEM.match(drawer.text, following.start, following.end):
                index += 1
                continue
            break
        spans = [(match.end(), line.end)]
        index += 1
        # What hangs under an item belongs to it, whatever it looks like; what does not must read on.
        while index < len(lines) and _belongs(drawer, lines, index, line.indent, width):
            if lines[index].end > lines[index].start:
                spans.append((lines[index].start, lines[index].end))
            index += 1
        while indents and line.indent < indents[-1]:
            indents.pop()
        if not indents or line.indent > indents[-1]:
            indents.append(line.indent)
        items.append(Item(match[1], min(len(indents) - 1, 3), drawer.runs(spans)))
    return index, Block("list", items=tuple(items))


def _belongs(drawer: Drawer, lines: Sequence[Line], index: int, indent: int, width: int) -> bool:
    line = lines[index]
    if line.start == line.end:
        below = lines[index + 1] if index + 1 < len(lines) else None
        return below is not None and below.indent > indent and not _starts_something(drawer.words(below))
    if line.indent > indent:
        return not _starts_something(drawer.words(line))
    return _goes_on(drawer, lines[index - 1], line, width)


def _goes_on(drawer: Drawer, above: Line, below: Line, width: int) -> bool:
    """Tell whether a line continues the one above it: wrapped text does, a new start does not."""
    upper, lower = drawer.words(above), drawer.words(below)
    if _starts_something(lower):
        return False
    # A short line followed by one that starts like a sentence: a paragraph ended here, or a label stands alone.
    is_short = len(upper) < 0.6 * width and (upper.endswith(_PUNCTUATED) or len(upper) < NARROW)
    return not (is_short and (lower[0].isupper() or lower[0].isdigit()))


def _paragraph(drawer: Drawer, lines: Sequence[Line], index: int, width: int) -> tuple[int, Block]:
    stop = index + 1
    while stop < len(lines) and not _starts_something(drawer.words(lines[stop])):
        stop += 1
    written = lines[index:stop]
    if len(written) > 1 and max(line.indent + line.end - line.start for line in written) < NARROW:
        # An address, a few commands, a poem: nothing here was wrapped, so the lines mean something.
        least = min(line.indent for line in written)
        is_code = any(line.indent > least for line in written) or _looks_typed(drawer, written)
        # The spaces before a line belong to it, but for those that every line has.
        spans = [
            (line.start - (min(line.indent - least, line.blanks) if is_code else 0), line.end)
            for line in written
        ]
        return stop, Block("code" if is_code else "lines", drawer.runs(spans, joint="\n"))
    spans = [(lines[index].start, lines[index].end)]
    index += 1
    while index < stop and _goes_on(drawer, lines[index - 1], lines[index], width):
        spans.append((lines[index].start, lines[index].end))
        index += 1
    return index, Block("paragraph", drawer.runs(spans))


def _looks_typed(drawer: Drawer, lines: Sequence[Line]) -> bool:
    """Tell whether lines are for a machine: most begin with a prompt or end like code."""
    typed = [
        w
        for w in map(drawer.words, lines)
        if w.startswith(("$ ", "# ", "> ")) or w.endswith(("{", "}", ";", "\\"))
    ]
    return 2 * len(typed) > len(lines)
