"""Bring the index in line with the database. What is still to be done is a state on the rows, so that a crash at any
point loses nothing and doing it twice does no harm.

    PENDING version        its chunks are embedded and put into the index, then the version is shown
    needs_index_update     the document's chunks in the index get its rule and its superseded mark
    RETIRING version       its chunks are taken out of the index
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ingestion.index import get_index
from ingestion.index.types import IndexFailure
from ingestion.indexing import index_versions
from ingestion.models import Chunk, Document, DocumentVersion, SyncRun

log = logging.getLogger(__name__)

State = DocumentVersion.State

STALE_SECONDS = 180
"""A running run without a sign of life for this long was cut off. Longer than listing the largest source takes."""


_delivering = threading.Lock()


@dataclass(frozen=True)
class Delivered:
    """How many versions were put into the index, documents updated in it, and versions taken out of it."""

    indexed: int = 0
    updated: int = 0
    retired: int = 0


def deliver(*, stop: Callable[[], bool] = lambda: False) -> Delivered:
    """Deliver everything that is due and return how much that was; `stop` is asked between slices.

    Does nothing while another thread of this process delivers: it would only do the same work twice.
    Raises IndexFailure or EmbeddingUnavailable with a sentence; what was delivered until then stays delivered.
    """
    if not _delivering.acquire(blocking=False):
        return Delivered()
    try:
        return _deliver(stop)
    finally:
        _delivering.release()


def _deliver(stop: Callable[[], bool]) -> Delivered:
    indexed = updated = retired = 0
    # First what takes away or narrows, then what adds.
    for count in retire_versions(DocumentVersion.objects.filter(state=State.RETIRING)):
        retired += count
        if stop():
            return Delivered(indexed, updated, retired)
    for count in update_documents(Document.objects.filter(needs_index_update=True)):
        updated += count
        if stop():
            return Delivered(indexed, updated, retired)
    pending = list(_left_behind().order_by("pk").values_list("pk", flat=True))
    for finished in index_versions(pending):
        indexed += len(finished)
        if stop():
            return Delivered(indexed, updated, retired)
    for count in retire_versions(DocumentVersion.objects.filter(state=State.RETIRING)):
        retired += count
    if indexed:
        optimize()
    return Delivered(indexed, updated, retired)


def optimize() -> None:
    """Let the index build its search structures for what was added. Nothing is wrong without them, only slower.

    The engine itself knows whether enough came in. Once at the end of a sync, not after each slice of it: what was
    built would be built again.
    """
    try:
        get_index().optimize()
    except IndexFailure as error:
        log.warning("The index could not be optimized, searches may be slow: %s", error)


def _left_behind() -> QuerySet[DocumentVersion]:
    """Return the pending versions that no living run is about to index itself."""
    alive = timezone.now() - timedelta(seconds=STALE_SECONDS)
    at_work = SyncRun.objects.filter(state=SyncRun.State.RUNNING, heartbeat_at__gte=alive)
    return DocumentVersion.objects.filter(state=State.PENDING).exclude(
        document__source__in=at_work.values("source")
    )


# --- Changes in the index -----------------------------------------------------------------------------------------


def update_documents(documents: QuerySet[Document]) -> Iterator[int]:
    """Write the rules and superseded marks of these documents into the index; yield how many after each batch."""
    waiting = iter(list(documents.order_by("pk").values_list("pk", flat=True)))
    while batch := list(islice(waiting, 200)):
        rows = list(
            Document.objects.filter(pk__in=batch).values_list("pk", "source_id", "policy_id", "is_superseded")
        )
        index = get_index()
        for pk, source, policy, is_superseded in rows:
            index.set_access(pk, source=source, policy=policy)
            index.set_superseded(pk, is_superseded)
        index.flush()
        for pk, source, policy, is_superseded in rows:
            # A document whose rule changed again meanwhile stays on the list.
            Document.objects.filter(
                pk=pk, source_id=source, policy_id=policy, is_superseded=is_superseded
            ).update(needs_index_update=False)
        yield len(rows)


# --- Out of the index ---------------------------------------------------------------------------------------------


def retire_versions(versions: "QuerySet[DocumentVersion]") -> Iterator[int]:
    """Take the chunks of retiring versions out of the index; yield how many versions after each batch."""
    waiting = iter(list(versions.order_by("pk").values_list("pk", flat=True)))
    while batch := list(islice(waiting, 100)):
        index = get_index()
        index.delete_chunks(list(Chunk.objects.filter(version__in=batch).values_list("pk", flat=True)))
        index.flush()
        with transaction.atomic():
            rows = DocumentVersion.objects.filter(pk__in=batch)
            retired = rows.filter(state=State.RETIRING).update(state=State.RETIRED)
            # A document that came back while its chunks were being deleted has to be indexed once more.
            rows.filter(state=State.INDEXED).update(state=State.PENDING)
        yield retired


def retire_documents(documents: "QuerySet[Document]") -> int:
    """Mark every version of these documents to be taken out of the index; return how many versions."""
    held = DocumentVersion.objects.filter(
        document__in=documents.values("pk"), state__in=[State.PENDING, State.INDEXED]
    )
    return held.update(state=State.RETIRING)


def tombstone(documents: "QuerySet[Document]") -> int:
    """Remove documents for every reader from this moment on; return how many. Call inside a transaction."""
    ids = list(documents.filter(removed_at__isnull=True).values_list("pk", flat=True))
    gone = Document.objects.filter(pk__in=ids)
    retire_documents(gone)
    return gone.update(removed_at=timezone.now())


# --- What the index ought to hold ---------------------------------------------------------------------------------


def expected_chunks() -> "QuerySet[Chunk]":
    """Return the chunks that belong into the index: those of the versions that current documents show."""
    return Chunk.objects.filter(
        Q(version__document__removed_at__isnull=True, version__document__source__removed_at__isnull=True),
        version_id=F("version__document__current_version_id"),
        version__state=State.INDEXED,
    )
