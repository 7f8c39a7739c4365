"""Uploading and removing documents, and changing who may read them."""

from functools import partial

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.utils import timezone

from accounts.audit import By
from ingestion import outbox, storage, tasks
from ingestion.access import Rule, intern_policy
from ingestion.locking import (
    Details,
    NotPossible,
    enqueue,
    locked_document,
    locked_source,
    new_run,
    record_document,
    record_source,
    told,
)
from ingestion.models import AccessPolicy, Document, Source, SyncItem, SyncRun


def upload_document(*, by: By, source: Source, name: str, file: "File[bytes]", rule: Rule) -> SyncItem:
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
        source = locked_source(source)
        if source.kind != Source.Kind.UPLOAD:
            raise NotPossible(
                f"{source.name} takes its documents from a folder. Put the file there and sync."
            )
        policy = intern_policy(rule)
        item = _waiting_upload(by, source, external_id, stored, policy)
        details: Details = {
            "name": external_id, "size": stored.size, "content": stored.digest, "rule": told(policy),
            "run": str(item.run.public_id),
        }  # fmt: skip
        record_source("document.uploaded", by, source, details)
        enqueue(partial(tasks.run_sync.delay, item.run_id))
    return item


def remove_document(*, by: By, document: Document, reason: str = "") -> Document:
    """Remove an uploaded document: gone for every reader at once, purged later. Return it."""
    with transaction.atomic():
        document = locked_document(document)
        if document.source.kind != Source.Kind.UPLOAD:
            raise NotPossible(
                f"{document.title} comes from the folder of {document.source.name} and would return with the next "
                "sync. Remove the file there, then sync."
            )
        outbox.tombstone(Document.objects.filter(pk=document.pk))
        # An upload of it that still waits must not bring it back.
        SyncItem.objects.filter(
            run__source=document.source,
            run__state__in=SyncRun.OPEN,
            external_id=document.external_id,
            outcome=SyncItem.Outcome.WAITING,
        ).update(
            outcome=SyncItem.Outcome.SKIPPED,
            code="removed",
            reason="It was removed before it was read.",
            finished_at=timezone.now(),
        )
        document.refresh_from_db(fields=["removed_at"])
        details: Details = {"name": document.external_id, "source": str(document.source.public_id)}
        record_document("document.removed", by, document, details, reason)
        enqueue(tasks.deliver_outbox.delay)
    return document


def change_document_access(*, by: By, document: Document, rule: Rule, reason: str = "") -> Document:
    """Change who may read an uploaded document and return it. Holds from the next request on."""
    with transaction.atomic():
        document = locked_document(document)
        if document.source.kind != Source.Kind.UPLOAD:
            raise NotPossible(
                f"{document.title} takes its rule from the access.yaml files of {document.source.name}. "
                "Change it there, then sync."
            )
        before, after = document.policy, intern_policy(rule)
        document.policy, document.policy_note, document.needs_index_update = after, "", True
        document.save(update_fields=["policy", "policy_note", "needs_index_update"])
        details: Details = {"rule": [told(before), told(after)]}
        record_document("document.access_changed", by, document, details, reason)
        enqueue(tasks.deliver_outbox.delay)
    return document


def _waiting_upload(
    by: By, source: Source, external_id: str, stored: storage.Stored, policy: AccessPolicy
) -> SyncItem:
    """Return the item that makes the open run, or a new one, read an upload."""
    run = source.runs.select_for_update().filter(state__in=SyncRun.OPEN).first()
    if run is None:
        run = new_run(by, source, is_partial=True)
    item, _ = SyncItem.objects.update_or_create(
        run=run,
        external_id=external_id,
        defaults={
            "outcome": SyncItem.Outcome.WAITING, "code": "", "reason": "", "finished_at": None, "version": None,
            "policy": policy, "policy_note": "", "modified_at": timezone.now(), "file": stored.name,
        },
    )  # fmt: skip
    return item
