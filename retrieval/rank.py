"""Rerank: permitted passages in the order in which they answer the question, by a few features that can be explained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from ingestion.index.types import Vector
from ingestion.sentences import best_cosines
from ingestion.words import stems_of, unpacked_codes
from retrieval.bridge import Bridged
from retrieval.proximity import Placed, Proximity, placed_in
from retrieval.search import SearchResults
from retrieval.types import Candidate, Passage, Plan, Ranked
from retrieval.words import coverage, rarity

# Weights of the features; each feature lies in [0, 1] unless said otherwise. Flat around these values on every suite
# (docs/retrieval.md).
WEIGHTS: Mapping[str, float] = {
    "fused": 0.7,  # what the index scored
    "sentence": 0.3,  # how near its nearest sentence is to the question, as a share of the nearest passage's cosine
    "neighbours": 0.1,  # the question's neighbouring words are neighbours here
    "window": 0.15,  # the question's words stand close together here
    "title": 0.05,  # the title and headings speak of the question's words
    "about": 0.1,  # the question says much of the title, and of what tells it from the other titles found
    "named": 0.4,  # the question calls this document by its title
    "bridge": 0.5,  # a good passage calls this document by its title, or links to it; up to 1.3
    "second": 0.3,  # a search for what a good passage says found it
    "authority": 0.03,  # the source's: -1 informal, 0 ordinary, 1 authoritative
    "freshness": 0.02,  # halves every HALF_LIFE_DAYS; 0 without a date
}
INDEX_ONLY: Mapping[str, float] = {"fused": 1.0}
"""For comparison: the order in which the index found them."""
HALF_LIFE_DAYS = 365
# A stem that no passage in the pool holds is rarer than any that one does.
UNSEEN = 6.0


@dataclass(frozen=True, eq=False)
class _Read:
    """Where the question's words stand in a passage, which of them its title and headings hold, and its title's words."""

    placed: list[Placed]
    above: frozenset[str]
    title: frozenset[str]

    @classmethod
    def of(cls, passages: Sequence[Passage], stems: frozenset[str]) -> "dict[int, _Read]":
        """Return what is read of passages, by chunk."""
        placed = placed_in([unpacked_codes(passage.words, passage.text) for passage in passages], stems)
        read = {}
        for passage, own in zip(passages, placed, strict=True):
            title = _title_stems(passage.title)
            above = title.union(*map(_title_stems, passage.above[1:]))
            read[passage.chunk] = cls(own, stems.intersection(above), title)
        return read

    @property
    def stems(self) -> frozenset[str]:
        return self.above.union(word.stem for word in self.placed)


@dataclass(frozen=True, eq=False)
class Nearness:
    """What sentences are held against: the question's vector, and the cosine of the nearest passage found first."""

    question: Vector
    best: float

    def of(self, passages: Sequence[Passage]) -> list[float | None]:
        """Return each passage's nearest sentence as a share of the nearest passage; a little above 1 where it is nearer."""
        if self.best <= 0.0:
            return [None] * len(passages)
        cosines = best_cosines([passage.sentence_embeddings for passage in passages], self.question)
        return [None if cosine is None else max(0.0, cosine) / self.best for cosine in cosines]


@dataclass(frozen=True, eq=False)
class Scorer:
    """What passages are held against: the question's stems, and how rare each is among what was found first."""

    stems: frozenset[str]
    read: Mapping[int, "_Read"]  # by chunk
    rarity: Mapping[str, float]
    telling: Mapping[str, float]  # how rare each of the question's stems is among the titles that hold any
    proximity: Proximity
    weights: Mapping[str, float]
    today: date
    nearness: "Nearness | None" = None

    @classmethod
    def of(
        cls,
        plan: Plan,
        passages: Sequence[Passage],
        weights: Mapping[str, float],
        today: date,
        nearness: "Nearness | None" = None,
    ) -> "Scorer":
        """Return the scorer for a plan; stems are weighed over these passages, the viewer's own."""
        asked = stems_of(plan.standalone)
        stems = frozenset(asked)
        read = _Read.of(passages, stems)
        telling = rarity(text.title.intersection(stems) for text in read.values())
        rare = rarity(text.stems for text in read.values())
        proximity = Proximity.of(asked, rare, UNSEEN)
        return cls(stems, read, rare, telling, proximity, weights, today, nearness)

    def reading(self, passages: Sequence[Passage]) -> "Scorer":
        """Return the scorer for these passages as well; how rare each word is stays what it was among the first."""
        return replace(self, read={**self.read, **_Read.of(passages, self.stems)}) if passages else self

    def held_by(self, passages: Sequence[Passage]) -> frozenset[str]:
        """Return the question's stems that these passages hold, as far as the scorer is for them."""
        read = (self.read.get(passage.chunk) for passage in passages)
        return frozenset[str]().union(*(text.stems for text in read if text is not None))

    def features(
        self, passage: Passage, fused: float, nearest: float | None, *, is_named: bool
    ) -> dict[str, float]:
        """Return what a passage's own words, source and date are worth for the question.

        The passage is one of those the scorer is for, `nearest` its own of `nearest_of`; a passage without counts as if its sentences were as near as it is itself.
        """
        text = self.read[passage.chunk]
        features = {
            "fused": fused,
            "sentence": fused if nearest is None else nearest,
            "neighbours": self.proximity.neighbours_kept(text.placed),
            "window": self.proximity.within_one_window(text.placed),
            "title": coverage(self.stems, text.above, self.rarity, UNSEEN) if text.above else 0.0,
            "about": self._about(text.title),
            "named": float(is_named),
        }
        if passage.authority:
            features["authority"] = float(passage.authority)
        if passage.dated is not None:
            features["freshness"] = 0.5 ** (max(0, (self.today - passage.dated).days) / HALF_LIFE_DAYS)
        return features

    def _about(self, title: frozenset[str]) -> float:
        """Return how much of the title the question says, times how telling that is among the titles found."""
        said = title.intersection(self.telling)
        in_all = sum(self.telling.values())
        if not said or in_all <= 0.0:
            return 0.0
        return len(said) / len(title) * sum(self.telling[stem] for stem in said) / in_all

    def nearest_of(self, passages: Sequence[Passage]) -> list[float | None]:
        """Return how near each passage's nearest sentence is; None where that is not known or not to be asked."""
        return [None] * len(passages) if self.nearness is None else self.nearness.of(passages)

    def score(self, features: Mapping[str, float]) -> float:
        """Return the weighted sum."""
        weight = self.weights.get
        return sum([weight(name, 0.0) * value for name, value in features.items()])


