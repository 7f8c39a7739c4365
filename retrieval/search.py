"""Search: a plan's sub-queries under the viewer's filter, dense and BM25 in one round trip. Ids and scores, no text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from accounts.viewer import Viewer
from ingestion.access import Reach, reach_of
from ingestion.embedding import embedder
from ingestion.index import get_index
from ingestion.index.types import IndexFilter, Vector
from retrieval.fusion import fuse, missing
from retrieval.options import Fusion
from retrieval.types import Candidate, Plan, SubQuery

# Asked of each retriever per sub-query, and kept of their union. Wide enough for the second hop, small enough to gate.
PER_RETRIEVER = 100
KEPT = 32


@dataclass(frozen=True)
class Found:
    """What one sub-query found, best first."""

    sub_query: SubQuery
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class SearchResults:
    """What every sub-query found, and how much the viewer reaches (counts, for the record)."""

    found: tuple[Found, ...]
    reach: Reach

    def candidates(self) -> tuple[Candidate, ...]:
        """Return every candidate once, with its best score over the sub-queries, best first."""
        best: dict[int, Candidate] = {}
        for found in self.found:
            for candidate in found.candidates:
                known = best.get(candidate.chunk)
                if known is None or candidate.fused > known.fused:
                    best[candidate.chunk] = candidate
        return tuple(sorted(best.values(), key=lambda candidate: (-candidate.fused, candidate.chunk)))

    def sub_queries_of(self, chunk: int) -> tuple[int, ...]:
        """Return the numbers of the sub-queries that found a chunk."""
        return tuple(
            found.sub_query.number for found in self.found if any(c.chunk == chunk for c in found.candidates)
        )


def search(plan: Plan, viewer: Viewer, fusion: Fusion = "shares") -> SearchResults:
    """Return the candidates of each sub-query within what the viewer reaches now.

    Raises ingestion.index.types' IndexBusy or IndexUnavailable with a sentence when the index cannot be asked.
    """
    reach = reach_of(viewer)
    where = index_filter(reach, plan)
    texts = [sub_query.text for sub_query in plan.sub_queries]
    hits = search_texts(texts, where, PER_RETRIEVER, fusion)
    return SearchResults(
        tuple(
            Found(sub_query, tuple(candidates[:KEPT]))
            for sub_query, candidates in zip(plan.sub_queries, hits, strict=True)
        ),
        reach,
    )


def index_filter(reach: Reach, plan: Plan, documents: frozenset[int] | None = None) -> IndexFilter:
    """Return the index filter for a reach: the access part always, a narrowing to documents where given."""
    return IndexFilter(
        policies=reach.policies, sources=reach.sources, superseded=plan.wants_superseded, documents=documents
    )


def search_texts(
    texts: Sequence[str], where: IndexFilter, limit: int, fusion: Fusion = "shares"
) -> list[list[Candidate]]:
    """Return the fused candidates of each text: one round trip to find them, one each to complete their scores."""
    if where.is_empty:
        return [[] for _ in texts]
    queries = [(query_vector(text, settings.EMBEDDING_MODEL), text) for text in texts]
    index = get_index()
    fused = []
    for (vector, text), hits in zip(queries, index.search_many(queries, where, limit), strict=True):
        # What only one retriever found gets its true other score, so that a list's length decides nothing.
        exact = index.scores(vector, text, missing(hits), where)
        fused.append(list(fuse(hits, exact=exact, method=fusion)))
    return fused


@lru_cache(maxsize=512)
def query_vector(text: str, model: str) -> Vector:
    """Return a question's vector. Kept for a while: the bridge asks for the same words as the search before it."""
    return embedder(model).embed_query(text)
