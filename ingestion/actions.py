"""What people do to sources and documents. Each action is atomic, takes `by=` and leaves exactly one audit event."""

from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import By, record
from ingestion import outbox, storage, tasks
from ingestion.access import Rule, intern_policy, rule_of
from ingestion.models import AccessPolicy, Document, Source, SyncItem, SyncRun

if TYPE_CHECKING:
    from collections.abc import Callable

Details = dict[str, object]


class NotPossible(Exception):
    """An action that cannot be done as things are. The message is a sentence for the person who asked."""


# --- Sources ------------------------------------------------------------------------------------------------------


def connect_source(
    *, by: By, kind: str, name: str, rule: Rule, path: str = "", sync_minutes: int | None = None
) -> Source:
    """Connect a source and return it; nothing is read before a sync is requested.

    `kind` is "folder" (with a `path` under one of the allowed roots) or "upload". Raises NotPossible for a path that
    cannot be used, a name that is taken, or an unknown kind.
    """
    name = _source_name(name)
    if kind not in Source.Kind.values:
        raise NotPossible(f"There is no kind of source called {kind!r}.")
    _check_schedule(kind, sync_minutes)
    resolved = _folder(path) if kind == Source.Kind.FOLDER else ""
    with transaction.atomic():
        _check_name_free(name, None)
        policy = intern_policy(rule)
        source = Source.objects.create(
            name=name, kind=kind, path=resolved, policy=policy, sync_minutes=sync_minutes
        )
        details: Details = {
            "kind": kind,
            "path": resolved,
            "sync_minutes": sync_minutes,
            "rule": _told(policy),
        }
        _record("source.connected", by, source, details)
    return source


def change_source(*, by: By, source: Source, name: str, sync_minutes: int | None) -> Source:
    """Change a source's name and its schedule in minutes (None: by hand) and return it."""
    name = _source_name(name)
    with transaction.atomic():
        source = _locked(source)
        _check_schedule(source.kind, sync_minutes)
        _check_name_free(name, source)
        details: Details = {
            "name": [source.name, name],
            "sync_minutes": [source.sync_minutes, sync_minutes],
        }
        source.name, source.sync_minutes = name, sync_minutes
        source.save(update_fields=["name", "sync_minutes"])
        _record("source.changed", by, source, details)
    return source


def change_source_access(*, by: By, source: Source, rule: Rule, reason: str = "") -> Source:
    """Change who may read a source's documents and return it. Holds from the next request on: no index is touched."""
    with transaction.atomic():
        source = _locked(source)
        before, after = source.policy, intern_policy(rule)
        source.policy = after
        source.save(update_fields=["policy"])
        _record("source.changed", by, source, {"rule": [_told(before), _told(after)]}, reason)
    return source


def pause_source(*, by: By, source: Source) -> Source:
    """Stop syncing a source, its open run included, until it is resumed. Its documents stay readable."""
    with transaction.atomic():
        source = _locked(source)
        if source.is_paused:
            raise NotPossible(f"{source.name} is already paused.")
        source.is_paused = True
        source.save(update_fields=["is_paused"])
        paused = source.runs.filter(state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING]).update(
            state=SyncRun.State.PAUSED
        )
        _record("source.paused", by, source, {"runs_paused": paused})
    return source


def resume_source(*, by: By, source: Source) -> Source:
    """Let a source be synced again; a run that was paused with it goes on."""
    with transaction.atomic():
        source = _locked(source)
        if not source.is_paused:
            raise NotPossible(f"{source.name} is not paused.")
        source.is_paused = False
        source.save(update_fields=["is_paused"])
        run = source.runs.filter(state=SyncRun.State.PAUSED).first()
        if run is not None:
            _queue(run)
        _record("source.resumed", by, source, {"run": None if run is None else str(run.public_id)})
    return source


