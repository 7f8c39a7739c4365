"""The index inside this process, on Qdrant Edge: Qdrant's engine as a library, one folder, one process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestion.index.asked import (
    EXACT,
    STEPPING_OVER,
    corpus_of,
    filter_of,
    hits_of,
    of_document,
    requests_for,
    scores_of,
    way_for,
    weigh,
)
from ingestion.index.belonging import Belonging
from ingestion.index.folder import hold
from ingestion.index.keywords import keyword_model, weighing
from ingestion.index.shard import DENSE, KEYWORD, Shard
from ingestion.index.terms import Terms, TermsKept
from ingestion.index.types import (
    PAYLOAD_KEYS,
    ChunkScores,
    IndexEntry,
    IndexFilter,
    IndexHits,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    Vector,
    every_entry,
)

if TYPE_CHECKING:
    import qdrant_edge

    from ingestion.index.asked import Weigh

PAGE = 1_000
"""Entries read at a time when all of them are listed."""

_BATCH = 512


class EdgeIndex:
    """An index in a folder of this machine. One process at a time; any number of threads."""

    def __init__(self, folder: Path, *, dimensions: int = 384, model: str = "all-MiniLM-L6-v2") -> None:
        """Open the index in a folder, or create it there.

        Raises IndexBusy when another process has it open, IndexCorrupt when it cannot be read or holds vectors of
        another model.
        """
        self.folder = folder
        self._dimensions = dimensions
        self._writing = threading.Lock()
        self._terms = TermsKept()
        self._held = hold(folder)
        try:
            self._shard = Shard(folder, dimensions, model, weighing())
            self._belonging = Belonging(folder)
        except BaseException:
            self._held.close()
            raise

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Add chunks, or replace those already there. Raises ValueError for a vector of the wrong shape."""
        import qdrant_edge as edge

        self._belonging.note((point.chunk, point.document) for point in points)
        for start in range(0, len(points), _BATCH):
            batch = [_point(point, self._dimensions) for point in points[start : start + _BATCH]]
            self._write(edge.UpdateOperation.upsert_points(batch), added=len(batch))

    def set_access(self, document: int, *, source: int, policy: int) -> None:
        """Change under which source and rule a document's chunks are found."""
        import qdrant_edge as edge

        payload = {"source": int(source), "policy": int(policy)}
        self._write(edge.UpdateOperation.set_payload_by_filter(of_document(document), payload))

    def set_superseded(self, document: int, value: bool, *, chunks: Collection[int] | None = None) -> None:
        """Mark a document's chunks, or only those named, as belonging to a replaced version or not."""
        import qdrant_edge as edge

        where = of_document(document)
        if chunks is not None:
            if not chunks:
                return
            where = edge.Filter(must=[where, edge.HasIdCondition(set(chunks))])
        self._write(edge.UpdateOperation.set_payload_by_filter(where, {"superseded": int(value)}))

    def delete_chunks(self, chunks: Collection[int]) -> None:
        """Remove chunks; those that are not there are ignored."""
        import qdrant_edge as edge

        if chunks:
            self._write(edge.UpdateOperation.delete_points(list(chunks)))

    def delete_document(self, document: int) -> None:
        """Remove every chunk of a document."""
        import qdrant_edge as edge

        self._write(edge.UpdateOperation.delete_points_by_filter(of_document(document)))

    def search(self, vector: Vector, text: str, where: IndexFilter, limit: int) -> IndexHits:
        """Return up to `limit` chunks per retriever that pass the filter, in one round trip."""
        return self.search_many([IndexQuery(vector, text)], where, limit)[0]

    def search_many(self, queries: Sequence[IndexQuery], where: IndexFilter, limit: int) -> list[IndexHits]:
        """Return the hits of several questions of one viewer, in the order asked, in one round trip."""
        if where.is_empty or limit < 1 or not queries:
            return [IndexHits() for _ in queries]
        weighed = self._weighed(where.corpus)
        requests: list[qdrant_edge.QueryRequest] = []
        with self._engine():
            chunks = self._shard.points()
        ways = []
        for query in queries:
            narrowed = where.narrowed(query.documents)
            ways.append(way_for(narrowed, chunks))
            requests += requests_for(query, filter_of(narrowed), weighed, limit, ways[-1])
        found = self._ask(requests)
        lost = [number for number, way in enumerate(ways) if way.lost(len(found[2 * number]), limit)]
        if lost:
            again = [
                requests_for(queries[number], filter_of(where), weighed, limit, STEPPING_OVER)[0]
                for number in lost
            ]
            for number, points in zip(lost, self._ask(again), strict=True):
                found[2 * number] = points
        hits = hits_of(found, self._documents_of)
        return [IndexHits(dense=hits[at], keyword=hits[at + 1]) for at in range(0, len(hits), 2)]

    def scores(
        self, queries: Sequence[tuple[IndexQuery, Collection[int]]], where: IndexFilter
    ) -> list[Mapping[int, ChunkScores]]:
        """Return for each question exact scores of the chunks named beside it; those that do not pass are absent."""
        import qdrant_edge as edge

        if where.is_empty:
            return [{} for _ in queries]
        weighed = self._weighed(where.corpus)
        requests: list[qdrant_edge.QueryRequest] = []
        for query, chunks in queries:
            admitted = filter_of(where.narrowed(query.documents))
            named = edge.Filter(must=[admitted, edge.HasIdCondition(set(chunks))])
            requests += requests_for(query, named, weighed, max(1, len(chunks)), EXACT)
        found = self._ask(requests) if requests else []
        return [scores_of(found[at], found[at + 1]) for at in range(0, len(found), 2)]

    def entries(self) -> Iterator[IndexEntry]:
        """Yield what is held about every chunk, in order of chunk."""
        return every_entry(self.page)

    def page(self, after: int) -> list[IndexEntry]:
        """Return the next PAGE entries in order of chunk, those whose chunk is above `after`; none at the end."""
        import qdrant_edge as edge

        request = edge.ScrollRequest(offset=after + 1, limit=PAGE, with_payload=True, with_vector=False)
        with self._engine():
            records, _ = self._shard.engine.scroll(request)
        # -1 is no row's id: a value that is missing differs from every value in the database.
        return [
            IndexEntry(
                int(str(record.id)), *(int((record.payload or {}).get(key, -1)) for key in PAYLOAD_KEYS)
            )
            for record in records
        ]

    def count(self) -> int:
        """Return the number of chunks held."""
        import qdrant_edge as edge

        with self._engine():
            return self._shard.engine.count(edge.CountRequest(exact=True))

    def optimize(self) -> None:
        """Build the search structures for what was added; searches go on meanwhile, writes wait."""
        with self._writing, self._engine():
            self._shard.optimize()
            self._belonging.keep()

    def flush(self) -> None:
        """Return once everything written so far will survive a crash."""
        with self._writing, self._engine():
            self._shard.engine.flush()

    def close(self) -> None:
        """Write everything down and let another process open the folder."""
        with self._writing:
            if self._held.closed:
                return
            try:
                with self._engine():
                    self._shard.close()
                    self._belonging.keep()
            finally:
                self._held.close()

    def prove(self) -> None:
        """Search for anything at all. Raises IndexUnavailable when the engine does not answer."""
        import qdrant_edge as edge

        nearest = edge.Query.Nearest([1.0] * self._dimensions, using=DENSE)
        self._ask([edge.QueryRequest(limit=1, query=nearest, with_payload=False)])

    def _write(self, operation: qdrant_edge.UpdateOperation, *, added: int = 0) -> None:
        with self._writing, self._engine():
            try:
                self._shard.update(operation, added=added)
            finally:
                self._terms.forget()

    def _weighed(self, corpus: IndexFilter) -> Weigh:
        return weigh(corpus, self._terms.under(corpus, lambda: self._counted(corpus)))

    def _counted(self, corpus: IndexFilter) -> Terms:
        """Count the terms of chunks, a page at a time."""
        import qdrant_edge as edge

        own = corpus_of(corpus)

        def pages() -> Iterator[Sequence[int]]:
            after = None
            while True:
                request = edge.ScrollRequest(
                    offset=after, limit=PAGE, filter=own, with_payload=False, with_vector=[KEYWORD]
                )
                with self._engine():
                    records, after = self._shard.engine.scroll(request)
                for record in records:
                    words = record.vector.get(KEYWORD) if isinstance(record.vector, dict) else None
                    yield words.indices if isinstance(words, edge.SparseVector) else ()
                if after is None:
                    return

        return Terms.of(pages())

    def _documents_of(self, chunks: list[int]) -> list[int]:
        """Return the document of each chunk; 0 for one that is gone."""
        return self._belonging.of(chunks, self._documents_asked)

    def _documents_asked(self, chunks: Sequence[int]) -> dict[int, int]:
        with self._engine():
            records = self._shard.engine.retrieve(list(chunks), with_payload=["document"], with_vector=False)
        return {int(str(record.id)): int((record.payload or {}).get("document", 0)) for record in records}

    def _ask(self, requests: list[qdrant_edge.QueryRequest]) -> list[list[qdrant_edge.ScoredPoint]]:
        import qdrant_edge as edge

        with self._engine():
            return self._shard.engine.query_batch(edge.QueryBatchRequest(requests))

    @contextmanager
    def _engine(self) -> Iterator[None]:
        """Turn the engine's failures into ours; it raises plain Exception for every kind."""
        if self._held.closed:
            raise IndexUnavailable(f"The search index in {self.folder} is closed.")
        try:
            yield
        except Exception as error:
            raise IndexUnavailable(f"The search index in {self.folder} failed: {error}") from error


def checked_vector(vector: Vector, dimensions: int) -> list[float]:
    """Return a vector as the engines take it. Raises ValueError for a wrong shape or a value that is no number."""
    if vector.shape != (dimensions,):
        raise ValueError(f"A vector of this index has shape ({dimensions},), not {vector.shape}.")
    if not np.isfinite(vector).all():
        raise ValueError("A vector holds a value that is not a number.")
    values: list[float] = vector.tolist()
    return values


def payload_of(point: IndexPoint) -> dict[str, int]:
    """Return the integers that are stored beside a chunk's vectors."""
    return {
        "document": int(point.document),
        "source": int(point.source),
        "policy": int(point.policy),
        "superseded": int(point.superseded),
    }


def _point(point: IndexPoint, dimensions: int) -> qdrant_edge.Point:
    import qdrant_edge as edge

    vectors: dict[str, qdrant_edge.NamedVector] = {
        DENSE: checked_vector(point.vector, dimensions),
        KEYWORD: keyword_model().embed_document(point.text),
    }
    return edge.Point(point.chunk, vectors, payload_of(point))
