"""Pictures of pages with the cited words lit. Runs in the parser's child process."""

import io
from pathlib import Path

from ingestion.parsing import pdfium
from ingestion.parsing.detect import detect
from ingestion.parsing.pdf_lines import Rect
from ingestion.types import Unreadable

YELLOW = (255, 236, 120)
LINE = (214, 164, 0)
MAX_RANGES = 200


def draw(path: Path, number: int, lit: list[tuple[int, int]], scale: float) -> bytes:
    """Return a page (1-based) as PNG, its characters in the ranges `lit` marked. Raises Unreadable."""
    from PIL import Image, ImageChops, ImageDraw

    _check(path)
    with pdfium.opened(path) as document, pdfium.loaded(document, number) as (page, text_page):
        picture, zoom = pdfium.render(page, document, scale)
        found = [pdfium.on_picture(page, rect, picture.size) for rect in _rects(page, text_page, lit)]
        if found:
            # The marks are multiplied into the page like a marker pen, so the letters stay as dark as they are.
            marks = Image.new("RGB", picture.size, "white")
            pen = ImageDraw.Draw(marks)
            margin, thickness = max(1, round(zoom)), max(1, round(zoom * 0.9))
            for left, top, right, bottom in found:
                area = (left - margin, top - margin // 2, right + margin, bottom + margin // 2)
                pen.rounded_rectangle(area, radius=2 * margin, fill=YELLOW)
                pen.rectangle((area[0] + margin, area[3] - thickness, area[2] - margin, area[3]), fill=LINE)
            picture = ImageChops.multiply(picture, marks)
        out = io.BytesIO()
        picture.save(out, "PNG", compress_level=6)
        return out.getvalue()


def find(path: Path, number: int, lit: list[tuple[int, int]]) -> list[list[float]]:
    """Return where the lit words stand: [left, top, width, height] as shares of the page. Raises Unreadable."""
    _check(path)
    with pdfium.opened(path) as document, pdfium.loaded(document, number) as (page, text_page):
        width, height = page.get_size()
        size = (max(1, round(width * 8)), max(1, round(height * 8)))
        found = []
        for rect in _rects(page, text_page, lit):
            left, top, right, bottom = pdfium.on_picture(page, rect, size)
            found.append([left / size[0], top / size[1], (right - left) / size[0], (bottom - top) / size[1]])
        return found


def _check(path: Path) -> None:
    try:
        kind, _ = detect(path, "")
    except OSError as error:
        raise Unreadable("vanished", "The file is no longer there.") from error
    if kind != "pdf":
        raise Unreadable("unsupported", "Only the pages of a PDF can be shown as pictures.")


def _rects(page: pdfium.Page, text_page: pdfium.TextPage, lit: list[tuple[int, int]]) -> list[Rect]:
    if not lit:
        return []
    places = pdfium.page_text(page, text_page).places
    return [
        rect
        for start, end in lit[:MAX_RANGES]
        for rect in pdfium.boxes(text_page, list(places[max(0, start) : max(0, end)]))
    ]
