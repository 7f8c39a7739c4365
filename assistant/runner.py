"""Answers questions in the background: drains the pipeline, writes each step as a row, tells who is listening.

Who asked the question may close the page; the run goes on. Each step is committed before anybody hears of it, so what
was shown can be proved, and a process that dies leaves a record up to its last step and a heartbeat that stops.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.audit import By, record
from accounts.models import User
from accounts.viewer import viewer_of
from assistant import trace
from assistant.models import Answer, Question, TraceStep
from assistant.processes import NotStarted, ProcessDied, Processes, say
from assistant.types import NotAskable, VerifiedAnswer
from ingestion.embedding import embedder
from ingestion.index import get_index
from ingestion.index.types import IndexBusy, IndexFailure, IndexUnavailable
from ingestion.weights import EmbeddingUnavailable
from retrieval.types import Step

log = logging.getLogger(__name__)

WORKERS = 4
BEAT_SECONDS = 5.0
# Steps that show something to the asker. Waking listeners for each of the others would only take time from the answer.
WORTH_WAKING = {"plan", "context"}
# Six missed beats: longer than any pause of a healthy process, short enough that nobody waits for nothing.
STALE = timedelta(seconds=30)
INTERRUPTED = "This answer was cut off while it was being prepared. Nothing was lost: ask again."
FAILED = (
    "Something went wrong while this answer was being prepared, and nothing was answered. Ask again; if it happens "
    "again, tell your administrator the time: the server's log holds the cause."
)
SPEAKING = (NotAskable, IndexBusy, IndexUnavailable, EmbeddingUnavailable)
"""Errors whose message is a sentence that may be shown to the person who asked."""


class Overtaken(Exception):
    """The question was closed by somebody else while this run was at it; nothing more may be written."""


# --- Who listens --------------------------------------------------------------------------------------------------

_listeners: dict[int, set[Callable[[], None]]] = {}
_listeners_lock = threading.Lock()


def listen(question_id: int, wake: Callable[[], None]) -> Callable[[], None]:
    """Have `wake` called, from any thread, whenever a step of a question was committed; return how to stop it."""
    with _listeners_lock:
        _listeners.setdefault(question_id, set()).add(wake)

    def stop() -> None:
        with _listeners_lock:
            waiting = _listeners.get(question_id, set())
            waiting.discard(wake)
            if not waiting:
                _listeners.pop(question_id, None)

    return stop


def _tell(question_id: int) -> None:
    if say(question_id):
        return  # who listens, listens in the process that this one works for
    hear(question_id)


def hear(question_id: int) -> None:
    """Wake whoever listens to a question in this process."""
    with _listeners_lock:
        waiting = tuple(_listeners.get(question_id, ()))
    for wake in waiting:
        wake()


# --- Running in the background ------------------------------------------------------------------------------------

_futures: dict[int, Future[None]] = {}
_futures_lock = threading.Lock()
_heart: threading.Thread | None = None


_processes: Processes | None = None
_taken_up_again: set[int] = set()
"""Questions whose process died: what kills one process must not kill every other."""


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="answering")


@contextmanager
def answering_elsewhere(processes: Processes | None) -> Iterator[None]:
    """Have questions answered by processes of their own until the block ends; None leaves them to threads of this one."""
    global _processes
    _processes = processes
    try:
        yield
    finally:
        _processes = None
        if processes is not None:
            processes.close()


def warm() -> None:
    """Use the models and the index once, so that the first question does not wait for them."""
    from assistant.answering.reader import Page, read

    question = "Which documents may I read?"
    try:
        embedder().embed_query(question)
        read(question, [Page("", question, ((0, len(question)),))])
        get_index().count()
    except (EmbeddingUnavailable, IndexFailure) as error:
        log.error("%s", error)
    keep_loaded()


LOOKED_THROUGH = 50_000, 10, 10
"""New objects after which the newest are looked through for garbage, and how often before older ones are."""


def keep_loaded() -> None:
    """Have what is loaded by now never looked through for garbage again.

    That takes 50 to 100 ms in the middle of every fiftieth question, and marks what is looked at, so that each process
    that was forked has memory of its own for what it shared.
    """
    gc.collect()
    gc.freeze()
    # A question makes some 20,000 objects that are gone with it; looked through every 700, that is a thirtieth of its time.
    gc.set_threshold(*LOOKED_THROUGH)


def start(question_id: int) -> None:
    """Answer a question in the background. Call it once the question is committed."""
    with _futures_lock:
        if question_id in _futures:
            return
        if _processes is None:
            _futures[question_id] = future = _pool().submit(_run_in_thread, question_id)
        else:
            _futures[question_id] = future = _processes.submit(run, question_id)
        _start_heart()
    future.add_done_callback(partial(_ended, question_id))


def wait(question_id: int, seconds: float | None = None) -> None:
    """Wait until a question that this process answers is finished. Raises TimeoutError after `seconds`."""
    with _futures_lock:
        future = _futures.get(question_id)
    if future is not None:
        future.result(seconds)


def _run_in_thread(question_id: int) -> None:
    try:
        run(question_id)
    finally:
        connections.close_all()


def _ended(question_id: int, future: "Future[None]") -> None:
    with _futures_lock:
        _futures.pop(question_id, None)
    if future.cancelled() or future.exception() is None:
        return
    try:
        log.error("Question %d was left unanswered: %s", question_id, future.exception())
        if isinstance(future.exception(), ProcessDied):
            _take_up_again(Question.objects.get(pk=question_id))
        elif isinstance(future.exception(), NotStarted):
            fail(Question.objects.get(pk=question_id), "answering", "NotStarted", FAILED)
            _tell(question_id)
    finally:
        connections.close_all()


def _take_up_again(question: Question) -> None:
    """Answer a question after all whose process died before it did anything; close one that was begun."""
    with _futures_lock:
        is_first = question.pk not in _taken_up_again
        _taken_up_again.add(question.pk)
    if is_first and not TraceStep.objects.filter(question_id=question.pk).exists():
        start(question.pk)
    else:
        _interrupt(question)


def _start_heart() -> None:
    """Start the thread that keeps the heartbeats of this process's questions; it ends when there are none."""
    global _heart
    if _heart is None or not _heart.is_alive():
        _heart = threading.Thread(target=_beat, name="answering-heartbeat", daemon=True)
        _heart.start()


