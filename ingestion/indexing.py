"""Pending versions on their way into the index: embedded, put into it, then shown.

A thread embeds while the caller goes on reading, and writes down what was embedded before; only the caller touches the
database and the index. What a crash leaves behind is still pending and is done again.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from django.db import OperationalError, transaction

from ingestion.bulk import update_rows
from ingestion.chunking import embedding_text
from ingestion.embedding import PassageVectors, embedder
from ingestion.index import get_index, model_name
from ingestion.index.types import IndexPoint, Vector
from ingestion.models import Chunk
from ingestion.sentences import EmbedsSentences, packed, spans_at_the_end_of
from ingestion.showing import Upserted, show
from ingestion.words import is_read, packed_codes

log = logging.getLogger(__name__)

SLICE_CHUNKS = 128
"""Chunks embedded and indexed at a time, across documents. More gains no throughput and delays pausing."""

AHEAD = 2
"""Slices on their way to the model or back. One is embedded while the one before it is written."""

VERSIONS_AT_A_TIME = 100


@dataclass
class _Slice:
    rows: list[Chunk]
    missing: list[Chunk]
    vectors: "Future[list[PassageVectors]]"
    finished: list[int]  # versions whose last chunk is in this slice


class Indexing:
    """Takes versions in and gives back which are finished: shown, or overtaken meanwhile. For one thread."""

    def __init__(self) -> None:
        self._embedding = ThreadPoolExecutor(1, thread_name_prefix="indexing")
        self._ahead: deque[_Slice] = deque()
        self._chunks: list[int] = []
        self._finished: list[int] = []
        self._upserted: Upserted = {}

    def __enter__(self) -> "Indexing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._embedding.shutdown(wait=False, cancel_futures=True)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is being embedded."""
        return not self._ahead

    def embedded_next(self) -> "list[Future[Any]]":  # Any: only waited for
        """Return what the next slice to be written waits for; empty when there is none."""
        return [self._ahead[0].vectors] if self._ahead else []

    def add(self, version_ids: Sequence[int]) -> Iterator[list[int]]:
        """Take versions in, in this order; yield those that are finished by the time there is room for them."""
        for version_id, ids in _chunks_of(version_ids):
            position = 0
            while position < len(ids):
                taken = ids[position : position + SLICE_CHUNKS - len(self._chunks)]
                self._chunks.extend(taken)
                position += len(taken)
                if len(self._chunks) == SLICE_CHUNKS and position < len(ids):
                    yield from self._full()
            self._finished.append(version_id)
            if len(self._chunks) == SLICE_CHUNKS:
                yield from self._full()

    def embed_part(self) -> None:
        """Do not wait for the slice to be full."""
        if not (self._chunks or self._finished):
            return
        rows = _rows_of(self._chunks)
        missing = [chunk for chunk in rows if not is_embedded(chunk)]
        texts = [(indexed_text(chunk), chunk.text) for chunk in missing]
        self._ahead.append(_Slice(rows, missing, self._embedding.submit(_embedded, texts), self._finished))
        self._chunks, self._finished = [], []

    def written(self) -> Iterator[list[int]]:
        """Write down what has been embedded by now; yield the versions that are finished, after each slice."""
        while self._ahead and self._ahead[0].vectors.done():
            yield self._write_next()

    def finish(self) -> Iterator[list[int]]:
        """Write down everything that was taken in, waiting for the model where it must."""
        self.embed_part()
        while self._ahead:
            yield self._write_next()

    def _full(self) -> Iterator[list[int]]:
        self.embed_part()
        while len(self._ahead) > AHEAD:
            yield self._write_next()

    def _write_next(self) -> list[int]:
        slice_ = self._ahead.popleft()
        _store(slice_.missing, slice_.vectors.result())
        points = [point_of(chunk) for chunk in slice_.rows]
        index = get_index()
        index.upsert(points)
        # Only what survives a crash may be called indexed.
        index.flush()
        for point in points:
            written = (point.policy, point.source, bool(point.superseded))
            self._upserted.setdefault(point.document, set()).add(written)
        try:
            show(slice_.finished, self._upserted)
        except OperationalError as error:
            # Somebody else held some of these rows and wanted others of them. One at a time nobody waits for two.
            log.warning("%s versions could not be shown together: %s", len(slice_.finished), error)
            for version_id in slice_.finished:
                show([version_id], self._upserted)
        return slice_.finished