def remove_source(*, by: By, source: Source, reason: str = "") -> Source:
    """Remove a source with all its documents: gone for every reader at once, purged later. Its name becomes free."""
    with transaction.atomic():
        source = _locked(source)
        name, now = source.name, timezone.now()
        count = source.documents.filter(removed_at__isnull=True).count()
        suffix = f" (removed {source.pk})"
        source.name, source.removed_at = name[: 120 - len(suffix)] + suffix, now
        source.save(update_fields=["name", "removed_at"])
        for run in source.runs.filter(state__in=SyncRun.OPEN):
            _close(run, SyncRun.State.CANCELLED, "The source was removed before this document was read.")
        outbox.retire_documents(source.documents.all())
        _record("source.removed", by, source, {"documents": count}, reason, label=name)
        _enqueue(tasks.deliver_outbox.delay)
    return source


# --- Syncs --------------------------------------------------------------------------------------------------------


def request_sync(*, by: By, source: Source) -> SyncRun:
    """Queue a sync of a folder source and return its run. Raises NotPossible while another run is open."""
    with transaction.atomic():
        source = _locked(source)
        if source.kind == Source.Kind.UPLOAD:
            raise NotPossible(f"{source.name} holds uploads; there is no place to sync it from.")
        run = _new_run(by, source)
        _record("sync.requested", by, source, {"run": str(run.public_id)})
        _enqueue(partial(tasks.run_sync.delay, run.pk))
    return run


def pause_sync(*, by: By, run: SyncRun) -> SyncRun:
    """Pause a run after the documents it is at, and return it."""
    with transaction.atomic():
        run = _locked_run(run)
        if run.state not in {SyncRun.State.QUEUED, SyncRun.State.RUNNING}:
            raise NotPossible(f"This sync is {run.get_state_display()} and cannot be paused.")
        run.state = SyncRun.State.PAUSED
        run.save(update_fields=["state"])
        _record("sync.paused", by, run.source, {"run": str(run.public_id)})
    return run


def resume_sync(*, by: By, run: SyncRun) -> SyncRun:
    """Let a paused run go on where it stopped, and return it."""
    with transaction.atomic():
        run = _locked_run(run)
        if run.state != SyncRun.State.PAUSED:
            raise NotPossible(f"This sync is {run.get_state_display()}, not paused.")
        if run.source.is_paused:
            raise NotPossible(
                f"{run.source.name} is paused. Resume the source, and this sync goes on with it."
            )
        _queue(run)
        _record("sync.resumed", by, run.source, {"run": str(run.public_id)})
    return run


def cancel_sync(*, by: By, run: SyncRun) -> SyncRun:
    """Cancel an open run and return it. What was read before stays; what was not is marked as skipped."""
    with transaction.atomic():
        run = _locked_run(run)
        if run.state not in SyncRun.OPEN:
            raise NotPossible(f"This sync is already {run.get_state_display()}.")
        left = _close(run, SyncRun.State.CANCELLED, "The sync was cancelled before this document was read.")
        _record("sync.cancelled", by, run.source, {"run": str(run.public_id), "documents_left": left})
    return run


def retry_item(*, by: By, item: SyncItem) -> SyncRun:
    """Read one failed or skipped document again and return the run that does it: this one while open, else a new one."""
    with transaction.atomic():
        run = _retry(by, item.run, [item.pk])
        details: Details = {"run": str(run.public_id), "document": item.external_id}
        _record("sync.item_retried", by, run.source, details)
    return run


def retry_failed(*, by: By, run: SyncRun) -> SyncRun:
    """Read every document again that failed in a run, and return the run that does it."""
    with transaction.atomic():
        failed = run.items.filter(outcome=SyncItem.Outcome.FAILED).values_list("pk", flat=True)
        if not failed:
            raise NotPossible("No document of this sync failed.")
        count, again = len(failed), _retry(by, run, list(failed))
        details: Details = {"run": str(again.public_id), "retry_of": str(run.public_id), "documents": count}
        _record("sync.requested", by, run.source, details)
    return again


# --- Documents ----------------------------------------------------------------------------------------------------


