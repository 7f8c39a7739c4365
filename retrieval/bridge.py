"""Bridges: the second hop, through documents that good passages call by title or link to, or by a search for what they say.

A document the viewer may not read can neither be reached nor shift a score: titles are looked up among visible
documents, and every search runs under the viewer's filter. Measured gains in docs/retrieval.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.index.types import IndexQuery
from ingestion.words import content_words, words_of
from retrieval.naming import called_by, linked_among, linked_from, mentions_in, titles_among
from retrieval.search import SearchResults, query_vectors, search_more, weighed
from retrieval.second import second_searches
from retrieval.types import Candidate, Plan, Ranked
from retrieval.words import related

FROM_PASSAGES = 5
MOST_DOCUMENTS = 40
CHUNKS_PER_DOCUMENT = 2
PER_SECOND_SEARCH = 5
"""Kept of a second search; what it finds further down is mostly about something else."""


@dataclass(frozen=True)
class Bridge:
    """A document reached because a passage calls it by title, or links to it.

    `source` is that passage's place in the first ranking, `chunk` the passage itself. `strength` in [0, 1.3]: how good the passage is, how few
    others it names, and whether the question's words stand beside the name.
    """

    document: int
    title: str
    source: int
    chunk: int
    strength: float
    is_link: bool = False

    @property
    def via(self) -> str:
        """What led here, in words."""
        by = "a link" if self.is_link else f"title “{self.title}”"
        return f"{by} in passage {self.source + 1}"


@dataclass(frozen=True)
class SecondSearch:
    """What was found with the words of a good passage; `source` is its place in the first ranking."""

    sub_query: int
    source: int
    strength: float
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Bridged:
    """The documents reached, the second searches, and the candidates of both as the question itself scores them.

    Not yet gated: without text.
    """

    bridges: tuple[Bridge, ...] = ()
    second: tuple[SecondSearch, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def find_bridges(
    plan: Plan,
    first: Sequence[Ranked],
    results: SearchResults,
    *,
    titles: bool = True,
    second_search: bool = True,
) -> Bridged:
    """Return what the first ranking's best passages lead to. One SQL lookup and one round trip to the index."""
    searches = second_searches(plan, first) if second_search else ()
    bridges = _bridges(plan, first[:FROM_PASSAGES], results) if titles else ()
    documents = frozenset(bridge.document for bridge in bridges)
    asked = []
    if documents:
        asked.append((results.asked._replace(documents=documents), CHUNKS_PER_DOCUMENT * len(documents)))
    vectors = query_vectors([search.gist for search in searches])
    for search, vector in zip(searches, vectors, strict=True):
        asked.append((IndexQuery(vector, search.text), PER_SECOND_SEARCH))
    found = search_more(asked, results)
    within = found.pop(0) if documents else ()
    return Bridged(
        tuple(bridges),
        tuple(
            SecondSearch(search.sub_query, search.source, _quality(first, search.source), hits)
            for search, hits in zip(searches, found, strict=True)
        ),
        weighed([*within, *(candidate for hits in found for candidate in hits)], results),
    )


def _bridges(plan: Plan, first: Sequence[Ranked], results: SearchResults) -> tuple[Bridge, ...]:
    mentions = [mentions_in(ranked.passage.text) for ranked in first]
    keys = {key for found in mentions for key in found.keys}
    titles = titles_among(keys, results.reach, superseded=plan.wants_superseded)
    linked = linked_among(
        [ranked.passage for ranked in first], results.reach, superseded=plan.wants_superseded
    )
    asked = content_words(plan.standalone)
    named = {called.document for called in results.named}
    best: dict[int, Bridge] = {}
    for source, (ranked, found) in enumerate(zip(first, mentions, strict=True)):
        # A document that names itself is no bridge (most texts repeat their own title), nor is one the question names.
        # What is linked and called by title is called: the words around a title tell more.
        by_title = {called.document: called for called in called_by(found, titles, in_prose=True)}
        by_link = {called.document: called for called in linked_from(ranked.passage, linked)}
        called = [
            c
            for c in {**by_link, **by_title}.values()
            if c.document != ranked.passage.document and c.document not in named
        ]
        own = set(words_of(ranked.passage.title))
        telling = [word for word in asked if word not in own]
        for document in called:
            is_asked_for = any(related(word, other) for word in telling for other in document.around)
            strength = _quality(first, source) * _focus(len(called)) * (1.3 if is_asked_for else 1.0)
            if document.document not in best or strength > best[document.document].strength:
                best[document.document] = Bridge(
                    document.document, document.title, source, ranked.passage.chunk, strength,
                    is_link=document.document not in by_title,
                )  # fmt: skip
    return tuple(sorted(best.values(), key=lambda b: (-b.strength, b.document))[:MOST_DOCUMENTS])


def _quality(first: Sequence[Ranked], source: int) -> float:
    """Return how good a passage is beside the best one, in [0, 1]: squared, so that only the best lead on."""
    best = first[0].score
    return (max(0.0, first[source].score) / best) ** 2 if best > 0 else 0.0


def _focus(named: int) -> float:
    """Return how much one of several documents that a passage names gets of it, in (0, 1]."""
    return 0.2 + 0.8 / math.sqrt(named)
