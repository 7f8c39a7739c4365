"""Search: a plan's sub-queries under the viewer's filter, dense and BM25 in one round trip. Ids and scores, no text."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.conf import settings

from accounts.viewer import Viewer
from ingestion.access import Reach, reach_of
from ingestion.embedding import embedder
from ingestion.index import get_index
from ingestion.index.types import (
    ASIDE_WEIGHT,
    IndexFilter,
    IndexHit,
    IndexHits,
    IndexQuery,
    Vector,
)
from retrieval.fusion import Best, best_of, fuse
from retrieval.naming import Called, called_by, mentions_in, titles_among
from retrieval.options import Fusion
from retrieval.statistics import sample_for
from retrieval.types import Candidate, Plan, SubQuery

# Asked of each retriever per sub-query, and kept of their union. Wide enough for the second hop, small enough to gate.
PER_RETRIEVER = 100
KEPT = 32
# Of a question that is several searches, together.
POOL = 48
# Where many chunks are of one document, more are kept, so that there is more than one document to choose from.
MOST_KEPT = 64
DOCUMENTS_KEPT = 10
CHUNKS_PER_NAMED = 4
"""Chunks asked for of each document that the question calls by its title."""


@dataclass(frozen=True)
class Found:
    """What one sub-query found, best first."""

    sub_query: SubQuery
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, eq=False)
class SearchResults:
    """What every sub-query found, and how much the viewer reaches (counts, for the record).

    `named` are the documents that the question calls by their title, `in_named` their best chunks. `asked`, `best` and
    `where` are what further searches for the same question need: the question, the best scores, the viewer's filter.
    """

    found: tuple[Found, ...]
    reach: Reach
    named: tuple[Called, ...]
    in_named: tuple[Candidate, ...]
    asked: IndexQuery
    best: Best
    where: IndexFilter

    def candidates(self) -> tuple[Candidate, ...]:
        """Return every candidate once, with its best score over the sub-queries, best first."""
        best: dict[int, Candidate] = {candidate.chunk: candidate for candidate in self.in_named}
        for found in self.found:
            for candidate in found.candidates:
                known = best.get(candidate.chunk)
                if known is None or candidate.fused > known.fused:
                    best[candidate.chunk] = candidate
        return tuple(sorted(best.values(), key=lambda candidate: (-candidate.fused, candidate.chunk)))

    def found_by(self) -> dict[int, tuple[int, ...]]:
        """Return for each chunk the numbers of the sub-queries that found it."""
        numbers: dict[int, tuple[int, ...]] = {}
        for found in self.found:
            for candidate in found.candidates:
                numbers[candidate.chunk] = (*numbers.get(candidate.chunk, ()), found.sub_query.number)
        return numbers


def search(
    plan: Plan,
    viewer: Viewer,
    fusion: Fusion = "shares",
    *,
    names: bool = True,
    documents: frozenset[int] | None = None,
) -> SearchResults:
    """Return the candidates of each sub-query that waits for no other, within what the viewer reaches now.

    `names` looks up the documents that the question calls by title, too; `documents` narrows to what was filtered for.
    Raises ingestion.index.types' IndexBusy or IndexUnavailable with a sentence when the index cannot be asked.
    """
    first = [sub_query for sub_query in plan.sub_queries if not sub_query.after]
    texts = [sub_query.text for sub_query in first]
    reach = reach_of(viewer)
    sample = sample_for(viewer, reach, superseded=plan.wants_superseded)
    where = IndexFilter(
        reach.policies, reach.sources, plan.wants_superseded, documents, sample.chunks, sample.share
    )
    named: list[Called] = []
    if names:
        mentions = mentions_in(plan.standalone)
        titles = titles_among(mentions.keys, reach, superseded=plan.wants_superseded)
        named = called_by(mentions, titles)
    asked = _queries(texts, query_vectors([*texts, *plan.background]), plan)
    main = next((query for query in asked if query.text == plan.standalone), asked[0])
    called = frozenset(document.document for document in named)
    narrowed = [main._replace(documents=called)] if called else []
    hits = get_index().search_many([*asked, *narrowed], where, PER_RETRIEVER) if not where.is_empty else []
    hits = hits or [IndexHits() for _ in (*asked, *narrowed)]
    kept = min(KEPT, POOL // len(first))
    found = tuple(
        Found(sub_query, _first(fuse(own, method=fusion), kept))
        for sub_query, own in zip(first, hits, strict=False)
    )
    tops = [best_of(own) for own in hits[: len(asked)]]
    best = Best(max(top.dense for top in tops), max(top.keyword for top in tops))
    in_named = fuse(hits[-1], method=fusion, best=best) if called else ()
    return SearchResults(
        found, reach, tuple(named), in_named[: CHUNKS_PER_NAMED * len(called)], main, best, where
    )


def _first(candidates: Sequence[Candidate], number: int) -> tuple[Candidate, ...]:
    """Return the first candidates, so many, and on as far as MOST_KEPT the best of documents not yet among them."""
    kept = list(candidates[:number])
    documents = {candidate.document for candidate in kept}
    for candidate in candidates[number:MOST_KEPT]:
        if len(documents) >= DOCUMENTS_KEPT:
            break
        if candidate.document not in documents:
            documents.add(candidate.document)
            kept.append(candidate)
    return tuple(kept)


def search_more(
    asked: Sequence[tuple[IndexQuery, int]], results: SearchResults
) -> list[tuple[Candidate, ...]]:
    """Return the best candidates of further questions about the same thing, each as many as it says.

    Asked under the same filter as the first search, in one round trip, and scored against themselves: `weighed` gives
    them the scores of the first question.
    """
    if not asked or results.where.is_empty:
        return [() for _ in asked]
    limit = max(kept for _, kept in asked)
    hits = get_index().search_many([query for query, _ in asked], results.where, max(limit, KEPT))
    return [fuse(own)[:kept] for (_, kept), own in zip(asked, hits, strict=True)]


def weighed(candidates: Iterable[Candidate], results: SearchResults) -> tuple[Candidate, ...]:
    """Return candidates of further searches with the scores that the first question gives them, best first."""
    documents = {candidate.chunk: candidate.document for candidate in candidates}
    if not documents:
        return ()
    scores = get_index().scores([(results.asked, documents)], results.where)[0]
    dense = tuple(IndexHit(chunk, documents[chunk], found.dense) for chunk, found in scores.items())
    return fuse(IndexHits(dense), exact=scores, best=results.best)


def _queries(texts: Sequence[str], vectors: Sequence[Vector], plan: Plan) -> list[IndexQuery]:
    """Return the questions to the index for a plan's searches, with what the conversation was about weighed in."""
    own, around = vectors[: len(texts)], vectors[len(texts) :]
    if not around:
        return [IndexQuery(vector, text) for vector, text in zip(own, texts, strict=True)]
    found = []
    for vector, text in zip(own, texts, strict=True):
        whole = vector + ASIDE_WEIGHT * np.sum(around, axis=0)
        aside: Vector = (whole / np.linalg.norm(whole)).astype(np.float32)
        found.append(IndexQuery(aside, text, plan.background[0]))
    return found


_kept: OrderedDict[tuple[str, str], Vector] = OrderedDict()
_lock = threading.Lock()
MOST_VECTORS = 512


def query_vectors(texts: Sequence[str]) -> list[Vector]:
    """Return questions' vectors, those that are new from one pass through the model.

    Kept for a while: a follow-up asks again for the words of the question before it. In the thread that asks: another one
    beside the database gains a question nothing, and costs four people an eighth of their answers (docs/decisions/0018).
    Raises ingestion.weights.EmbeddingUnavailable when there is no model.
    """
    model = settings.EMBEDDING_MODEL
    with _lock:
        known = {text: _kept[model, text] for text in texts if (model, text) in _kept}
        for text in known:
            _kept.move_to_end((model, text))
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    if missing:
        known |= zip(missing, embedder(model).embed_queries(missing), strict=True)
        with _lock:
            _kept.update({(model, text): known[text] for text in missing})
            while len(_kept) > MOST_VECTORS:
                _kept.popitem(last=False)
    return [known[text] for text in texts]


def forget_vectors() -> None:
    """Embed every question anew from here on, so that ways of searching are timed alike."""
    with _lock:
        _kept.clear()
