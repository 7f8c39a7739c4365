"""The index inside this process, on Qdrant Edge: Qdrant's engine as a library, one folder, one process.

Recall under a filter and the cost of the search are measured where the constants are.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingestion.index.folder import hold
from ingestion.index.shard import DENSE, KEYWORD, Shard
from ingestion.index.types import (
    ASIDE_WEIGHT,
    PAYLOAD_KEYS,
    ChunkScores,
    IndexEntry,
    IndexFilter,
    IndexHit,
    IndexHits,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    Vector,
    every_entry,
)

if TYPE_CHECKING:
    import qdrant_edge

KEYWORD_SATURATION = 1.2
KEYWORD_LENGTH_WEIGHT = 0.75
KEYWORD_AVERAGE_LENGTH = 48.0
"""BM25's k and b as in the textbook, and the mean number of distinct words, without stop words, of a chunk of the
seven collections measured. All of them are flat: no k from 0.4 to 2, b from 0 to 0.75 or length from 48 to 110 moved
the fused mean nDCG@10 by more than 0.003."""

MOSTLY = 0.9
"""From this share of everything on that a viewer may find, the walk through the graph goes past what it may not show
(`WIDE` kept in hand); below, it steps over it (ACORN, with `NARROW`), which costs more for each step. Going past half of
everything is four times as fast at 1,000,000 chunks, and one question in two hundred then found next to nothing."""
WIDE, NARROW = 1_024, 512
"""Chunks the dense search keeps in hand (`ef`). Recall of the best 50 of 100,000 chunks against brute force
(benchmarks/filtered.py): 1.0 with 1 and 5 % visible, at least .995 with half, .9995 with all of them."""

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
        self._held = hold(folder)
        try:
            self._shard = Shard(folder, dimensions, model, _weighing())
        except BaseException:
            self._held.close()
            raise

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Add chunks, or replace those already there. Raises ValueError for a vector of the wrong shape."""
        import qdrant_edge as edge

        for start in range(0, len(points), _BATCH):
            batch = [_point(point, self._dimensions) for point in points[start : start + _BATCH]]
            self._write(edge.UpdateOperation.upsert_points(batch), added=len(batch))

    def set_access(self, document: int, *, source: int, policy: int) -> None:
        """Change under which source and rule a document's chunks are found."""
        import qdrant_edge as edge

        payload = {"source": int(source), "policy": int(policy)}
        self._write(edge.UpdateOperation.set_payload_by_filter(_of_document(document), payload))

    def set_superseded(self, document: int, value: bool, *, chunks: Collection[int] | None = None) -> None:
        """Mark a document's chunks, or only those named, as belonging to a replaced version or not."""
        import qdrant_edge as edge

        where = _of_document(document)
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

        self._write(edge.UpdateOperation.delete_points_by_filter(_of_document(document)))

    def search(self, vector: Vector, text: str, where: IndexFilter, limit: int) -> IndexHits:
        """Return up to `limit` chunks per retriever that pass the filter, in one round trip."""
        return self.search_many([IndexQuery(vector, text)], where, limit)[0]

    def search_many(self, queries: Sequence[IndexQuery], where: IndexFilter, limit: int) -> list[IndexHits]:
        """Return the hits of several questions of one viewer, in the order asked, in one round trip."""
        if where.is_empty or limit < 1 or not queries:
            return [IndexHits() for _ in queries]
        corpus = _corpus(where)
        requests: list[qdrant_edge.QueryRequest] = []
        for query in queries:
            steps_over = (
                query.documents is not None or where.documents is not None or not is_wide(where.share)
            )
            requests += _requests(
                query,
                _filter(where.narrowed(query.documents)),
                corpus,
                limit,
                exact=False,
                steps_over=steps_over,
            )
        found = [_hits(points) for points in self._ask(requests)]
        return [IndexHits(dense=found[at], keyword=found[at + 1]) for at in range(0, len(found), 2)]

    def scores(
        self, queries: Sequence[tuple[IndexQuery, Collection[int]]], where: IndexFilter
    ) -> list[Mapping[int, ChunkScores]]:
        """Return for each question exact scores of the chunks named beside it; those that do not pass are absent."""
        import qdrant_edge as edge

        if where.is_empty:
            return [{} for _ in queries]
        corpus = _corpus(where)
        requests: list[qdrant_edge.QueryRequest] = []
        for query, chunks in queries:
            admitted = _filter(where.narrowed(query.documents))
            named = edge.Filter(must=[admitted, edge.HasIdCondition(set(chunks))])
            requests += _requests(query, named, corpus, max(1, len(chunks)), exact=True, steps_over=False)
        found = [_hits(points) for points in self._ask(requests)] if requests else []
        return [_scores(found[at], found[at + 1]) for at in range(0, len(found), 2)]

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
            finally:
                self._held.close()

    def _write(self, operation: qdrant_edge.UpdateOperation, *, added: int = 0) -> None:
        with self._writing, self._engine():
            self._shard.update(operation, added=added)

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