def first_ranking(results: SearchResults, passages: Sequence[Passage], scorer: Scorer) -> tuple[Ranked, ...]:
    """Return the passages that the index and the question's own names led to, best first."""
    candidates = {candidate.chunk: candidate for candidate in results.candidates()}
    named = {called.document: called.title for called in results.named}
    best_of_named = best_chunks(results.in_named)
    found_by = results.found_by()
    ranked = []
    for passage, nearest in zip(passages, scorer.nearest_of(passages), strict=True):
        candidate = candidates[passage.chunk]
        is_named = best_of_named.get(passage.document) == passage.chunk
        features = scorer.features(passage, candidate.fused, nearest, is_named=is_named)
        via = f"title “{named[passage.document]}” in the question" if is_named else ""
        ranked.append(
            Ranked(passage, scorer.score(features), found_by.get(passage.chunk, ()), candidate, features, via)
        )
    return _sorted(ranked)


def final_ranking(
    first: Sequence[Ranked], bridged: Bridged, passages: Sequence[Passage], scorer: Scorer
) -> tuple[Ranked, ...]:
    """Return the first ranking together with what it led to, best first, every passage once.

    `passages` are the permitted ones among the bridges' candidates.
    """
    fused = {candidate.chunk: candidate.fused for candidate in bridged.candidates}
    ranked = {item.passage.chunk: item for item in first}
    new = [passage for passage in passages if passage.chunk not in ranked]
    scorer = scorer.reading(new)
    for passage, nearest in zip(new, scorer.nearest_of(new), strict=True):
        features = scorer.features(passage, fused.get(passage.chunk, 0.0), nearest, is_named=False)
        ranked[passage.chunk] = Ranked(passage, scorer.score(features), (), None, features)
    bridges = {bridge.document: bridge for bridge in bridged.bridges}
    for document, chunk in best_chunks(bridged.candidates).items():
        bridge = bridges.get(document)
        if bridge is not None and chunk in ranked:
            item = ranked[chunk]
            features = {**item.features, "bridge": bridge.strength}
            ranked[chunk] = replace(
                item, score=scorer.score(features), features=features, via=item.via or bridge.via
            )
    for search in bridged.second:
        origin = first[search.source].passage
        for candidate in search.candidates:
            found = ranked.get(candidate.chunk)
            if found is None or _same_subject(found.passage, origin):
                continue
            value = max(candidate.fused * search.strength, found.features.get("second", 0.0))
            features = {**found.features, "second": value}
            ranked[candidate.chunk] = replace(
                found,
                score=scorer.score(features),
                features=features,
                via=found.via or f"a search for what passage {search.source + 1} says",
                sub_queries=tuple(sorted({*found.sub_queries, search.sub_query})),
            )
    return _sorted(ranked.values())


def with_more(
    ranked: Sequence[Ranked], candidates: Sequence[Candidate], passages: Sequence[Passage], scorer: Scorer
) -> tuple[Ranked, ...]:
    """Return the ranking with further permitted passages put where their own words place them."""
    fused = {candidate.chunk: candidate for candidate in candidates}
    added, scorer = [], scorer.reading(passages)
    for passage, nearest in zip(passages, scorer.nearest_of(passages), strict=True):
        candidate = fused[passage.chunk]
        features = scorer.features(passage, candidate.fused, nearest, is_named=False)
        via = "a search for what the others lack"
        added.append(Ranked(passage, scorer.score(features), (), candidate, features, via))
    return _sorted([*ranked, *added]) if added else tuple(ranked)


def _same_subject(passage: Passage, other: Passage) -> bool:
    """Return whether two passages are of one document, or of documents with one title.

    A second search is for something that the passage it was asked from only leads to.
    """
    return passage.document == other.document or bool(passage.title and passage.title == other.title)


@lru_cache(maxsize=4_096)
def _title_stems(text: str) -> frozenset[str]:
    """Return the stems of a title or a heading; the chunks of a document share them."""
    return frozenset(stems_of(text))


def best_chunks(candidates: Sequence[Candidate]) -> dict[int, int]:
    """Return each document's best chunk among candidates."""
    best: dict[int, Candidate] = {}
    for candidate in candidates:
        if candidate.document not in best or candidate.fused > best[candidate.document].fused:
            best[candidate.document] = candidate
    return {document: candidate.chunk for document, candidate in best.items()}


def _sorted(ranked: Iterable[Ranked]) -> tuple[Ranked, ...]:
    return tuple(sorted(ranked, key=lambda item: (-item.score, item.passage.chunk)))
