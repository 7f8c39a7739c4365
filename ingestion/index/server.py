"""The index on a Qdrant server or cluster, for several processes or more chunks than one machine holds.

Needs Qdrant 1.19 or later: from that version term statistics can be taken over a filter (`params.idf.corpus`), and
without that a viewer's keyword scores would tell something about documents the viewer may not read. Statistics are
taken per shard.

Keyword weights are computed here by the same code as for the embedded index, so the server needs no inference and both
engines score alike. `QdrantClient(":memory:")` behaves the same and serves as the stand-in in tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingestion.index.asked import EXACT, STEPPING_OVER, Way, way_for
from ingestion.index.edge import checked_vector, payload_of
from ingestion.index.keywords import keyword_model, keyword_query
from ingestion.index.shard import DENSE, KEYWORD
from ingestion.index.types import (
    PAYLOAD_KEYS,
    ChunkScores,
    IndexCorrupt,
    IndexEntry,
    IndexFilter,
    IndexHit,
    IndexHits,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    Vector,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models
    from qdrant_edge import SparseVector as _Sparse

_BATCH = 256
_PAGE = 1_000


class ServerIndex:
    """An index in one collection of a Qdrant server (1.19 or later). Any number of processes and threads."""

    def __init__(self, client: QdrantClient, *, collection: str = "footnote", dimensions: int = 384) -> None:
        """Use the collection, creating it when it is missing.

        Raises IndexUnavailable when the server does not answer, IndexCorrupt when the collection holds vectors of
        another shape.
        """
        self._client = client
        self._collection = collection
        self._dimensions = dimensions
        self._closed = False
        with self._engine():
            if not client.collection_exists(collection):
                self._create()
            self._check()

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Add chunks, or replace those already there. Raises ValueError for a vector of the wrong shape."""
        from qdrant_client import models

        for start in range(0, len(points), _BATCH):
            batch = [
                models.PointStruct(
                    id=point.chunk,
                    vector={
                        DENSE: checked_vector(point.vector, self._dimensions),
                        KEYWORD: _sparse(keyword_model().embed_document(point.text)),
                    },
                    payload=payload_of(point),
                )
                for point in points[start : start + _BATCH]
            ]
            with self._engine():
                self._client.upsert(self._collection, batch, wait=True)

    def set_access(self, document: int, *, source: int, policy: int) -> None:
        """Change under which source and rule a document's chunks are found."""
        payload = {"source": int(source), "policy": int(policy)}
        with self._engine():
            self._client.set_payload(self._collection, payload, points=_of_document(document), wait=True)

    def set_superseded(self, document: int, value: bool, *, chunks: Collection[int] | None = None) -> None:
        """Mark a document's chunks, or only those named, as belonging to a replaced version or not."""
        from qdrant_client import models

        where = _of_document(document)
        if chunks is not None:
            if not chunks:
                return
            where = models.Filter(must=[where, models.HasIdCondition(has_id=list(chunks))])
        with self._engine():
            self._client.set_payload(self._collection, {"superseded": int(value)}, points=where, wait=True)

    def delete_chunks(self, chunks: Collection[int]) -> None:
        """Remove chunks; those that are not there are ignored."""
        from qdrant_client import models

        if chunks:
            with self._engine():
                selector = models.PointIdsList(points=list(chunks))
                self._client.delete(self._collection, points_selector=selector, wait=True)

    def delete_document(self, document: int) -> None:
        """Remove every chunk of a document."""
        with self._engine():
            self._client.delete(self._collection, points_selector=_of_document(document), wait=True)

    def search(self, vector: Vector, text: str, where: IndexFilter, limit: int) -> IndexHits:
        """Return up to `limit` chunks per retriever that pass the filter, in one round trip."""
        return self.search_many([IndexQuery(vector, text)], where, limit)[0]

    def search_many(self, queries: Sequence[IndexQuery], where: IndexFilter, limit: int) -> list[IndexHits]:
        """Return the hits of several questions of one viewer, in the order asked, in one round trip."""
        if where.is_empty or limit < 1 or not queries:
            return [IndexHits() for _ in queries]
        corpus = _corpus(where)
        ways, pairs = [], []
        for query in queries:
            narrowed = where.narrowed(query.documents)
            ways.append(way_for(narrowed))
            pairs.append(_requests(query, _filter(narrowed), corpus, limit, ways[-1]))
        found = self._ask(pairs)
        lost = [n for n, way in enumerate(ways) if way.lost(len(found[n][0]), limit)]
        if lost:
            again = [
                (_requests(queries[n], _filter(where), corpus, limit, STEPPING_OVER)[0], None) for n in lost
            ]
            for n, (dense, _) in zip(lost, self._ask(again), strict=True):
                found[n] = (dense, found[n][1])
        return [IndexHits(dense=dense, keyword=keyword) for dense, keyword in found]

    def scores(
        self, queries: Sequence[tuple[IndexQuery, Collection[int]]], where: IndexFilter
    ) -> list[Mapping[int, ChunkScores]]:
        """Return for each question exact scores of the chunks named beside it; those that do not pass are absent."""
        from qdrant_client import models

        if where.is_empty or not queries:
            return [{} for _ in queries]
        corpus = _corpus(where)
        pairs = []
        for query, chunks in queries:
            admitted = _filter(where.narrowed(query.documents))
            named = models.Filter(must=[admitted, models.HasIdCondition(has_id=list(chunks))])
            pairs.append(_requests(query, named, corpus, max(1, len(chunks)), EXACT))
        found: list[Mapping[int, ChunkScores]] = []
        for dense, keyword in self._ask(pairs):
            words = {hit.chunk: hit.score for hit in keyword}
            found.append({hit.chunk: ChunkScores(hit.score, words.get(hit.chunk, 0.0)) for hit in dense})
        return found

    def entries(self) -> Iterator[IndexEntry]:
        """Yield what is held about every chunk, in order of chunk."""
        offset = None
        while True:
            with self._engine():
                records, offset = self._client.scroll(
                    self._collection, limit=_PAGE, offset=offset, with_payload=True, with_vectors=False
                )
            for record in records:
                payload = record.payload or {}
                # -1 is no row's id: a value that is missing differs from every value in the database.
                yield IndexEntry(int(str(record.id)), *(int(payload.get(key, -1)) for key in PAYLOAD_KEYS))
            if offset is None:
                return

    def count(self) -> int:
        """Return the number of chunks held."""
        with self._engine():
            return int(self._client.count(self._collection, exact=True).count)

    def optimize(self) -> None:
        """Do nothing: the server builds its search structures by itself."""

    def flush(self) -> None:
        """Do nothing: every write was acknowledged by the server only once it was in its log."""

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._client.close()

    def _create(self) -> None:
        from qdrant_client import models

        self._client.create_collection(
            self._collection,
            vectors_config={
                DENSE: models.VectorParams(
                    size=self._dimensions, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16
                )
            },
            sparse_vectors_config={KEYWORD: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            hnsw_config=models.HnswConfigDiff(m=16, ef_construct=128, full_scan_threshold=10_000),
        )
        for key in PAYLOAD_KEYS:
            schema = models.IntegerIndexParams(
                type=models.IntegerIndexType.INTEGER,
                lookup=True,
                range=False,
                enable_hnsw=key in ("source", "policy"),
            )
            self._client.create_payload_index(self._collection, key, schema, wait=True)

    def _check(self) -> None:
        vectors = self._client.get_collection(self._collection).config.params.vectors
        dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
        if dense is None or dense.size != self._dimensions:
            raise IndexCorrupt(
                f"The Qdrant collection {self._collection} does not hold vectors of length {self._dimensions}. "
                "Name another collection, or delete this one and run `manage.py reindex`."
            )

    def _ask(
        self, pairs: Sequence[tuple[models.QueryRequest, models.QueryRequest | None]]
    ) -> list[tuple[tuple[IndexHit, ...], tuple[IndexHit, ...]]]:
        """Send all requests at once and hand the answers back in pairs; a missing request has no hits."""
        requests = [request for pair in pairs for request in pair if request is not None]
        with self._engine():
            answers = iter(self._client.query_batch_points(self._collection, requests))
        return [
            (_hits(next(answers).points), _hits(next(answers).points) if pair[1] else ()) for pair in pairs
        ]

    @contextmanager
    def _engine(self) -> Iterator[None]:
        """Turn the client's many failures (HTTP, gRPC, validation, time-out) into ours."""
        if self._closed:
            raise IndexUnavailable("The connection to the Qdrant server is closed.")
        try:
            yield
        except IndexCorrupt:
            raise
        except Exception as error:
            raise IndexUnavailable(f"The Qdrant server did not do what was asked: {error}") from error


def _of_document(document: int) -> models.Filter:
    from qdrant_client import models

    return models.Filter(
        must=[models.FieldCondition(key="document", match=models.MatchValue(value=int(document)))]
    )


def _filter(where: IndexFilter) -> models.Filter:
    from qdrant_client import models

    must: list[models.Condition] = [
        models.FieldCondition(key="policy", match=models.MatchAny(any=sorted(where.policies))),
        models.FieldCondition(key="source", match=models.MatchAny(any=sorted(where.sources))),
    ]
    if not where.superseded:
        must.append(models.FieldCondition(key="superseded", match=models.MatchValue(value=0)))
    if where.documents is not None:
        must.append(models.FieldCondition(key="document", match=models.MatchAny(any=sorted(where.documents))))
    return models.Filter(must=must)


def _corpus(where: IndexFilter) -> models.Filter:
    """Return the chunks over which a term's rarity is judged: the viewer's own, all of them or a sample."""
    from qdrant_client import models

    own = _filter(where.corpus)
    if where.sample is None:
        return own
    return models.Filter(must=[own, models.HasIdCondition(has_id=list(where.sample))])


def _requests(
    query: IndexQuery,
    where: models.Filter,
    corpus: models.Filter,
    limit: int,
    way: Way,
) -> tuple[models.QueryRequest, models.QueryRequest | None]:
    """Return the dense and the keyword request; a question without a single indexed word has no keyword request."""
    from qdrant_client import models

    dense = models.QueryRequest(
        query=query.vector.tolist(),
        using=DENSE,
        filter=where,
        limit=limit,
        with_payload=["document"],
        params=models.SearchParams(
            hnsw_ef=way.width(limit),
            exact=way.exact,
            acorn=models.AcornSearchParams(enable=way.steps_over),
        ),
    )
    words = _sparse(keyword_query(query))
    if not words.indices:
        return dense, None
    keyword = models.QueryRequest(
        query=words,
        using=KEYWORD,
        filter=where,
        limit=limit,
        with_payload=["document"],
        params=models.SearchParams(idf=models.IdfCorpusParams(corpus=corpus)),
    )
    return dense, keyword


def _sparse(vector: _Sparse) -> models.SparseVector:
    from qdrant_client import models

    return models.SparseVector(indices=vector.indices, values=vector.values)


def _hits(points: Sequence[models.ScoredPoint]) -> tuple[IndexHit, ...]:
    return tuple(
        IndexHit(int(point.id), int((point.payload or {})["document"]), float(point.score))
        for point in points
    )
