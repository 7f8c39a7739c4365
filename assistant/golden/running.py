"""Carries evaluation runs out in the background, question by question, and takes up what was cut off.

Each result is committed before the next question is asked, under a claim that the run's row names: a run that somebody
else took up, or stopped, finds its claim gone and writes nothing more. So nothing is asked twice, and a process that is
killed leaves a run that goes on where it was. A thread of its own shows signs of life: on a busy machine loading a model
may take minutes, and a run must not be taken for dead meanwhile.
"""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connections, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import By, record
from assistant.golden import asking
from assistant.golden.figures import figures_of
from assistant.golden.models import EvaluationResult, EvaluationRun
from assistant.types import NotAskable
from ingestion import pipeline
from ingestion.embedding import embedder
from ingestion.index.types import IndexFailure
from ingestion.weights import EmbeddingUnavailable
from retrieval.options import Options, UnknownOption

log = logging.getLogger(__name__)

State = EvaluationRun.State
BEAT_SECONDS = 5.0
# Twelve missed beats: longer than any pause of a healthy process.
STALE = timedelta(seconds=60)
# A question that took its process down with it twice would do so at every start.
MOST_ATTEMPTS = 2
SPEAKING = (NotAskable, IndexFailure, EmbeddingUnavailable, asking.NotAskedAs)
"""Errors whose message is a sentence that may be shown to an administrator."""
BROKE = "Something went wrong while this question was being asked. The server's log holds the cause."
CUT_OFF = (
    "The server was stopped twice while this question was being asked, so it is not asked again in this run. "
    "If it stops the server each time, the log says why."
)


class ClaimLost(Exception):
    """The run was stopped or taken over; whoever carried it out ends."""


