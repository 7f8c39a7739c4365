"""The stream of a running answer, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_GET

from accounts.permissions import signed_in
from accounts.requests import SignedInRequest
from accounts.viewer import Viewer
from assistant.events import Event, events
from assistant.history import shown_answer
from assistant.models import Answer, Question
from assistant.views.turns import on_one_line, own_question, searches_of

# Sentences appear one after the other so that the eye can follow; never longer than a blink in all.
PACE_SECONDS = 0.01
PACED_SENTENCES = 12


@signed_in
@require_GET
async def stream(request: SignedInRequest, question: UUID) -> StreamingHttpResponse:
    """Send what happens to the person's question until it is finished: plan, found, sentence by sentence, done."""
    found = await sync_to_async(own_question)(request.user, question)
    after = request.headers.get("Last-Event-ID", "")
    position = int(after) if after.isdecimal() and len(after) < 9 else 0
    response = StreamingHttpResponse(
        _messages(found, request.viewer, position), content_type="text/event-stream; charset=utf-8"
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _messages(question: Question, viewer: Viewer, after: int) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for event in events(question, viewer, after):
        if event.name == "plan":
            yield _message(event, "plan", event.data)
        elif event.name == "context":
            searches = await sync_to_async(searches_of)(question, viewer)
            found = [{"number": s.number, "passages": s.passages, "found": s.found} for s in searches]
            yield _message(event, "found", {"sub_queries": found})
        elif event.is_final:
            if event.data["state"] == Question.State.ANSWERED:
                for number, sentence in enumerate(await sync_to_async(_sentences)(question, viewer)):
                    if 0 < number < PACED_SENTENCES:
                        await asyncio.sleep(PACE_SECONDS)
                    yield _message(event, "sentence", sentence)
            yield _message(event, "done", {"state": event.data["state"]})
        elif event.name == "beat":
            yield b": still working\n\n"


def _message(event: Event, name: str, data: Mapping[str, Any]) -> bytes:  # Any: JSON values
    return f"id: {event.position}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _sentences(question: Question, viewer: Viewer) -> list[dict[str, object]]:
    """Return the answer's sentences as this viewer may see them now."""
    answer = Answer.objects.filter(question=question).first()
    if answer is None:
        return []
    return [
        {"text": on_one_line(claim.words), "numbers": list(claim.numbers), "support": claim.support}
        for claim in shown_answer(answer, viewer).claims
        if claim.is_available
    ]
