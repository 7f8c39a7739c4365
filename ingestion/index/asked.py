"""What the embedded engine is asked: filters, the two requests of a question, and what comes back.

Recall under a filter and the cost of the search are measured where the constants are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ingestion.index.keywords import keyword_query, with_rarity
from ingestion.index.shard import DENSE, KEYWORD
from ingestion.index.terms import Terms
from ingestion.index.types import ChunkScores, IndexFilter, IndexHit, IndexQuery

if TYPE_CHECKING:
    import qdrant_edge

    Weigh = Callable[[qdrant_edge.SparseVector], tuple[qdrant_edge.SparseVector, qdrant_edge.SearchParams]]
    """Makes of a question's words what the engine is asked for, and says over which chunks it judges how rare they are."""

MOSTLY, HALF = 0.9, 0.4
"""From these shares of everything on that a viewer may find, the walk through the graph goes past what it may not show, with
`WIDE` or `WIDER` kept in hand; below, it steps over it (ACORN, with `NARROW`), which costs more for each step: for half of
1,000,000 chunks 39 ms instead of 15, with the same recall."""
WIDE, WIDER, NARROW = 1_024, 1_536, 512
"""Chunks the dense search keeps in hand (`ef`). Recall of the best 50 of 100,000 chunks against brute force: see
benchmarks/filtered.py and docs/speed.md; of 1,000,000, half of them visible, .9992."""
FEW, MOST_COMPARED = 0.1, 100_000
"""Up to this share of everything, and so many chunks, a viewer's chunks are compared one and all: of 1,000,000 chunks, 63,500 in
17 ms, where stepping over the others takes 34 and finds a little less."""


class Way(NamedTuple):
    """How the nearest vectors are looked for: with so many kept in hand, stepping over the rest or past it, or one and all."""

    in_hand: int
    steps_over: bool
    exact: bool = False

    def width(self, limit: int) -> int:
        """Return how many to keep in hand when so many are asked for."""
        return max(self.in_hand, 2 * limit)

    def lost(self, found: int, limit: int) -> bool:
        """Tell whether a walk past the rest found so little that it may have got lost, or that the share no longer holds."""
        return not (self.steps_over or self.exact) and found < limit


EXACT = Way(NARROW, steps_over=False, exact=True)
STEPPING_OVER = Way(NARROW, steps_over=True)


def way_for(where: IndexFilter, chunks: int | None = None) -> Way:
    """Return how to search under a filter among so many chunks; None where that is not known.

    Where the question is narrowed to documents, the viewer's share of everything says nothing.
    """
    share = where.share
    if share is None or where.documents is not None:
        return STEPPING_OVER
    if share >= HALF:
        return Way(WIDE if share >= MOSTLY else WIDER, steps_over=False)
    if chunks is not None and share <= FEW and share * chunks <= MOST_COMPARED:
        return EXACT
    return STEPPING_OVER


def of_document(document: int) -> qdrant_edge.Filter:
    """Return the condition that a chunk is of a document."""
    import qdrant_edge as edge

    return edge.Filter(must=[edge.FieldCondition("document", match=edge.MatchValue(int(document)))])


def filter_of(where: IndexFilter) -> qdrant_edge.Filter:
    """Return the condition that a chunk may be found."""
    import qdrant_edge as edge

    must: list[qdrant_edge.ConditionType] = [
        _one_of("policy", where.policies),
        _one_of("source", where.sources),
    ]
    if not where.superseded:
        must.append(_one_of("superseded", (0,)))
    if where.documents is not None:
        must.append(_one_of("document", where.documents))
    return edge.Filter(must=must)


def _one_of(key: str, values: Collection[int]) -> qdrant_edge.FieldCondition:
    """Return the condition that a number is among these. One alone is compared in two thirds of the time of a set of one."""
    import qdrant_edge as edge

    match = edge.MatchValue(*values) if len(values) == 1 else edge.MatchAny(sorted(values))
    return edge.FieldCondition(key, match=match)


def corpus_of(corpus: IndexFilter) -> qdrant_edge.Filter:
    """Return the chunks over which a term's rarity is judged: the viewer's own, all of them or a sample."""
    import qdrant_edge as edge

    own = filter_of(corpus)
    return own if corpus.sample is None else edge.Filter(must=[own, _any_of(corpus.sample)])


@lru_cache(maxsize=64)
def _any_of(chunks: frozenset[int]) -> qdrant_edge.HasIdCondition:
    """Return the condition for some thousand chunks; the same ones are asked for again and again."""
    import qdrant_edge as edge

    return edge.HasIdCondition(set(chunks))


@lru_cache(maxsize=1)
def _none() -> qdrant_edge.Filter:
    """Return the condition that no chunk meets: over no chunks the engine takes every term for equally rare (ln 2)."""
    import qdrant_edge as edge

    return edge.Filter(must=[edge.HasIdCondition(set())])


def weigh(corpus: IndexFilter, terms: Terms | None) -> Weigh:
    """Return how words are weighed by how rare they are among a viewer's own chunks: as counted, or as the engine counts."""
    import qdrant_edge as edge

    params = edge.SearchParams(idf=edge.IdfParams(corpus=corpus_of(corpus) if terms is None else _none()))
    return lambda words: (words if terms is None else with_rarity(words, terms), params)


def requests_for(
    query: IndexQuery,
    where: qdrant_edge.Filter,
    weighed: Weigh,
    limit: int,
    way: Way,
) -> list[qdrant_edge.QueryRequest]:
    """Return a question's dense and keyword request, in this order."""
    import qdrant_edge as edge

    dense = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(query.vector.tolist(), using=DENSE),
        filter=where,
        with_payload=False,
        params=edge.SearchParams(
            hnsw_ef=way.width(limit),
            exact=way.exact,
            acorn=edge.AcornSearchParams(enable=way.steps_over),
        ),
    )
    words, params = weighed(keyword_query(query))
    keyword = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(words, using=KEYWORD),
        filter=where,
        with_payload=False,
        params=params,
    )
    return [dense, keyword]


Points = list["qdrant_edge.ScoredPoint"]
"""What the engine found for one request. Every point is one of ours: its id is a chunk's."""


def scores_of(dense: Points, keyword: Points) -> Mapping[int, ChunkScores]:
    """Return both scores of each chunk by chunk; those without a word of the question have 0 for words."""
    words = {point.id: point.score for point in keyword}
    return {point.id: ChunkScores(point.score, words.get(point.id, 0.0)) for point in dense}  # type: ignore[misc]


def hits_of(
    found: Sequence[Points], documents_of: Callable[[list[int]], list[int]]
) -> list[tuple[IndexHit, ...]]:
    """Return what the engine found for each request as hits. What is gone by now, whose document is 0, is left out."""
    chunks: list[int] = [point.id for points in found for point in points]  # type: ignore[misc]
    documents = iter(documents_of(chunks))
    return [
        tuple(
            [
                IndexHit(point.id, document, point.score)  # type: ignore[arg-type]
                for point, document in zip(points, islice(documents, len(points)), strict=True)
                if document
            ]
        )
        for points in found
    ]