def _beat() -> None:
    global _heart
    while True:
        time.sleep(BEAT_SECONDS)
        with _futures_lock:
            alive = list(_futures)
            if not alive:
                _heart = None
                return
        try:
            Question.objects.filter(pk__in=alive, state=Question.State.RUNNING).update(
                heartbeat_at=timezone.now()
            )
        except Exception:
            # A database that is gone for a moment must not end the heart; the next beat tries again.
            log.exception("The heartbeat of %d questions could not be written.", len(alive))
        finally:
            connections.close_all()


# --- One question -------------------------------------------------------------------------------------------------


def run(question_id: int) -> None:
    """Answer one question from beginning to end, in this thread. Failures end up in its row, never in the caller."""
    from assistant.history import turns_before
    from assistant.narrowing import filters_from
    from assistant.pipeline import answer

    question = Question.objects.select_related("conversation__owner").get(pk=question_id)
    if question.state != Question.State.RUNNING:
        return
    begun, stage = time.perf_counter(), "start"
    try:
        # From the database, now: not what the person held when the page was opened.
        viewer = viewer_of(User.objects.get(pk=question.conversation.owner_id))
        turns = turns_before(question, viewer)
        verified: VerifiedAnswer | None = None
        filters = filters_from(question.filters)
        for step in answer(question.text, turns, viewer, filters=filters):
            stage = step.name
            _keep(question, step)
            verified = step.value if isinstance(step.value, VerifiedAnswer) else verified
        if verified is None:
            raise RuntimeError("The pipeline ended without an answer.")
        stage = "record"
        _finish(question, verified, (time.perf_counter() - begun) * 1000)
    except Overtaken:
        log.warning("Question %s was closed while it was being answered; the run ends.", question.public_id)
    except SPEAKING as error:
        log.warning("Question %s could not be answered after %s: %s", question.public_id, stage, error)
        fail(question, stage, type(error).__name__, str(error))
    except Exception as error:
        log.exception("Question %s could not be answered after %s.", question.public_id, stage)
        fail(question, stage, type(error).__name__, FAILED)
    finally:
        _tell(question_id)