def upload_document(*, by: By, source: Source, name: str, file: File[bytes], rule: Rule) -> SyncItem:
    """Take a file into an upload source and return the item of the run that reads it.

    A name that exists already becomes a new version, under the new rule. Raises NotPossible for a file that is too
    large, of an unreadable kind or badly named, and when the disk is full.
    """
    from ingestion.sources.upload import validate_upload
    from ingestion.types import Unreadable

    try:
        external_id = validate_upload(name, file.size)
        stored = storage.keep(file.chunks(), limit=settings.MAX_FILE_BYTES)
    except (Unreadable, storage.NotStored) as error:
        raise NotPossible(error.reason) from error
    with transaction.atomic():
        source = _locked(source)
        if source.kind != Source.Kind.UPLOAD:
            raise NotPossible(
                f"{source.name} takes its documents from a folder. Put the file there and sync."
            )
        policy = intern_policy(rule)
        item = _waiting_upload(by, source, external_id, stored, policy)
        details: Details = {
            "name": external_id, "size": stored.size, "content": stored.digest, "rule": _told(policy),
            "run": str(item.run.public_id),
        }  # fmt: skip
        _record("document.uploaded", by, source, details)
        _enqueue(partial(tasks.run_sync.delay, item.run_id))
    return item


def remove_document(*, by: By, document: Document, reason: str = "") -> Document:
    """Remove an uploaded document: gone for every reader at once, purged later. Return it."""
    with transaction.atomic():
        document = _locked_document(document)
        if document.source.kind != Source.Kind.UPLOAD:
            raise NotPossible(
                f"{document.title} comes from the folder of {document.source.name} and would return with the next "
                "sync. Remove the file there, then sync."
            )
        outbox.tombstone(Document.objects.filter(pk=document.pk))
        document.refresh_from_db(fields=["removed_at"])
        details: Details = {"name": document.external_id, "source": str(document.source.public_id)}
        _record_document("document.removed", by, document, details, reason)
        _enqueue(tasks.deliver_outbox.delay)
    return document


def change_document_access(*, by: By, document: Document, rule: Rule, reason: str = "") -> Document:
    """Change who may read an uploaded document and return it. Holds from the next request on."""
    with transaction.atomic():
        document = _locked_document(document)
        if document.source.kind != Source.Kind.UPLOAD:
            raise NotPossible(
                f"{document.title} takes its rule from the access.yaml files of {document.source.name}. "
                "Change it there, then sync."
            )
        before, after = document.policy, intern_policy(rule)
        document.policy, document.policy_note, document.needs_index_update = after, "", True
        document.save(update_fields=["policy", "policy_note", "needs_index_update"])
        details: Details = {"rule": [_told(before), _told(after)]}
        _record_document("document.access_changed", by, document, details, reason)
        _enqueue(tasks.deliver_outbox.delay)
    return document


# --- What the actions share ---------------------------------------------------------------------------------------


def _source_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 100:
        raise NotPossible("Give the source a name of at most 100 characters.")
    return name


def _check_name_free(name: str, besides: Source | None) -> None:
    taken = Source.objects.filter(name__iexact=name)
    if besides is not None:
        taken = taken.exclude(pk=besides.pk)
    if taken.exists():
        raise NotPossible(f"There is already a source called {name}.")


def _check_schedule(kind: str, sync_minutes: int | None) -> None:
    if sync_minutes is None:
        return
    if kind == Source.Kind.UPLOAD:
        raise NotPossible("Uploads are read when they arrive; they have no schedule.")
    if not 1 <= sync_minutes <= 60 * 24 * 31:
        raise NotPossible("A schedule is a number of minutes between 1 and 44640 (31 days).")


def _folder(path: str) -> str:
    from ingestion.sources.folder import SourceError, check_root

    try:
        resolved = str(check_root(path))
    except SourceError as error:
        raise NotPossible(str(error)) from error
    other = Source.objects.current().filter(kind=Source.Kind.FOLDER, path=resolved).first()
    if other is not None:
        raise NotPossible(f"The folder {resolved} is already connected as {other.name}.")
    return resolved


def _locked(source: Source) -> Source:
    found = Source.objects.select_for_update().filter(pk=source.pk, removed_at__isnull=True).first()
    if found is None:
        raise NotPossible(f"{source.name} has been removed.")
    locked: Source = found
    return locked


def _locked_run(run: SyncRun) -> SyncRun:
    # The source is locked first everywhere, then the run: one order, no deadlock.
    Source.objects.select_for_update().get(pk=run.source_id)
    return SyncRun.objects.select_for_update(of=("self",)).select_related("source").get(pk=run.pk)


def _locked_document(document: Document) -> Document:
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


