"""Rows of tables as they stand in a text, one line each: `| cell | cell |`."""

import re
from collections.abc import Iterable

NUMERIC = re.compile(r"[\d\s.,:%€$£+-]+")
HEAD_CHARACTERS = 300
"""Longest head that is kept with rows further down: a longer one would crowd them out of what the model reads."""


def is_row(text: str) -> bool:
    """Tell whether a line is a row of a table."""
    line = text.strip()
    return len(line) > 2 and line.startswith("|") and line.endswith("|") and "\n" not in line


def cells_of(row: str) -> list[str]:
    """Return the cells of a row."""
    return [" ".join(cell.split()) for cell in row.strip().strip("|").split("|")]


def is_name(cell: str) -> bool:
    """Tell whether a cell of a first row names its column: words, and not a number."""
    return bool(cell) and NUMERIC.fullmatch(cell) is None


def is_head(row: str) -> bool:
    """Tell whether a row names the columns of a table; the first of them may be without a name."""
    cells = cells_of(row)
    return len(row) <= HEAD_CHARACTERS and len(cells) > 1 and all(map(is_name, cells[1:]))


def heads_of(lines: Iterable[tuple[str, bool]]) -> list[str]:
    """Return for each line the head of the table that it carries on, "" where it carries on none.

    A line comes with whether it stands right below the one before. The head is the first row of a table, where that
    names its columns (the first of them may be without a name) and has at most HEAD_CHARACTERS.
    """
    heads: list[str] = []
    in_table, head = False, ""
    for line, is_right_below in lines:
        carries_on = in_table and is_right_below and is_row(line)
        heads.append(head if carries_on else "")
        if not carries_on:
            in_table = is_row(line)
            head = line.strip() if in_table and is_head(line) else ""
    return heads


def begins_within(text: str, offset: int) -> bool:
    """Tell whether all that stands before an offset in a text, if anything, are rows of a table."""
    return all(is_row(line) for line in text[:offset].splitlines() if line.strip())
