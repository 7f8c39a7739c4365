"""Long downloads in pieces, without holding them in memory."""

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def streamed(
    request: HttpRequest, pieces: Iterable[bytes], *, content_type: str, filename: str = ""
) -> StreamingHttpResponse:
    """Return a response that sends the pieces as they come, as a download when it has a file name.

    Under ASGI Django would collect a plain iterator into one list first; each piece is fetched in the request's own
    thread instead, so a database connection used by the pieces stays the same one.
    """
    iterator = iter(pieces)
    is_async = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(
        _one_by_one(iterator) if is_async else iterator, content_type=content_type
    )
    if filename:
        response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Cache-Control"] = "no-store"
    return response


async def _one_by_one(iterator: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(iterator, None))
    try:
        while (piece := await following()) is not None:
            yield piece
    finally:
        # A reader who goes away half-way must not leave files or cursors open until some later collection.
        close = getattr(iterator, "close", None)
        if close is not None:
            await sync_to_async(close)()
