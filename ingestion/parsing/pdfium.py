"""PDF pages through PDFium: their text with the place of every character, what is drawn invisibly, and pictures.

The only module that imports pypdfium2. It runs in the parser's child process.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.parsing.pdf_lines import Line, Rect, laid_out
from ingestion.types import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

# pypdfium2 carries no types.
Document = Any
Page = Any
TextPage = Any

_PIXELS_PER_POINT = 96 / 72
MAX_PIXELS = 16_000_000
MAX_CHARACTERS = 400_000  # of one page
_INVISIBLE_MODES = {3, 7}
_WHITE = 250
_TINY = 1.5


@dataclass(frozen=True, slots=True)
class PageText:
    """A page's text; `places[i]` is PDFium's index of the character that `text[i]` came from, or -1."""

    text: str
    places: tuple[int, ...]
    lines: tuple[Line, ...]
    hidden: int = 0
    recognised: int = 0


@contextmanager
def opened(path: Path) -> Iterator[Document]:
    """Open a PDF without a password. Raises Unreadable (encrypted, corrupt)."""
    import pypdfium2
    import pypdfium2.raw as raw

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}:
            raise Unreadable(
                "encrypted", "The PDF is locked with a password. Save a copy without one."
            ) from error
        raise Unreadable("corrupt", "The PDF is damaged and cannot be opened.") from error
    try:
        yield document
    finally:
        document.close()


def library() -> str:
    """Return the library's name with its version."""
    import pypdfium2

    return f"pypdfium2 {pypdfium2.PYPDFIUM_INFO}, PDFium {pypdfium2.PDFIUM_INFO.build}"


@contextmanager
def loaded(document: Document, number: int) -> Iterator[tuple[Page, TextPage]]:
    """Load a 1-based page with its text. Raises Unreadable (corrupt, no_page)."""
    import pypdfium2

    if not 1 <= number <= len(document):
        raise Unreadable("no_page", f"The document has no page {number}.")
    try:
        page = document[number - 1]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError as error:
        raise Unreadable("corrupt", f"Page {number} is damaged.") from error
    try:
        yield page, text_page
    finally:
        text_page.close()
        page.close()


def page_text(page: Page, text_page: TextPage) -> PageText:
    """Return a page's text. It depends on this page alone, so that a picture drawn later finds the same characters."""
    import pypdfium2.raw as raw

    count = min(text_page.count_chars(), MAX_CHARACTERS)
    codes = [raw.FPDFText_GetUnicode(text_page, index) for index in range(count)]
    made = laid_out(codes, lambda index: _box(text_page, index))
    hidden, recognised = _unseen(page, text_page, made.places, made.text)
    return PageText(made.text, made.places, made.lines, hidden, recognised)


def boxes(text_page: TextPage, places: list[int]) -> list[Rect]:
    """Return one box for each run of characters that stand on one line."""
    merged: list[Rect] = []
    for index in places:
        rect = _box(text_page, index) if index >= 0 else None
        if rect is None or rect[2] <= rect[0] or rect[3] <= rect[1]:
            continue
        if merged and _same_line(merged[-1], rect):
            last = merged[-1]
            merged[-1] = (
                min(last[0], rect[0]),
                min(last[1], rect[1]),
                max(last[2], rect[2]),
                max(last[3], rect[3]),
            )
        else:
            merged.append(rect)
    return merged


def render(page: Page, document: Document, scale: float) -> tuple[Image, float]:
    """Return the page as a picture, and the pixels per point it was drawn with: fewer for enormous pages."""
    width, height = page.get_size()
    zoom = max(0.1, scale) * _PIXELS_PER_POINT
    pixels = width * height * zoom * zoom
    if pixels > MAX_PIXELS:
        zoom *= (MAX_PIXELS / pixels) ** 0.5
    if document.get_formtype() and document.formenv is None:
        document.init_forms()
    bitmap = page.render(scale=zoom)
    try:
        return bitmap.to_pil().convert("RGB").copy(), zoom
    finally:
        bitmap.close()


def on_picture(page: Page, rect: Rect, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a box on the page as pixels of its picture (left, top, right, bottom), rotation and crop taken in."""
    import pypdfium2.raw as raw

    corners: list[tuple[int, int]] = []
    for x, y in ((rect[0], rect[1]), (rect[2], rect[3])):
        left, top = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, *size, 0, x, y, left, top)
        corners.append((left.value, top.value))
    (a, b), (c, d) = corners
    return min(a, c), min(b, d), max(a, c), max(b, d)


def filled_in(document: Document, page: Page) -> list[str]:
    """Return what is filled into a page's form fields and written on it as free text: `name: value`."""
    import pypdfium2.raw as raw

    if document.get_formtype() and document.formenv is None:
        document.init_forms()
    form = document.formenv
    found: list[str] = []
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), 2000)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            kind = raw.FPDFAnnot_GetSubtype(annotation)
            if kind == raw.FPDF_ANNOT_FREETEXT:
                found.append(_wide(lambda buffer, size, a=annotation: raw.FPDFAnnot_GetStringValue(a, b"Contents", buffer, size)))  # fmt: skip
            elif kind == raw.FPDF_ANNOT_WIDGET and form is not None:
                if raw.FPDFAnnot_GetFormFieldType(form, annotation) not in {
                    raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX,
                }:  # fmt: skip
                    continue
                value = _wide(
                    lambda buffer, size, a=annotation: raw.FPDFAnnot_GetFormFieldValue(form, a, buffer, size)
                )
                name = _wide(
                    lambda buffer, size, a=annotation: raw.FPDFAnnot_GetFormFieldName(form, a, buffer, size)
                )
                if value.strip():
                    found.append(f"{name}: {value}" if name else value)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return [line for line in found if line.strip()]


