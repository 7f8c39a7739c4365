"""Turn a version's text into blocks a template can draw as a sheet, with quoted words lit.

Pure: text, sections and ranges in, frozen blocks out. Nothing here reads the database and nothing here escapes; the
templates escape, because a block holds plain text and never markup. Who may read is decided before the text is loaded.
"""

from ingestion.rendering.sheet import (
    MAX_RANGES,
    blocks_around,
    page_at,
    page_span,
    parse_ranges,
    render,
    sections_of,
    sheet_of,
)
from ingestion.rendering.values import Block, Item, Range, Row, Run, Sheet

__all__ = [
    "MAX_RANGES",
    "Block",
    "Item",
    "Range",
    "Row",
    "Run",
    "Sheet",
    "blocks_around",
    "page_at",
    "page_span",
    "parse_ranges",
    "render",
    "sections_of",
    "sheet_of",
]
