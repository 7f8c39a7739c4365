"""The pages on which a person reads a document: its text as a sheet, its page images, its original file.

Every view here begins with `visible_to(request.viewer)` and answers 404 where that finds nothing, whoever asks.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import FileResponse, Http404, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.audit import by_request, record
from accounts.permissions import signed_in
from accounts.requests import SignedInRequest
from accounts.viewer import Viewer
from ingestion import rendering, storage
from ingestion.explain import why_readable
from ingestion.models import Document, DocumentVersion
from ingestion.rendering import (
    Range,
    Sheet,
    page_at,
    page_span,
    parse_ranges,
    sections_of,
)
from ingestion.types import Unreadable
from ingestion.views import page_cache

PART_CHARACTERS = 80_000
"""Longest stretch of text on one page of the reader, in characters; longer documents are read in parts."""

PAGES_SHOWN = 20
"""Most page images on one page of the reader."""

SCALES = (1.0, 1.5, 2.0)
"""How large a page may be drawn, in multiples of 96 dots per inch; what is asked for is rounded to one of these."""

DOWNLOAD_TYPES = {
    "application/pdf",
    "text/plain",
    "text/markdown",
    "text/csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Types a download is labelled with; every other file, HTML above all, goes out as plain bytes."""


@dataclass(frozen=True)
class PageShown:
    """One page image on the reader's page: its number and the addresses of its picture at two sizes."""

    number: int
    src: str
    srcset: str
    alt: str
    is_lit: bool


@signed_in
@require_safe
def document(request: SignedInRequest, document_id: UUID) -> HttpResponse:
    """Show a document to somebody who may read it, with the words of `?quote=start-end` lit."""
    found = readable_document(request.viewer, document_id)
    version = version_asked(found, request.GET.get("version", ""))
    written = request.GET.get("quote", "")
    lit = parse_ranges(written, len(version.text))
    has_pages = is_paged(version)
    as_text = not has_pages or request.GET.get("view") == "text"
    context: dict[str, object] = {
        "document": found,
        "version": version,
        "is_older": version.pk != found.current_version_id,
        "versions": found.versions.order_by("-number").only("number", "created_at", "document_id"),
        "why": why_readable(request.viewer, found),
        "has_pages": has_pages,
        "as_text": as_text,
        "quote_missing": bool(written) and not lit,
        "quote": written if lit else "",
        "dated": version.dated or found.dated,
        "author": version.author or found.author,
        "quote_page": page_at(version, lit[0][0]) if lit else None,
    }
    if as_text:
        context |= _text_part(version, lit, request.GET.get("part", ""))
    else:
        context |= _page_images(found, version, lit, request.GET.get("page", ""))
    if request.method == "GET":
        details = {"version": version.number, "quote": context["quote"]}
        _audit("document.opened", request, found, details)
    return render(request, "ingestion/document.html", context)


@signed_in
@require_safe
def page_image(request: SignedInRequest, document_id: UUID, number: int, page: int) -> HttpResponseBase:
    """Return one page of a readable document as a picture, with the words of `?lit=a-b,c-d` lit.

    The ranges are character offsets into the version's text. Nothing is cached where permission is not asked again:
    the browser may keep the picture but has to ask each time before it shows it.
    """
    found = readable_document(request.viewer, document_id)
    version = version_asked(found, str(number))
    if not is_paged(version) or not 1 <= page <= (version.page_count or 0):
        raise Http404
    lit = _lit_on_page(version, page, parse_ranges(request.GET.get("lit", ""), len(version.text)))
    scale = _scale(request.GET.get("scale", ""))
    key = page_cache.key_of("1", version.content_digest, version.text_digest, page, lit, scale)
    etag = f'"{key[:32]}"'
    response: HttpResponseBase
    if etag in request.headers.get("If-None-Match", ""):
        response = HttpResponseNotModified()
    else:
        try:
            data = page_cache.kept(key, lambda: _draw(version, page, lit, scale))
        except Unreadable as error:
            return HttpResponse(error.reason, status=404, content_type="text/plain; charset=utf-8")
        response = HttpResponse(data, content_type="image/png")
        if request.method == "GET":
            _audit("document.page_viewed", request, found, {"version": version.number, "page": page})
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    response["Vary"] = "Cookie"
    return response


@signed_in
@require_safe
def original(request: SignedInRequest, document_id: UUID) -> HttpResponseBase:
    """Return a readable document's file as a download: never shown inside the product, whatever it holds."""
    found = readable_document(request.viewer, document_id)
    version = version_asked(found, request.GET.get("version", ""))
    path = _file_of(version)
    name = PurePosixPath(found.external_id).name or "document"
    if request.method == "GET":
        _audit("document.original_downloaded", request, found, {"version": version.number, "file": name})
    response: HttpResponseBase
    if hasattr(request, "scope"):
        # Under ASGI a file given as is would be read into memory whole.
        response = StreamingHttpResponse(_pieces(path))
        response["Content-Length"] = str(path.stat().st_size)
    else:
        response = FileResponse(path.open("rb"))
    is_plain = version.media_type in DOWNLOAD_TYPES
    response["Content-Type"] = version.media_type if is_plain else "application/octet-stream"
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=name) or "attachment"
    )
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    patch_cache_control(response, private=True, no_store=True)
    return response