def has_picture(page: Page) -> bool:
    """Return whether pictures cover at least a third of the page, as on a scan."""
    import pypdfium2.raw as raw

    width, height = page.get_size()
    covered = 0.0
    for thing in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        left, bottom, right, top = thing.get_bounds()
        covered += max(0.0, right - left) * max(0.0, top - bottom)
    return bool(covered >= width * height / 3)


def outline(document: Document) -> list[tuple[int, str, int]]:
    """Return the bookmarks as (level from 1, title, 1-based page)."""
    found: list[tuple[int, str, int]] = []
    for bookmark in document.get_toc(max_depth=6):
        target = bookmark.get_dest()
        index = target.get_index() if target is not None else None
        if index is not None:
            found.append((bookmark.level + 1, " ".join(bookmark.get_title().split()), index + 1))
        if len(found) >= 5000:
            break
    return found


def _unseen(page: Page, text_page: TextPage, places: tuple[int, ...], text: str) -> tuple[int, int]:
    """Return how many characters are drawn so that nobody sees them, and how many of a scan's text layer."""
    import pypdfium2.raw as raw

    invisible, doubtful = 0, []
    kinds: dict[int, str] = {}
    crop = page.get_cropbox()
    words = re.finditer(r"\S+", text)
    for word in words:
        index = places[word.start()]
        if index < 0:
            continue
        thing = raw.FPDFText_GetTextObject(text_page, index)
        if not thing:
            continue
        key = ctypes.addressof(thing.contents) if hasattr(thing, "contents") else index
        if key not in kinds:
            kinds[key] = _drawn(thing)
        if kinds[key] == "invisible":
            invisible += len(word[0])
        elif kinds[key] == "doubtful" or _is_outside(crop, _box(text_page, index)):
            doubtful.append((index, len(word[0])))
    hidden = _without_ink(page, text_page, doubtful) if doubtful else 0
    if invisible and has_picture(page):
        return hidden, invisible
    return hidden + invisible, 0


def _drawn(thing: Any) -> str:  # Any: a handle of PDFium's
    """Return whether a text object is seen, invisible, or to be looked for on the picture."""
    import pypdfium2.raw as raw

    if raw.FPDFTextObj_GetTextRenderMode(thing) in _INVISIBLE_MODES:
        return "invisible"
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if raw.FPDFPageObj_GetFillColor(thing, red, green, blue, alpha):
        if alpha.value < 8:
            return "invisible"
        if min(red.value, green.value, blue.value) >= _WHITE:
            return "doubtful"
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if raw.FPDFPageObj_GetBounds(thing, left, bottom, right, top) and abs(top.value - bottom.value) < _TINY:
        return "doubtful"
    return "seen"


def _is_outside(page: Rect, box: Rect | None) -> bool:
    left, bottom, right, top = page
    return box is not None and bool(box[2] < left or box[0] > right or box[3] < bottom or box[1] > top)


def _box(text_page: TextPage, index: int) -> Rect | None:
    """Return where a character stands, as high as its font is."""
    import pypdfium2.raw as raw

    box = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(text_page, index, box):
        return None
    return (
        min(box.left, box.right),
        min(box.bottom, box.top),
        max(box.left, box.right),
        max(box.bottom, box.top),
    )


def _without_ink(page: Page, text_page: TextPage, words: list[tuple[int, int]]) -> int:
    """Return how many characters of these words leave no trace on the page's picture."""
    bitmap = page.render(scale=2, may_draw_forms=False)
    try:
        picture = bitmap.to_pil().convert("L")
    finally:
        bitmap.close()
    unseen = 0
    for index, length in words:
        found = boxes(text_page, [index])
        left, top, right, bottom = on_picture(page, found[0], picture.size) if found else (0, 0, 0, 0)
        area = (max(0, left), max(0, top), min(picture.width, right + 1), min(picture.height, bottom + 1))
        if area[2] <= area[0] or area[3] <= area[1]:
            unseen += length
            continue
        darkest, lightest = picture.crop(area).getextrema()
        if lightest - darkest < 24 or bottom - top <= 2:
            unseen += length
    return unseen


def _same_line(left: Rect, right: Rect) -> bool:
    height = min(left[3] - left[1], right[3] - right[1])
    overlap = min(left[3], right[3]) - max(left[1], right[1])
    gap = max(left[0], right[0]) - min(left[2], right[2])
    return overlap > 0.5 * height and gap < 3 * height


def _wide(call: Any) -> str:  # Any: one of PDFium's functions that fill a buffer with UTF-16
    size = call(None, 0)
    if size <= 2 or size > 2_000_000:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    call(buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", "replace")
