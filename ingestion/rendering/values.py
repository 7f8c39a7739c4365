"""The values a sheet is made of: plain text in frozen blocks, never markup. The templates escape."""

from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """Words drawn one way. `is_anchor` marks the first lit run of a sheet, which gets the id `quote`."""

    text: str
    is_lit: bool = False
    is_anchor: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One list entry: its own marker as written, how deep it lies (0 to 3), its words."""

    marker: str
    depth: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One table row; each cell is a tuple of runs."""

    cells: tuple[tuple[Run, ...], ...]
    is_header: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One thing on the sheet. `kind` is heading, paragraph, lines, code, list, table or page; the rest follows from it."""

    kind: str
    runs: tuple[Run, ...] = ()
    level: int = 0  # headings: 2 to 6, because the page's title is the 1
    items: tuple[Item, ...] = ()
    rows: tuple[Row, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Blocks with where they lie: the page, the heading path, and whether text was left out before or after."""

    blocks: tuple[Block, ...]
    page: int | None
    headings: tuple[str, ...]
    is_cut_before: bool = False
    is_cut_after: bool = False