@lru_cache(maxsize=1)
def keyword_model() -> qdrant_edge.Bm25:
    """Return the BM25 weigher that every index uses, embedded or on a server."""
    import qdrant_edge as edge

    return edge.Bm25(
        edge.Bm25Config(
            k=KEYWORD_SATURATION,
            b=KEYWORD_LENGTH_WEIGHT,
            avg_len=KEYWORD_AVERAGE_LENGTH,
            language="english",
            lowercase=True,
            ascii_folding=True,
        )
    )


def is_wide(share: float | None) -> bool:
    """Tell whether a viewer may find so much that the search need not step over the rest."""
    return share is not None and share >= MOSTLY


def keyword_query(query: IndexQuery) -> qdrant_edge.SparseVector:
    """Return a question's words with their weights; a word of the question is not also one from around it."""
    import qdrant_edge as edge

    words = keyword_model().embed_query(query.text)
    if not query.aside:
        return words
    weights = dict(zip(words.indices, words.values, strict=True))
    for index in keyword_model().embed_query(query.aside).indices:
        weights.setdefault(index, ASIDE_WEIGHT)
    return edge.SparseVector(list(weights), list(weights.values()))


def checked_vector(vector: Vector, dimensions: int) -> list[float]:
    """Return a vector as the engines take it. Raises ValueError for a wrong shape or a value that is no number."""
    if vector.shape != (dimensions,):
        raise ValueError(f"A vector of this index has shape ({dimensions},), not {vector.shape}.")
    if not np.isfinite(vector).all():
        raise ValueError("A vector holds a value that is not a number.")
    values: list[float] = vector.tolist()
    return values


def _weighing() -> list[float]:
    """Return what words were weighed with; an index that was built with other values is built anew."""
    return [KEYWORD_SATURATION, KEYWORD_LENGTH_WEIGHT, KEYWORD_AVERAGE_LENGTH]


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


def _of_document(document: int) -> qdrant_edge.Filter:
    import qdrant_edge as edge

    return edge.Filter(must=[edge.FieldCondition("document", match=edge.MatchValue(int(document)))])


def _filter(where: IndexFilter) -> qdrant_edge.Filter:
    import qdrant_edge as edge

    must: list[qdrant_edge.ConditionType] = [
        edge.FieldCondition("policy", match=edge.MatchAny(sorted(where.policies))),
        edge.FieldCondition("source", match=edge.MatchAny(sorted(where.sources))),
    ]
    if not where.superseded:
        must.append(edge.FieldCondition("superseded", match=edge.MatchValue(0)))
    if where.documents is not None:
        must.append(edge.FieldCondition("document", match=edge.MatchAny(sorted(where.documents))))
    return edge.Filter(must=must)


def _corpus(where: IndexFilter) -> qdrant_edge.Filter:
    """Return the chunks over which a term's rarity is judged: the viewer's own, all of them or a sample."""
    import qdrant_edge as edge

    own = _filter(where.corpus)
    return own if where.sample is None else edge.Filter(must=[own, _any_of(where.sample)])


@lru_cache(maxsize=64)
def _any_of(chunks: frozenset[int]) -> qdrant_edge.HasIdCondition:
    """Return the condition for some thousand chunks; the same ones are asked for again and again."""
    import qdrant_edge as edge

    return edge.HasIdCondition(set(chunks))


def _requests(
    query: IndexQuery,
    where: qdrant_edge.Filter,
    corpus: qdrant_edge.Filter,
    limit: int,
    *,
    exact: bool,
    steps_over: bool,
) -> list[qdrant_edge.QueryRequest]:
    import qdrant_edge as edge

    dense = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(query.vector.tolist(), using=DENSE),
        filter=where,
        with_payload=["document"],
        params=edge.SearchParams(
            hnsw_ef=max(NARROW if steps_over else WIDE, 2 * limit),
            exact=exact,
            acorn=edge.AcornSearchParams(enable=steps_over),
        ),
    )
    keyword = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(keyword_query(query), using=KEYWORD),
        filter=where,
        with_payload=["document"],
        params=edge.SearchParams(idf=edge.IdfParams(corpus=corpus)),
    )
    return [dense, keyword]


def _scores(dense: Sequence[IndexHit], keyword: Sequence[IndexHit]) -> Mapping[int, ChunkScores]:
    words = {hit.chunk: hit.score for hit in keyword}
    return {hit.chunk: ChunkScores(hit.score, words.get(hit.chunk, 0.0)) for hit in dense}


def _hits(points: Sequence[qdrant_edge.ScoredPoint]) -> tuple[IndexHit, ...]:
    return tuple(
        IndexHit(int(str(point.id)), int((point.payload or {})["document"]), float(point.score))
        for point in points
    )
