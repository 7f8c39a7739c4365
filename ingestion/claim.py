"""A claim on a sync run: whoever holds it carries the run out, and shows signs of life while doing so."""

import time
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from ingestion.models import SyncRun
from ingestion.outbox import STALE_SECONDS

BEAT_SECONDS = 1.0


class ClaimLost(Exception):
    """The run was paused, cancelled, closed or taken over; whoever held it stops."""


class Claim:
    """The right to carry out one run. The last heartbeat is its token: a beat with an old token finds the run lost."""

    def __init__(self, run_id: int, token: datetime) -> None:
        self.run_id = run_id
        self._token = token
        self._beaten = time.monotonic()

    @classmethod
    def take(cls, run_id: int) -> "Claim | None":
        """Return a claim on a run that waits or was cut off; None when it is not to be carried out now, or by others."""
        now = timezone.now()
        waits = Q(state=SyncRun.State.QUEUED)
        cut_off = Q(state=SyncRun.State.RUNNING) & (
            Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=now - timedelta(seconds=STALE_SECONDS))
        )
        taken = SyncRun.objects.filter(
            waits | cut_off, pk=run_id, source__is_paused=False, source__removed_at__isnull=True
        ).update(state=SyncRun.State.RUNNING, heartbeat_at=now, started_at=Coalesce(F("started_at"), now))
        return cls(run_id, now) if taken else None

    def beat(self) -> None:
        """Raise ClaimLost when the run is no longer this holder's; show a sign of life, at most once a second."""
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            if not self._held().exists():
                raise ClaimLost
            return
        now = timezone.now()
        if not self._held().update(heartbeat_at=now):
            raise ClaimLost
        self._token, self._beaten = now, time.monotonic()

    def check(self) -> None:
        """Raise ClaimLost unless the run is still this holder's. Inside a transaction this holds until its end."""
        if not self._held().select_for_update().exists():
            raise ClaimLost

    def release(self) -> None:
        """Give the run back, to be taken up again by anybody."""
        self._held().update(state=SyncRun.State.QUEUED, heartbeat_at=None)

    def _held(self) -> "QuerySet[SyncRun]":
        return SyncRun.objects.filter(pk=self.run_id, state=SyncRun.State.RUNNING, heartbeat_at=self._token)
