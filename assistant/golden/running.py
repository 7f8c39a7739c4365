"""Carries evaluation runs out in the background, question by question, and takes up what was cut off.

Each result is committed before the next question is asked, under a claim whose token is the run's last heartbeat: a run
that somebody else took up, or stopped, finds its claim gone and writes nothing more. So nothing is asked twice, and a
process that is killed leaves a run that goes on where it was.
"""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import By, record
from assistant.golden import asking
from assistant.golden.figures import figures_of
from assistant.golden.models import EvaluationResult, EvaluationRun
from assistant.types import NotAskable
from ingestion import pipeline
from ingestion.embedding import EmbeddingUnavailable
from ingestion.index.types import IndexFailure
from retrieval.options import Options, UnknownOption

log = logging.getLogger(__name__)

State = EvaluationRun.State
BEAT_SECONDS = 2.0
# Longer than any one stage takes, a language model's included: between two beats lies a stage.
STALE = timedelta(seconds=180)
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

    def __init__(self, run_id: int, token: datetime) -> None:
        self.run_id = run_id
        self._token = token
        self._beaten = time.monotonic()

    @classmethod
    def take(cls, run_id: int) -> "Claim | None":
        """Return a claim on a run that waits or was cut off; None when it is closed, or in somebody else's hands."""
        now = timezone.now()
        taken = EvaluationRun.objects.filter(_untended(now), pk=run_id).update(
            state=State.RUNNING, heartbeat_at=now, started_at=Coalesce(F("started_at"), now)
        )
        return cls(run_id, now) if taken else None

    def beat(self) -> None:
        """Show a sign of life, every two seconds at most. Raises ClaimLost when the run is no longer this holder's."""
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        now = timezone.now()
        if not self._held().update(heartbeat_at=now):
            raise ClaimLost
        self._token, self._beaten = now, time.monotonic()

    def hold(self) -> EvaluationRun:
        """Return the run, locked until the transaction ends. Raises ClaimLost when it is no longer this holder's."""
        run = self._held().select_for_update().first()
        if run is None:
            raise ClaimLost
        return run

    def release(self) -> None:
        """Give the run back, to be taken up again by anybody."""
        self._held().update(state=State.QUEUED, heartbeat_at=None)

    def _held(self) -> "QuerySet[EvaluationRun]":
        return EvaluationRun.objects.filter(pk=self.run_id, state=State.RUNNING, heartbeat_at=self._token)


def carry_out(run_id: int) -> None:
    """Ask what a run has not asked yet, to its end. A run that somebody else carries out, or that is closed, is left."""
    from retrieval.search import query_vector

    claim = Claim.take(run_id)
    if claim is None:
        return
    # Otherwise a run right after another would not embed its questions, and seem quicker than it is.
    query_vector.cache_clear()
    try:
        options = Options.parse(EvaluationRun.objects.get(pk=run_id).options)
        while (result := _next(claim)) is not None:
            if pipeline.stopping.is_set():
                claim.release()
                return
            _ask(claim, result, options)
        _finish(claim)
    except ClaimLost:
        log.info("Evaluation run %s was stopped or is carried out by somebody else.", run_id)
    except UnknownOption as error:
        _fail(claim, f"This run asks for options that retrieval does not have: {error}")


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
        came = asking.ask(result, options, claim.beat)
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