def _keep(question: Question, step: Step) -> None:
    with transaction.atomic():
        _lock(question)
        trace.append(question, step.name, step.record, step.milliseconds)
    if step.name in WORTH_WAKING:
        _tell(question.pk)


def _lock(question: Question) -> Question:
    """Return the question as it is now, locked. Raises Overtaken when it is no longer being answered."""
    now = Question.objects.select_for_update().get(pk=question.pk)
    if now.state != Question.State.RUNNING:
        raise Overtaken
    return now


def _finish(question: Question, verified: VerifiedAnswer, milliseconds: float) -> None:
    """Write answer, footnotes, last step, state and audit event as one: all of them are there, or none."""
    from assistant.writing import write_answer

    with transaction.atomic():
        now = _lock(question)
        answer = write_answer(now, verified, milliseconds)
        _end(now, trace.STATES[answer.outcome], "", _details_of(answer), By.user(question.conversation.owner))


def _details_of(answer: Answer) -> Mapping[str, Any]:  # Any: JSON values
    return {
        "outcome": answer.outcome,
        "method": answer.method,
        "footnotes": answer.citations.count(),
        "milliseconds": answer.milliseconds,
    }


def fail(question: Question, stage: str, kind: str, sentence: str) -> None:
    """Close a question that could not be answered, with a sentence for the person who asked."""
    try:
        with transaction.atomic():
            now = _lock(question)
            trace.append(now, "failed", {"after": stage, "error": kind, "sentence": sentence}, 0.0)
            _end(
                now, Question.State.FAILED, sentence, {"after": stage, "error": kind}, By.system("answering")
            )
    except Overtaken:
        log.warning("Question %s was already closed when its failure was to be recorded.", question.public_id)


def close_interrupted(older_than: timedelta = STALE) -> int:
    """Close questions whose heartbeat stopped longer ago than `older_than`, and return how many there were."""
    limit = timezone.now() - older_than
    stopped = list(
        Question.objects.filter(state=Question.State.RUNNING, heartbeat_at__lte=limit).order_by("pk")
    )
    return sum(_interrupt(question) for question in stopped if question.pk not in _futures)


def take_up_after_restart() -> int:
    """Close at the start of a serving process what the one before left unanswered; return how many there were.

    SQLite means that there is no other process, so none of them can be alive; else only stopped hearts tell.
    """
    return close_interrupted(timedelta(0) if connection.vendor == "sqlite" else STALE)


def _interrupt(question: Question) -> bool:
    try:
        with transaction.atomic():
            now = _lock(question)
            if now.heartbeat_at != question.heartbeat_at:
                return False
            _end(now, Question.State.INTERRUPTED, INTERRUPTED, {}, By.system("answering"))
    except Overtaken:
        return False
    _tell(question.pk)
    return True


def _end(
    question: Question,
    state: Question.State,
    error: str,
    details: Mapping[str, Any],  # Any: JSON values
    by: By,
) -> None:
    from assistant.screening import label_of

    now = timezone.now()
    question.state, question.error = state, error[:500]
    question.heartbeat_at = question.finished_at = now
    question.save(update_fields=["state", "error", "heartbeat_at", "finished_at"])
    record(
        trace.ENDINGS[state],
        by=by,
        subject=f"question:{question.public_id}",
        subject_label=label_of(question.text),
        details={**details, "last_digest": trace.last_digest(question)},
        reason=error,
    )