def readable_document(viewer: Viewer, document_id: UUID) -> Document:
    """Return a document this viewer may read now, or raise 404: what they may not read does not exist for them."""
    found: Document = get_object_or_404(
        Document.objects.visible_to(viewer).select_related("source__policy", "policy", "current_version"),
        public_id=document_id,
    )
    return found


def version_asked(document: Document, number: str) -> DocumentVersion:
    """Return the version of a readable document that an address asks for, the current one when it asks for none."""
    if not number:
        assert document.current_version is not None  # visible_to lets no other document through
        return document.current_version
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise Http404
    return get_object_or_404(document.versions, number=int(number))


def is_paged(version: DocumentVersion) -> bool:
    """Return whether a version's pages can be drawn as pictures."""
    return version.media_type == "application/pdf" and bool(version.page_count) and bool(version.file)


def page_image_url(document_id: UUID | str, version: int, page: int, lit: tuple[Range, ...] = ()) -> str:
    """Return the address of a page's picture with ranges of the version's text lit."""
    address = reverse("ingestion:page_image", args=[document_id, version, page])
    return f"{address}?{urlencode({'lit': _written(lit)}, safe=',')}" if lit else address


def _written(lit: tuple[Range, ...]) -> str:
    return ",".join(f"{start}-{end}" for start, end in lit)


def _text_part(version: DocumentVersion, lit: tuple[Range, ...], asked: str) -> dict[str, object]:
    """Return the sheet of one part of the text: the part asked for, else the one that holds the lit words."""
    starts = _part_starts(version.text)
    part = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0
    if not 1 <= part <= len(starts):
        position = lit[0][0] if lit else 0
        part = sum(1 for start in starts if start <= position)
    within = (starts[part - 1], starts[part] if part < len(starts) else len(version.text))
    blocks = rendering.render(version.text, sections_of(version), lit, within=within)
    return {"sheet": Sheet(blocks, None, ()), "part": part, "parts": len(starts)}


def _part_starts(text: str) -> list[int]:
    starts = [0]
    while len(text) - starts[-1] > PART_CHARACTERS:
        end = starts[-1] + PART_CHARACTERS
        cut = text.rfind("\n", starts[-1] + PART_CHARACTERS // 2, end) + 1
        starts.append(cut or end)
    return starts


def _page_images(
    document: Document, version: DocumentVersion, lit: tuple[Range, ...], asked: str
) -> dict[str, object]:
    """Return the page images to show: a run of pages that holds the page asked for, else the lit one."""
    count = version.page_count or 0
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0
    if not 1 <= page <= count:
        page = (page_at(version, lit[0][0]) if lit else None) or 1
    first = (page - 1) // PAGES_SHOWN * PAGES_SHOWN + 1
    last = min(first + PAGES_SHOWN - 1, count)
    spans = {number: page_span(version, number) for number in range(first, last + 1)}
    shown = []
    for number, span in spans.items():
        here = tuple((a, b) for a, b in lit if span and a < span[1] and b > span[0])
        src = page_image_url(document.public_id, version.number, number, here)
        double = f"{src}{'&' if here else '?'}scale=2"
        alt = f"Page {number}, with the cited words lit" if here else f"Page {number}"
        shown.append(PageShown(number, src, f"{src} 1x, {double} 2x", alt, bool(here)))
    return {
        "pages": shown,
        "page_count": count,
        "previous_page": first - PAGES_SHOWN if first > 1 else None,
        "next_page": last + 1 if last < count else None,
    }


def _lit_on_page(version: DocumentVersion, page: int, lit: tuple[Range, ...]) -> tuple[Range, ...]:
    """Return the part of the lit ranges that lies on a page, counted from the start of that page's text."""
    span = page_span(version, page)
    if span is None:
        return ()
    first, last = span
    return tuple((max(a, first) - first, min(b, last) - first) for a, b in lit if a < last and b > first)


def _scale(asked: str) -> float:
    try:
        wanted = float(asked) if asked else SCALES[0]
    except ValueError:
        return SCALES[0]
    return min(SCALES, key=lambda scale: abs(scale - wanted)) if wanted == wanted else SCALES[0]


def _draw(version: DocumentVersion, page: int, lit: tuple[Range, ...], scale: float) -> bytes:
    from ingestion.pages import page_image

    return page_image(_file_of(version), page, lit, scale)


def _file_of(version: DocumentVersion) -> Path:
    if not version.file:
        raise Http404
    path = storage.path_of(version.file)
    if not path.is_file():
        raise Http404
    return path


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await sync_to_async(lambda: path.open("rb"))()
    try:
        while piece := await sync_to_async(file.read)(256 * 1024):
            yield piece
    finally:
        await sync_to_async(file.close)()


def _audit(event: str, request: SignedInRequest, document: Document, details: dict[str, object]) -> None:
    record(
        event, by=by_request(request), subject=f"document:{document.public_id}", subject_label=document.title,
        details=details,
    )  # fmt: skip
