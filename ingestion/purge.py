"""Deleting for good what was removed long enough ago. Until then it could come back; until then its record can be checked."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from accounts.audit import By, record
from ingestion import storage
from ingestion.models import Document, DocumentVersion, SyncItem, SyncRun

log = logging.getLogger(__name__)

SPARE_SECONDS = 3600
"""A file kept more recently than this may belong to a document that is just being written down."""


@dataclass(frozen=True)
class Purged:
    """How many documents lost their text, and how many runs and files were deleted."""

    documents: int
    runs: int
    files: int


def purge_tombstones() -> Purged:
    """Delete text, chunks and raw files of what was removed over settings.PURGE_AFTER_DAYS ago, and old runs.

    The document's row stays as a tombstone with its title, so that the records of old answers still name it. A raw
    file stays while any version or waiting upload names it.
    """
    before = timezone.now() - timedelta(days=settings.PURGE_AFTER_DAYS)
    purged = Purged(_purge_documents(before), _purge_runs(before), sweep_files())
    if any((purged.documents, purged.runs, purged.files)):
        log.info("Purged %s documents, %s runs and %s files.", purged.documents, purged.runs, purged.files)
    return purged


def sweep_files(*, older_than_seconds: float = SPARE_SECONDS) -> int:
    """Delete kept files that no row names, and what was left half-written; return how many."""
    count = storage.clear_incoming()
    for name in storage.names(older_than_seconds=older_than_seconds):
        if not _is_named(name):
            count += storage.drop(name)
    return count


def _purge_documents(before: datetime) -> int:
    held = {DocumentVersion.State.PENDING, DocumentVersion.State.INDEXED, DocumentVersion.State.RETIRING}
    removed = (
        Document.objects.filter(Q(removed_at__lt=before) | Q(source__removed_at__lt=before))
        .filter(versions__isnull=False)
        # First out of the index, then out of the database: the other way round nothing would know what to delete.
        .exclude(versions__state__in=held)
        .distinct()
    )
    count = 0
    for pk in list(removed.values_list("pk", flat=True)):
        with transaction.atomic():
            document = Document.objects.select_for_update(of=("self",)).select_related("source").get(pk=pk)
            if document.removed_at is None and document.source.removed_at is None:
                continue  # it came back
            document.current_version = None
            document.save(update_fields=["current_version"])
            versions = list(document.versions.values_list("number", "content_digest"))
            document.versions.all().delete()
            record(
                "documents.purged", by=By.system("purge"), subject=f"document:{document.public_id}",
                subject_label=document.title,
                details={"versions": [{"number": number, "content": digest} for number, digest in versions]},
            )  # fmt: skip
            count += 1
    return count


def _purge_runs(before: datetime) -> int:
    """Delete closed runs that are old, but for each source's latest; what they came to stays in the audit."""
    latest = SyncRun.objects.values("source").annotate(last=Max("pk")).values("last")
    old = SyncRun.objects.filter(finished_at__lt=before).exclude(pk__in=latest)
    return sum(run.delete()[1].get("ingestion.SyncRun", 0) for run in old)


def _is_named(name: str) -> bool:
    return (
        DocumentVersion.objects.filter(file=name).exists()
        or SyncItem.objects.filter(file=name, run__state__in=SyncRun.OPEN).exists()
        or SyncItem.objects.filter(file=name, outcome=SyncItem.Outcome.FAILED).exists()
    )
