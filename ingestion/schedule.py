"""Which syncs are due, and which runs wait for somebody to take them up."""

from datetime import timedelta

from django.db.models import F, Max, Q
from django.utils import timezone

from accounts.audit import By
from ingestion.actions import NotPossible, request_sync
from ingestion.models import Source, SyncRun
from ingestion.outbox import STALE_SECONDS


def start_due() -> list[int]:
    """Request the syncs that are due and return the runs that nobody carries out: waiting, or cut off.

    A message to a worker can be lost with the process that held it; the row cannot. Sending one twice does no harm.
    """
    for source in due_sources():
        try:
            request_sync(by=By.system("schedule"), source=source)
        except NotPossible:
            # Paused, removed, or started by a person between the look and the request: nothing is due any more.
            continue
    cut_off = timezone.now() - timedelta(seconds=STALE_SECONDS)
    waiting = Q(state=SyncRun.State.QUEUED) | Q(state=SyncRun.State.RUNNING) & (
        Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=cut_off)
    )
    runs = SyncRun.objects.filter(waiting, source__is_paused=False, source__removed_at__isnull=True)
    return list(runs.order_by("pk").values_list("pk", flat=True))


def due_sources() -> list[Source]:
    """Return the sources whose last run began longer ago than their schedule says and that have no open run."""
    now = timezone.now()
    scheduled = (
        Source.objects.current()
        .filter(sync_minutes__isnull=False, is_paused=False)
        .exclude(runs__state__in=SyncRun.OPEN)
        .annotate(last=Max(F("runs__created_at"), filter=Q(runs__is_partial=False)))
    )
    return [
        source
        for source in scheduled
        if source.last is None or source.last + timedelta(minutes=source.sync_minutes or 0) <= now
    ]


def take_up_after_restart() -> int:
    """Mark the runs of a process that is gone as cut off, without waiting for their heartbeats to grow old.

    Only for a process that knows itself to be alone, by the lock on the data folder. Returns how many runs that were.
    """
    return SyncRun.objects.filter(state=SyncRun.State.RUNNING).update(heartbeat_at=None)
