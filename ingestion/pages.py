"""Pictures of a document's pages, with the words an answer cites lit. Drawn in the parser's child process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ingestion.parsing.child import DRAWING

MIN_SCALE, MAX_SCALE = 0.1, 4.0
MAX_SECONDS = 30  # somebody is waiting for the page


@dataclass(frozen=True, slots=True)
class PageBox:
    """A box on a page, each number a share of the page's width or height, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


def page_image(path: Path, page: int, lit: Sequence[tuple[int, int]], scale: float) -> bytes:
    """Return a 1-based page of a PDF as PNG with character ranges of that page's text lit.

    `lit` counts from the start of the page's text as `parse` gave it (`Parsed.page_span`). Scale 1 is 96 pixels an
    inch, 2 for screens of double density. Raises Unreadable: no_page, unsupported, encrypted, corrupt, timeout, ….
    """
    request = {**_request(path, page, lit), "do": "draw", "scale": min(max(scale, MIN_SCALE), MAX_SCALE)}
    _, picture = DRAWING.ask(request, _seconds())
    return picture


def page_boxes(path: Path, page: int, lit: Sequence[tuple[int, int]]) -> tuple[PageBox, ...]:
    """Return where character ranges of a page's text stand on the page, one box for each line they touch."""
    found, _ = DRAWING.ask({**_request(path, page, lit), "do": "find"}, _seconds())
    return tuple(PageBox(*box) for box in found)


def _seconds() -> float:
    return float(min(settings.PARSE_SECONDS, MAX_SECONDS))


def _request(path: Path, page: int, lit: Sequence[tuple[int, int]]) -> dict[str, object]:
    return {"path": str(path.absolute()), "page": page, "lit": [[start, end] for start, end in lit]}
