"""What the asker may see of a run while it goes on: an event for each step, replayed from rows, then live.

The record keeps for auditors what was withheld; nothing of that is in an event. Events name only what passed the gate.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from accounts.viewer import Viewer
from assistant import runner
from assistant.models import Question, TraceStep
from assistant.types import Record
from ingestion.models import Document

# Between two looks when nobody in this process tells of progress: the run may be another process's.
POLL_SECONDS = 0.3
QUIET_SECONDS = 10.0


@dataclass(frozen=True)
class Event:
    """One thing to tell. `position` is the step's (what a client gives back to go on after it); `data` is JSON.

    Names: `started`, then a step's name (`screen`, `plan`, …, `record`), `beat` when nothing happened for a while, and at
    the end `done`, whose data says the state (`answered`, `refused`, `clarify`, `failed`, `interrupted`) and the error's sentence.
    """

    position: int
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values
    is_final: bool = False


async def events(question: Question, viewer: Viewer, after: int = 0) -> AsyncGenerator[Event, None]:
    """Yield what happened to a question after step `after`, then what happens, until it is finished.

    The first event comes at once. Leaving the iterator does not stop the run. The caller has made sure that the question
    is the viewer's own.
    """
    position = max(0, after)
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    stop = runner.listen(question.pk, wake)
    quiet = 0.0
    try:
        if position == 0:
            yield Event(0, "started", {"question": str(question.public_id)})
        while True:
            woken.clear()
            found = await sync_to_async(_look)(question.pk, viewer, position)
            for event in found:
                position, quiet = max(position, event.position), 0.0
                yield event
                if event.is_final:
                    return
            if not found:
                # A stream lives for as long as its reader; a connection to the database must not.
                await sync_to_async(_let_go)()
            try:
                await asyncio.wait_for(woken.wait(), POLL_SECONDS)
            except TimeoutError:
                quiet += POLL_SECONDS
            if quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield Event(position, "beat")
    finally:
        stop()
        await sync_to_async(_let_go)()


def _look(question_id: int, viewer: Viewer, after: int) -> list[Event]:
    """Return the events after a position, the final one included once the question is finished."""
    # The question first: a step written between the two reads is then seen, and never one after the end.
    question = Question.objects.get(pk=question_id)
    if _has_stopped(question):
        runner.close_interrupted()
        question.refresh_from_db()
    steps = list(TraceStep.objects.filter(question_id=question_id, position__gt=after).order_by("position"))
    found = [
        Event(step.position, step.name, shown_step(step, viewer) | {"ms": step.milliseconds})
        for step in steps
    ]
    if question.state != Question.State.RUNNING:
        last = steps[-1].position if steps else after
        data = {"state": question.state, "error": question.error}
        found.append(Event(last, "done", data, is_final=True))
    return found


def _let_go() -> None:
    if not connection.in_atomic_block:
        connection.close()


def _has_stopped(question: Question) -> bool:
    limit: timedelta = runner.STALE
    return question.state == Question.State.RUNNING and question.heartbeat_at < timezone.now() - limit


def shown_step(step: TraceStep, viewer: Viewer) -> Record:
    """Return what the asker may know of a step, as JSON: the plan, what passed the gate, never what was withheld."""
    record: Record = step.record
    if step.name == "plan":
        return {
            "standalone": record.get("standalone", ""),
            "rule": record.get("rule", ""),
            "sub_queries": [
                {"number": s["number"], "text": _in_words(s, record)} for s in record.get("sub_queries", [])
            ]
            if not record.get("clarification")
            else [],
            "filters": record.get("filters", {}),
            "filters_not_used": record.get("filters_not_used", []),
        }
    if step.name == "context":
        return _found_by_sub_query(record.get("items", []), viewer)
    if step.name == "verify":
        return {"outcome": record.get("outcome", ""), "claims": len(record.get("claims", []))}
    return {}


def _in_words(sub_query: Record, plan: Record) -> str:
    """Return a sub-query as the asker reads it: what stands for an earlier one's finding said in words."""
    text: str = sub_query["text"]
    if not sub_query.get("after"):
        return text
    alone = re.fullmatch(r"(.*) #(\d+)", text)
    if alone and alone[1] == plan.get("standalone"):
        return f"Once more, with what {alone[2]} finds"
    return re.sub(r"#(\d+)", r"what \1 finds", text)


def _found_by_sub_query(items: Sequence[Record], viewer: Viewer) -> Record:
    """Return for each sub-query how many passages it brought into the context, and from which sources."""
    documents = {item["document"] for item in items}
    names = dict(
        Document.objects.visible_to(viewer).filter(pk__in=documents).values_list("pk", "source__name")
    )
    passages: dict[int, int] = defaultdict(int)
    sources: dict[int, list[str]] = defaultdict(list)
    for item in items:
        name = names.get(item["document"])
        if name is None:
            continue
        # A passage that came over a bridge belongs to no sub-query; it counts for the first.
        for number in item["sub_queries"] or [1]:
            passages[number] += 1
            if name not in sources[number]:
                sources[number].append(name)
    return {
        "found": [
            {"number": number, "passages": passages[number], "sources": sources[number]}
            for number in sorted(passages)
        ]
    }
