"""Requesting, pausing, cancelling and retrying syncs."""

from functools import partial

from django.db import transaction

from accounts.audit import By
from ingestion import tasks
from ingestion.locking import (
    Details,
    NotPossible,
    close,
    enqueue,
    locked_run,
    locked_source,
    new_run,
    queue,
    record_source,
)
from ingestion.models import Source, SyncItem, SyncRun


def request_sync(*, by: By, source: Source) -> SyncRun:
    """Queue a sync of a folder source and return its run. Raises NotPossible while another run is open."""
    with transaction.atomic():
        source = locked_source(source)
        if source.kind == Source.Kind.UPLOAD:
            raise NotPossible(f"{source.name} holds uploads; there is no place to sync it from.")
        run = new_run(by, source)
        record_source("sync.requested", by, source, {"run": str(run.public_id)})
        enqueue(partial(tasks.run_sync.delay, run.pk))
    return run


def pause_sync(*, by: By, run: SyncRun) -> SyncRun:
    """Pause a run after the documents it is at, and return it."""
    with transaction.atomic():
        run = locked_run(run)
        if run.state not in {SyncRun.State.QUEUED, SyncRun.State.RUNNING}:
            raise NotPossible(f"This sync is {run.get_state_display()} and cannot be paused.")
        run.state = SyncRun.State.PAUSED
        run.save(update_fields=["state"])
        record_source("sync.paused", by, run.source, {"run": str(run.public_id)})
    return run


def resume_sync(*, by: By, run: SyncRun) -> SyncRun:
    """Let a paused run go on where it stopped, and return it."""
    with transaction.atomic():
        run = locked_run(run)
        if run.state != SyncRun.State.PAUSED:
            raise NotPossible(f"This sync is {run.get_state_display()}, not paused.")
        if run.source.is_paused:
            raise NotPossible(
                f"{run.source.name} is paused. Resume the source, and this sync goes on with it."
            )
        queue(run)
        record_source("sync.resumed", by, run.source, {"run": str(run.public_id)})
    return run


def cancel_sync(*, by: By, run: SyncRun) -> SyncRun:
    """Cancel an open run and return it. What was read before stays; what was not is marked as skipped."""
    with transaction.atomic():
        run = locked_run(run)
        if run.state not in SyncRun.OPEN:
            raise NotPossible(f"This sync is already {run.get_state_display()}.")
        left = close(run, SyncRun.State.CANCELLED, "The sync was cancelled before this document was read.")
        record_source("sync.cancelled", by, run.source, {"run": str(run.public_id), "documents_left": left})
    return run


def retry_item(*, by: By, item: SyncItem) -> SyncRun:
    """Read one failed or skipped document again and return the run that does it: this one while open, else a new one."""
    with transaction.atomic():
        run = _retry(by, item.run, [item.pk])
        details: Details = {"run": str(run.public_id), "document": item.external_id}
        record_source("sync.item_retried", by, run.source, details)
    return run


def retry_failed(*, by: By, run: SyncRun) -> SyncRun:
    """Read every document again that failed in a run, and return the run that does it."""
    with transaction.atomic():
        failed = run.items.filter(outcome=SyncItem.Outcome.FAILED).values_list("pk", flat=True)
        if not failed:
            raise NotPossible("No document of this sync failed.")
        count, again = len(failed), _retry(by, run, list(failed))
        details: Details = {"run": str(again.public_id), "retry_of": str(run.public_id), "documents": count}
        record_source("sync.requested", by, run.source, details)
    return again


def _retry(by: By, run: SyncRun, item_ids: list[int]) -> SyncRun:
    """Set items waiting again: in their own run while it is open, else in a new run over just these."""
    run = locked_run(run)
    source = locked_source(run.source)
    again = list(
        run.items.filter(
            pk__in=item_ids, outcome__in=[SyncItem.Outcome.FAILED, SyncItem.Outcome.SKIPPED]
        ).select_related("document")
    )
    if source.kind == Source.Kind.UPLOAD:
        again = [item for item in again if not _is_overtaken(item, source)]
    if not again:
        raise NotPossible(
            "Only a document that failed or was skipped, and was neither removed nor uploaded anew since, "
            "can be tried again."
        )
    if run.state in SyncRun.OPEN:
        SyncItem.objects.filter(pk__in=[item.pk for item in again]).update(
            outcome=SyncItem.Outcome.WAITING, code="", reason="", finished_at=None, version=None
        )
        return run
    new = new_run(by, source, is_partial=True)
    SyncItem.objects.bulk_create(
        SyncItem(
            run=new,
            external_id=item.external_id,
            document=item.document,
            file=item.file,
            modified_at=item.modified_at,
            policy_id=_rule_for(item, source),
        )
        for item in again
    )
    enqueue(partial(tasks.run_sync.delay, new.pk))
    return new


def _is_overtaken(item: SyncItem, source: Source) -> bool:
    """Return whether something newer has been decided about an upload than this item knows of."""
    later = SyncItem.objects.filter(run__source=source, external_id=item.external_id, pk__gt=item.pk)
    return later.exists() or (item.document is not None and item.document.removed_at is not None)


def _rule_for(item: SyncItem, source: Source) -> int | None:
    """Return the rule a retry starts from. A folder is listed again for it; an upload has the one given by people."""
    if source.kind != Source.Kind.UPLOAD:
        return None
    return item.policy_id if item.document is None else item.document.policy_id
