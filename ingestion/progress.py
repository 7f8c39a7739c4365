"""How far a run is, in true numbers: every one of them is a count of rows."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from ingestion.models import SyncItem, SyncRun

Outcome = SyncItem.Outcome

WINDOW_SECONDS = 120
"""Speed is measured over the last two minutes, so that a pause or a quick start does not distort it."""


@dataclass(frozen=True)
class Progress:
    """What a run found and what became of it, in documents.

    `reading` of the `waiting` have been read and are on their way into the index. `per_second` and `seconds_left` are
    None while nothing is known about the speed or the run does not move.
    """

    found: int
    done: int
    unchanged: int
    skipped: int
    failed: int
    removed: int
    waiting: int
    indexing: int
    dark: int
    per_second: float | None
    seconds_left: float | None

    @property
    def finished(self) -> int:
        """How many documents have their outcome."""
        return self.found - self.waiting

    @property
    def percent(self) -> int:
        """How much is finished, in whole percent, rounded down: 100 only when all is."""
        return 100 if not self.found else self.finished * 100 // self.found


def progress_of(run: SyncRun) -> Progress:
    """Return how far a run is, from its items as they are now: one query, a second one while it runs."""
    counts = run.items.aggregate(
        found=Count("pk"),
        dark=Count("pk", filter=Q(policy__is_dark=True)),
        indexing=Count("pk", filter=Q(outcome=Outcome.WAITING, version__isnull=False)),
        **{outcome.value: Count("pk", filter=Q(outcome=outcome)) for outcome in Outcome},
    )
    per_second = _per_second(run)
    waiting = counts["waiting"]
    return Progress(
        **counts,
        per_second=per_second,
        seconds_left=waiting / per_second if per_second and waiting else None,
    )


def _per_second(run: SyncRun) -> float | None:
    if run.state != SyncRun.State.RUNNING or run.started_at is None:
        return None
    now = timezone.now()
    since = max(run.started_at, now - timedelta(seconds=WINDOW_SECONDS))
    finished = run.items.filter(finished_at__gte=since).count()
    elapsed = (now - since).total_seconds()
    return finished / elapsed if finished and elapsed > 0 else None
