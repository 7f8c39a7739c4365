"""What the embedded engine is asked: filters, the two requests of a question, and what comes back.

Recall under a filter and the cost of the search are measured where the constants are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ingestion.index.keywords import keyword_query, with_rarity
from ingestion.index.shard import DENSE, KEYWORD
from ingestion.index.terms import Terms
from ingestion.index.types import ChunkScores, IndexFilter, IndexHit, IndexQuery

if TYPE_CHECKING:
    import qdrant_edge

    Weigh = Callable[[qdrant_edge.SparseVector], tuple[qdrant_edge.SparseVector, qdrant_edge.SearchParams]]
    """Makes of a question's words what the engine is asked for, and says over which chunks it judges how rare they are."""

MOSTLY = 0.9
"""From this share of everything on that a viewer may find, the walk through the graph goes past what it may not show
(`WIDE` kept in hand); below, it steps over it (ACORN, with `NARROW`), which costs more for each step. Going past half of
everything is four times as fast at 1,000,000 chunks, and one question in two hundred then found next to nothing."""
WIDE, NARROW = 1_024, 512
"""Chunks the dense search keeps in hand (`ef`). Recall of the best 50 of 100,000 chunks against brute force
(benchmarks/filtered.py): 1.0 with 1 and 5 % visible, at least .995 with half, .9995 with all of them."""


def is_wide(share: float | None) -> bool:
    """Tell whether a viewer may find so much that the search need not step over the rest."""
    return share is not None and share >= MOSTLY


def of_document(document: int) -> qdrant_edge.Filter:
    """Return the condition that a chunk is of a document."""
    import qdrant_edge as edge

    return edge.Filter(must=[edge.FieldCondition("document", match=edge.MatchValue(int(document)))])


def filter_of(where: IndexFilter) -> qdrant_edge.Filter:
    """Return the condition that a chunk may be found."""
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


def weigh(own: qdrant_edge.Filter, terms: Terms | None) -> Weigh:
    """Return how words are weighed by how rare they are among a viewer's own chunks: as counted, or as the engine counts."""
    import qdrant_edge as edge

    if terms is None:
        return lambda words: (words, edge.SearchParams(idf=edge.IdfParams(corpus=own)))
    return lambda words: (with_rarity(words, terms), edge.SearchParams(idf=edge.IdfParams(corpus=_none())))


def requests_for(
    query: IndexQuery,
    where: qdrant_edge.Filter,
    weighed: Weigh,
    limit: int,
    *,
    exact: bool,
    steps_over: bool,
) -> list[qdrant_edge.QueryRequest]:
    """Return a question's dense and keyword request, in this order; `exact` compares every chunk that passes."""
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
    words, params = weighed(keyword_query(query))
    keyword = edge.QueryRequest(
        limit=limit,
        query=edge.Query.Nearest(words, using=KEYWORD),
        filter=where,
        with_payload=["document"],
        params=params,
    )
    return [dense, keyword]


def scores_of(dense: Sequence[IndexHit], keyword: Sequence[IndexHit]) -> Mapping[int, ChunkScores]:
    """Return both scores of each chunk by chunk; those without a word of the question have 0 for words."""
    words = {hit.chunk: hit.score for hit in keyword}
    return {hit.chunk: ChunkScores(hit.score, words.get(hit.chunk, 0.0)) for hit in dense}


def hits_of(points: Sequence[qdrant_edge.ScoredPoint]) -> tuple[IndexHit, ...]:
    """Return what the engine found as hits."""
    # Every point is one of ours: its id is a number and its payload holds the document's.
    return tuple([IndexHit(point.id, point.payload["document"], point.score) for point in points])  # type: ignore[arg-type, index]
