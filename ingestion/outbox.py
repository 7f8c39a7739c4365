"""Bring the index in line with the database. What is still to be done is a state on the rows, so that a crash at any
point loses nothing and doing it twice does no harm.

    PENDING version        its chunks are embedded and put into the index, then the version is shown
    needs_index_update     the document's chunks in the index get its rule and its superseded mark
    RETIRING version       its chunks are taken out of the index
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import numpy as np
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ingestion.chunking import embedding_text
from ingestion.embedding import embedder
from ingestion.index import get_index, model_name
from ingestion.index.types import IndexFailure, IndexPoint, Vector
from ingestion.models import Chunk, Document, DocumentVersion, SyncItem, SyncRun
from ingestion.titles import short_title_key, title_key

log = logging.getLogger(__name__)

State = DocumentVersion.State

SLICE_CHUNKS = 128
"""Chunks embedded and indexed at a time, across documents. More gains no throughput and delays pausing."""

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


# --- Into the index -----------------------------------------------------------------------------------------------


def index_versions(version_ids: Sequence[int]) -> Iterator[list[int]]:
    """Embed, index and show pending versions, slice by slice across documents.

    Yields after each slice the ids of the versions that are finished with it: shown, or overtaken meanwhile.
    """
    upserted: dict[int, set[tuple[int, int, bool]]] = {}
    for chunk_ids, finished in _slices(version_ids):
        points = points_of(chunk_ids)
        index = get_index()
        index.upsert(points)
        # Only what survives a crash may be called indexed.
        index.flush()
        for point in points:
            written = (point.policy, point.source, bool(point.superseded))
            upserted.setdefault(point.document, set()).add(written)
        for version_id in finished:
            _show(version_id, upserted)
        yield finished


def _slices(version_ids: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (chunks, versions whose last chunk is among them), in the order of the versions given."""
    chunks: list[int] = []
    finished: list[int] = []
    for version_id in version_ids:
        ids = list(
            Chunk.objects.filter(version_id=version_id).order_by("ordinal").values_list("pk", flat=True)
        )
        position = 0
        while position < len(ids):
            taken = ids[position : position + SLICE_CHUNKS - len(chunks)]
            chunks.extend(taken)
            position += len(taken)
            if len(chunks) == SLICE_CHUNKS and position < len(ids):
                yield chunks, finished
                chunks, finished = [], []
        finished.append(version_id)
        if len(chunks) == SLICE_CHUNKS:
            yield chunks, finished
            chunks, finished = [], []
    if chunks or finished:
        yield chunks, finished


def points_of(chunk_ids: Sequence[int]) -> list[IndexPoint]:
    """Return the index points of chunks under their documents' rules as they are now, embedding what is not yet."""
    rows = list(
        Chunk.objects.filter(pk__in=chunk_ids).order_by("pk").select_related("version__document").defer(
            "version__text", "version__sections"
        )
    )  # fmt: skip
    embed_missing(rows)
    return [point_of(chunk) for chunk in rows]


def point_of(chunk: Chunk) -> IndexPoint:
    """Return the index point of an embedded chunk whose version and document are loaded."""
    document = chunk.version.document
    # Before a version is shown, what it says of itself is not yet on its document.
    is_shown = document.current_version_id == chunk.version_id
    return IndexPoint(
        chunk=chunk.pk,
        document=document.pk,
        source=document.source_id,
        policy=document.policy_id,
        superseded=int(document.is_superseded if is_shown else chunk.version.is_superseded),
        vector=vector_of(chunk),
        text=indexed_text(chunk),
    )


def indexed_text(chunk: Chunk) -> str:
    """Return the text a chunk is embedded and indexed under: its version's title and its headings go before it."""
    return embedding_text(chunk.version.title or chunk.version.document.title, chunk.headings, chunk.text)


def vector_of(chunk: Chunk) -> Vector:
    """Return the stored vector of an embedded chunk."""
    return np.frombuffer(bytes(chunk.embedding or b""), dtype=np.float16).astype(np.float32)


def is_embedded(chunk: Chunk) -> bool:
    """Return whether a chunk has a vector of the model that is configured now."""
    return chunk.embedding is not None and chunk.embedding_model == model_name()


def embed_missing(chunks: Sequence[Chunk]) -> int:
    """Embed the chunks that have no vector of the configured model, store the vectors, and return how many."""
    missing = [chunk for chunk in chunks if not is_embedded(chunk)]
    if not missing:
        return 0
    vectors = embedder().embed_passages([indexed_text(chunk) for chunk in missing])
    name = model_name()
    for chunk, vector in zip(missing, vectors, strict=True):
        chunk.embedding = vector.astype(np.float16).tobytes()
        chunk.embedding_model = name
    with transaction.atomic():
        Chunk.objects.bulk_update(missing, ["embedding", "embedding_model"], batch_size=100)
    return len(missing)


def _show(version_id: int, upserted: dict[int, set[tuple[int, int, bool]]]) -> None:
    """Make an indexed version the one its document shows, and let the one before go, in one transaction."""
    with transaction.atomic():
        document_id = DocumentVersion.objects.values_list("document_id", flat=True).get(pk=version_id)
        document = (
            Document.objects.select_for_update(of=("self",)).select_related("source").get(pk=document_id)
        )
        version = DocumentVersion.objects.defer("text", "sections").get(pk=version_id)
        is_gone = document.removed_at is not None or document.source.removed_at is not None
        overtaken = document.versions.filter(number__gt=version.number, state=State.INDEXED).exists()
        if version.state in {State.RETIRING, State.RETIRED} or is_gone or overtaken:
            # Whatever this call has just put into the index has to leave it again.
            _set_state(version, State.RETIRING)
            _finish_items(
                version, SyncItem.Outcome.SKIPPED, "removed", "It was removed before it was indexed."
            )
            return
        if version.state == State.PENDING:
            document.versions.filter(
                state__in=[State.INDEXED, State.PENDING], number__lt=version.number
            ).update(state=State.RETIRING)
            _set_state(version, State.INDEXED)
            document.current_version = version
            document.title = version.title or document.title
            document.title_key = title_key(document.title)
            document.short_title_key = short_title_key(document.title)
            document.author, document.dated = version.author, version.dated
            document.is_superseded = version.is_superseded
        now_true = (document.policy_id, document.source_id, document.is_superseded)
        if upserted.pop(document.pk, set()) - {now_true}:
            # The rule changed between the look and the write; the next delivery puts it right.
            document.needs_index_update = True
        document.save(
            update_fields=[
                "current_version", "title", "title_key", "short_title_key", "author", "dated", "is_superseded",
                "needs_index_update",
            ]
        )  # fmt: skip
        _finish_items(version, SyncItem.Outcome.DONE)


def _finish_items(
    version: DocumentVersion, outcome: SyncItem.Outcome, code: str = "", reason: str = ""
) -> None:
    waiting = SyncItem.objects.filter(version=version, outcome=SyncItem.Outcome.WAITING)
    done: dict[str, object] = {"outcome": outcome, "finished_at": timezone.now()}
    if code:
        done |= {"code": code, "reason": reason}
    waiting.update(**done)


def _set_state(version: DocumentVersion, state: DocumentVersion.State) -> None:
    version.state = state
    version.save(update_fields=["state"])


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