def index_versions(version_ids: Sequence[int]) -> Iterator[list[int]]:
    """Embed, index and show pending versions, slice by slice across documents.

    Yields after each slice the ids of the versions that are finished with it: shown, or overtaken meanwhile.
    """
    with Indexing() as indexing:
        yield from indexing.add(version_ids)
        yield from indexing.finish()


def _chunks_of(version_ids: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield versions in the order given, each with its chunks in order."""
    for start in range(0, len(version_ids), VERSIONS_AT_A_TIME):
        versions = version_ids[start : start + VERSIONS_AT_A_TIME]
        chunks: dict[int, list[int]] = defaultdict(list)
        rows = Chunk.objects.filter(version_id__in=versions).order_by("version_id", "ordinal")
        for version_id, chunk in rows.values_list("version_id", "pk"):
            chunks[version_id].append(chunk)
        for version_id in versions:
            yield version_id, chunks[version_id]


def _rows_of(chunk_ids: Sequence[int]) -> list[Chunk]:
    rows = Chunk.objects.filter(pk__in=chunk_ids).order_by("pk").select_related("version__document")
    return list(rows.defer("version__text", "version__sections"))


# --- Points and vectors -------------------------------------------------------------------------------------------


def points_of(chunk_ids: Sequence[int]) -> list[IndexPoint]:
    """Return the index points of chunks under their documents' rules as they are now, embedding what is not yet.

    What is kept of their words is put right as well, where an earlier release kept none or read them otherwise.
    """
    rows = _rows_of(chunk_ids)
    embed_missing(rows)
    _store_words([chunk for chunk in rows if not is_read(bytes(chunk.words or b""))])
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
    """Return the text a chunk is embedded and indexed under: its version's title, its headings and its table's head go before it."""
    title = chunk.version.title or chunk.version.document.title
    return embedding_text(title, chunk.headings, chunk.text, chunk.table_head)


def vector_of(chunk: Chunk) -> Vector:
    """Return the stored vector of an embedded chunk."""
    return np.frombuffer(bytes(chunk.embedding or b""), dtype=np.float16).astype(np.float32)


def is_embedded(chunk: Chunk) -> bool:
    """Return whether a chunk has its vectors, and of the model that is configured now."""
    is_complete = chunk.embedding is not None and chunk.sentence_embeddings is not None
    return is_complete and chunk.embedding_model == model_name()


def embed_missing(chunks: Sequence[Chunk]) -> int:
    """Embed the chunks that have no vector of the configured model, store the vectors, and return how many."""
    missing = [chunk for chunk in chunks if not is_embedded(chunk)]
    _store(missing, _embedded([(indexed_text(chunk), chunk.text) for chunk in missing]))
    return len(missing)


def _embedded(texts: Sequence[tuple[str, str]]) -> list[PassageVectors]:
    """Return the vectors for pairs of the text that is embedded and the passage at its end. Asks no database."""
    model, wholes = embedder(), [whole for whole, _ in texts]
    if not texts:
        return []
    if isinstance(model, EmbedsSentences):
        return model.embed_sentences(wholes, [spans_at_the_end_of(*pair) for pair in texts])
    none = np.zeros((0, model.dimensions), dtype=np.float32)
    return [PassageVectors(whole, none) for whole in model.embed_passages(wholes)]


def _store(chunks: Sequence[Chunk], vectors: Iterable[PassageVectors]) -> None:
    name, rows = model_name(), []
    for chunk, made in zip(chunks, vectors, strict=True):
        chunk.embedding, chunk.embedding_model = made.whole.astype(np.float16).tobytes(), name
        rows.append((chunk.pk, (chunk.embedding, name, packed(made.sentences))))
    with transaction.atomic():
        update_rows(Chunk, ["embedding", "embedding_model", "sentence_embeddings"], rows)


def _store_words(chunks: Sequence[Chunk]) -> None:
    if chunks:
        # One transaction: each row by itself would wait for the disk.
        with transaction.atomic():
            update_rows(Chunk, ["words"], [(chunk.pk, (packed_codes(chunk.text),)) for chunk in chunks])