def _new_run(by: By, source: Source, *, is_partial: bool = False) -> SyncRun:
    if source.is_paused:
        raise NotPossible(f"{source.name} is paused. Resume it first.")
    try:
        with transaction.atomic():
            return SyncRun.objects.create(source=source, requested_by_id=_user_id(by), is_partial=is_partial)
    except IntegrityError as error:
        raise NotPossible(f"A sync of {source.name} is already waiting, running or paused.") from error


def _queue(run: SyncRun) -> None:
    run.state, run.heartbeat_at = SyncRun.State.QUEUED, None
    run.save(update_fields=["state", "heartbeat_at"])
    _enqueue(partial(tasks.run_sync.delay, run.pk))


def _close(run: SyncRun, state: SyncRun.State, reason: str) -> int:
    """Close a run and return how many documents it had not read. Those already read are finished by the outbox."""
    now = timezone.now()
    run.state, run.finished_at = state, now
    run.save(update_fields=["state", "finished_at"])
    return run.items.filter(outcome=SyncItem.Outcome.WAITING, version__isnull=True).update(
        outcome=SyncItem.Outcome.SKIPPED, code="cancelled", reason=reason, finished_at=now
    )


def _retry(by: By, run: SyncRun, item_ids: list[int]) -> SyncRun:
    run = _locked_run(run)
    source = _locked(run.source)
    again = run.items.filter(pk__in=item_ids, outcome__in=[SyncItem.Outcome.FAILED, SyncItem.Outcome.SKIPPED])
    if not again.exists():
        raise NotPossible("Only a document that failed or was skipped can be tried again.")
    if run.state in SyncRun.OPEN:
        again.update(outcome=SyncItem.Outcome.WAITING, code="", reason="", finished_at=None, version=None)
        return run
    new = _new_run(by, source, is_partial=True)
    SyncItem.objects.bulk_create(
        SyncItem(
            run=new, external_id=item.external_id, document_id=item.document_id, file=item.file,
            # A folder is listed again, for the rule as it is now; an upload's rule came with the upload.
            policy_id=item.policy_id if source.kind == Source.Kind.UPLOAD else None,
        )
        for item in again
    )  # fmt: skip
    _enqueue(partial(tasks.run_sync.delay, new.pk))
    return new


def _waiting_upload(
    by: By, source: Source, external_id: str, stored: storage.Stored, policy: AccessPolicy
) -> SyncItem:
    """Return the item that makes the open run, or a new one, read an upload."""
    run = source.runs.select_for_update().filter(state__in=SyncRun.OPEN).first()
    if run is None:
        run = _new_run(by, source, is_partial=True)
    item, _ = SyncItem.objects.update_or_create(
        run=run,
        external_id=external_id,
        defaults={
            "outcome": SyncItem.Outcome.WAITING, "code": "", "reason": "", "finished_at": None, "version": None,
            "policy": policy, "policy_note": "", "modified_at": timezone.now(), "file": stored.name,
        },
    )  # fmt: skip
    return item


def _user_id(by: By) -> int | None:
    kind, _, number = by.actor.partition(":")
    return int(number) if kind == "user" and number.isdigit() else None


def _told(policy: AccessPolicy) -> Details:
    """Return a rule as the audit record keeps it: principals by id, so that a renamed group stays the same group."""
    rule = rule_of(policy)
    return {
        "policy": policy.pk,
        "dark": rule.is_dark,
        "clauses": sorted(sorted(clause) for clause in rule.clauses),
        "denials": sorted(rule.denials),
    }


def _record(
    event: str, by: By, source: Source, details: Details, reason: str = "", *, label: str = ""
) -> None:
    record(
        event, by=by, subject=f"source:{source.public_id}", subject_label=label or source.name, details=details,
        reason=reason,
    )  # fmt: skip


def _record_document(event: str, by: By, document: Document, details: Details, reason: str) -> None:
    record(
        event, by=by, subject=f"document:{document.public_id}", subject_label=document.title, details=details,
        reason=reason,
    )  # fmt: skip


def _enqueue(send: "Callable[[], object]") -> None:
    # Robust: the row is committed by then. A broker that is down delays the work until the schedule finds the row;
    # it must not turn a finished action into an error page.
    transaction.on_commit(send, robust=True)
