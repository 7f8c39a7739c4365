"""What the actions share: locking rows in one order, writing the audit event, queuing the work."""

from collections.abc import Callable
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import By, record
from ingestion import tasks
from ingestion.access import rule_of
from ingestion.models import AccessPolicy, Document, Source, SyncItem, SyncRun

Details = dict[str, object]


class NotPossible(Exception):
    """An action that cannot be done as things are. The message is a sentence for the person who asked."""


def locked_source(source: Source) -> Source:
    """Return the source as it is now, locked; raise NotPossible when it has been removed."""
    found = Source.objects.select_for_update().filter(pk=source.pk, removed_at__isnull=True).first()
    if found is None:
        raise NotPossible(f"{source.name} has been removed.")
    locked: Source = found
    return locked


def locked_run(run: SyncRun) -> SyncRun:
    """Return the run as it is now, locked together with its source."""
    # The source is locked first everywhere, then the run: one order, no deadlock.
    Source.objects.select_for_update().get(pk=run.source_id)
    return SyncRun.objects.select_for_update(of=("self",)).select_related("source").get(pk=run.pk)


def locked_document(document: Document) -> Document:
    """Return the document as it is now, locked; raise NotPossible when it has been removed."""
    Source.objects.select_for_update().get(pk=document.source_id)
    found = (
        Document.objects.current()
        .select_for_update(of=("self",))
        .select_related("source", "policy")
        .filter(pk=document.pk)
        .first()
    )
    if found is None:
        raise NotPossible(f"{document.title} has been removed.")
    locked: Document = found
    return locked


def new_run(by: By, source: Source, *, is_partial: bool = False) -> SyncRun:
    """Return a new run of a source; raise NotPossible when the source is paused or has an open run."""
    if source.is_paused:
        raise NotPossible(f"{source.name} is paused. Resume it first.")
    try:
        with transaction.atomic():
            return SyncRun.objects.create(source=source, requested_by_id=_user_id(by), is_partial=is_partial)
    except IntegrityError as error:
        raise NotPossible(f"A sync of {source.name} is already waiting, running or paused.") from error


def queue(run: SyncRun) -> None:
    """Let a run be taken up by a worker once the transaction is through."""
    run.state, run.heartbeat_at = SyncRun.State.QUEUED, None
    run.save(update_fields=["state", "heartbeat_at"])
    enqueue(partial(tasks.run_sync.delay, run.pk))


def close(run: SyncRun, state: SyncRun.State, reason: str) -> int:
    """Close a run and return how many documents it had not read. Those already read are finished by the outbox."""
    now = timezone.now()
    run.state, run.finished_at = state, now
    run.save(update_fields=["state", "finished_at"])
    return run.items.filter(outcome=SyncItem.Outcome.WAITING, version__isnull=True).update(
        outcome=SyncItem.Outcome.SKIPPED, code="cancelled", reason=reason, finished_at=now
    )


def _user_id(by: By) -> int | None:
    kind, _, number = by.actor.partition(":")
    return int(number) if kind == "user" and number.isdigit() else None


def told(policy: AccessPolicy) -> Details:
    """Return a rule as the audit record keeps it: principals by id, so that a renamed group stays the same group."""
    rule = rule_of(policy)
    return {
        "policy": policy.pk,
        "dark": rule.is_dark,
        "clauses": sorted(sorted(clause) for clause in rule.clauses),
        "denials": sorted(rule.denials),
    }


def record_source(
    event: str, by: By, source: Source, details: Details, reason: str = "", *, label: str = ""
) -> None:
    """Write one audit event about a source, under `label` where its name is about to change."""
    record(
        event, by=by, subject=f"source:{source.public_id}", subject_label=label or source.name, details=details,
        reason=reason,
    )  # fmt: skip


def record_document(event: str, by: By, document: Document, details: Details, reason: str) -> None:
    """Write one audit event about a document."""
    record(
        event, by=by, subject=f"document:{document.public_id}", subject_label=document.title, details=details,
        reason=reason,
    )  # fmt: skip


def enqueue(send: Callable[[], object]) -> None:
    """Send a task once the transaction is through."""
    # Robust: the row is committed by then. A broker that is down delays the work until the schedule finds the row;
    # it must not turn a finished action into an error page.
    transaction.on_commit(send, robust=True)