class Claim:
    """The right to carry out one run."""

    def __init__(self, run_id: int, token: uuid.UUID) -> None:
        self.run_id = run_id
        self._token = token

    @classmethod
    def take(cls, run_id: int) -> "Claim | None":
        """Return a claim on a run that waits or was cut off; None when it is closed, or in somebody else's hands."""
        now, token = timezone.now(), uuid.uuid4()
        taken = EvaluationRun.objects.filter(_untended(now), pk=run_id).update(
            state=State.RUNNING, claim=token, heartbeat_at=now, started_at=Coalesce(F("started_at"), now)
        )
        return cls(run_id, token) if taken else None

    def check(self) -> None:
        """Raise ClaimLost when the run is no longer this holder's."""
        if not self._held().exists():
            raise ClaimLost

    def hold(self) -> EvaluationRun:
        """Return the run, locked until the transaction ends. Raises ClaimLost when it is no longer this holder's."""
        run = self._held().select_for_update().first()
        if run is None:
            raise ClaimLost
        return run

    def release(self) -> None:
        """Give the run back, to be taken up again by anybody."""
        self._held().update(state=State.QUEUED, claim=None, heartbeat_at=None)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Show signs of life from a thread of its own as long as the block lasts."""
        over = threading.Event()
        heart = threading.Thread(target=self._beat, args=(over,), name="evaluation-heartbeat", daemon=True)
        heart.start()
        try:
            yield
        finally:
            over.set()
            heart.join(BEAT_SECONDS)

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS):
            try:
                self._held().update(heartbeat_at=timezone.now())
            except Exception:
                # A database that is gone or busy for a moment must not end the heart; the next beat tries again.
                log.exception("The heartbeat of evaluation run %s could not be written.", self.run_id)
            finally:
                connections.close_all()

    def _held(self) -> "QuerySet[EvaluationRun]":
        return EvaluationRun.objects.filter(pk=self.run_id, state=State.RUNNING, claim=self._token)


def carry_out(run_id: int) -> None:
    """Ask what a run has not asked yet, to its end. A run that somebody else carries out, or that is closed, is left."""
    from retrieval.search import forget_vectors

    claim = Claim.take(run_id)
    if claim is None:
        return
    # Otherwise a run right after another would not embed its questions, and seem quicker than it is.
    forget_vectors()
    try:
        with claim.beating():
            _ask_what_is_left(claim, Options.parse(EvaluationRun.objects.get(pk=run_id).options))
    except ClaimLost:
        log.info("Evaluation run %s was stopped or is carried out by somebody else.", run_id)
    except UnknownOption as error:
        _fail(claim, f"This run asks for options that retrieval does not have: {error}")


def _ask_what_is_left(claim: Claim, options: Options) -> None:
    try:
        # Loaded now, so that no question's time holds the loading of the model.
        embedder().embed_query("Which documents may I read?")
    except EmbeddingUnavailable as error:
        log.warning("Evaluation run %s asks without the embedding model: %s", claim.run_id, error)
    while not pipeline.stopping.is_set():
        result = _next(claim)
        if result is None:
            _finish(claim)
            return
        _ask(claim, result, options)
    claim.release()


def waiting() -> list[int]:
    """Return the runs that nobody carries out: requested, or cut off. Sending for one twice does no harm."""
    return list(
        EvaluationRun.objects.filter(_untended(timezone.now())).order_by("pk").values_list("pk", flat=True)
    )


def take_up_after_restart() -> int:
    """Mark the runs of a process that is gone as cut off, without waiting for their hearts to be known to have stopped.

    Only for a process that knows itself to be alone, by the lock on the data folder. Returns how many runs that were.
    """
    return EvaluationRun.objects.filter(state=State.RUNNING).update(heartbeat_at=None)


def _untended(now: datetime) -> Q:
    stopped = Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=now - STALE)
    return Q(state=State.QUEUED) | Q(state=State.RUNNING) & stopped


def _next(claim: Claim) -> EvaluationResult | None:
    """Return the next question to ask, counted as tried before it is; one that was tried too often fails instead."""
    while True:
        with transaction.atomic():
            run = claim.hold()
            result = run.results.filter(state=EvaluationResult.State.WAITING).order_by("pk").first()
            if result is None:
                return None
            if result.attempts < MOST_ATTEMPTS:
                result.attempts += 1
                result.save(update_fields=["attempts"])
                return result
            _write_failure(result, CUT_OFF)


def _ask(claim: Claim, result: EvaluationResult, options: Options) -> None:
    try:
        came = asking.ask(result, options, claim.check)
    except ClaimLost:
        raise
    except SPEAKING as error:
        log.warning("Golden question %s could not be asked: %s", result.question_id, error)
        sentence = str(error)
    except Exception:
        log.exception("Golden question %s could not be asked.", result.question_id)
        sentence = BROKE
    else:
        with transaction.atomic():
            claim.hold()
            _write(result, came)
        return
    with transaction.atomic():
        claim.hold()
        _write_failure(result, sentence)


def _write(result: EvaluationResult, came: asking.Came) -> None:
    result.state = EvaluationResult.State.DONE
    result.ranks, result.outcome = list(came.ranks), came.outcome
    result.has_words, result.is_right = came.has_words, came.is_right
    result.milliseconds, result.finished_at = came.milliseconds, timezone.now()
    result.save(
        update_fields=["state", "ranks", "outcome", "has_words", "is_right", "milliseconds", "finished_at"]
    )


def _write_failure(result: EvaluationResult, sentence: str) -> None:
    result.state, result.error = EvaluationResult.State.FAILED, sentence[:500]
    result.finished_at = timezone.now()
    result.save(update_fields=["state", "error", "finished_at"])


def _finish(claim: Claim) -> None:
    with transaction.atomic():
        run = claim.hold()
        run.figures = figures_of(run.results.all())
        run.state, run.finished_at = State.FINISHED, timezone.now()
        run.save(update_fields=["figures", "state", "finished_at"])
        _record_end(run)


def _fail(claim: Claim, sentence: str) -> None:
    with transaction.atomic():
        run = claim.hold()
        run.state, run.error, run.finished_at = State.FAILED, sentence[:500], timezone.now()
        run.save(update_fields=["state", "error", "finished_at"])
        _record_end(run)


def _record_end(run: EvaluationRun) -> None:
    record(
        "evaluation.finished",
        by=By.system("evaluation"),
        subject=run.subject,
        subject_label=run.name,
        details={"state": run.state, "options": run.options, "figures": run.figures},
        reason=run.error,
    )
