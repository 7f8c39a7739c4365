"""Is what was found enough? Decided by what the question turns on, not by a score: a name or a number that no good
passage holds is searched for once more. Whether the claim itself is stated is decided where sentences are read."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from ingestion.index.types import IndexQuery
from ingestion.words import content_words
from retrieval.rank import Scorer
from retrieval.search import SearchResults, search_more, weighed
from retrieval.specifics import missing_from, specifics_of
from retrieval.types import Candidate, Passage, Plan, Ranked

EVIDENCE = 10
"""Passages that an answer would be made from."""
MOST_FOUND = 5


@dataclass(frozen=True)
class Sufficiency:
    """What of the question the best passages lack, as it was typed, and what one more search proposes."""

    missing: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    @property
    def decision(self) -> str:
        """`enough`, `searched again`, or `lacking` when a further search found nothing new."""
        if not self.missing:
            return "enough"
        return "searched again" if self.candidates else "lacking"


def check(plan: Plan, ranked: Sequence[Ranked], results: SearchResults, scorer: Scorer) -> Sufficiency:
    """Return what is missing, with candidates that were found for it and are not among the ranked passages."""
    best = [item.passage for item in ranked[:EVIDENCE]]
    missing = what_is_missing(plan, best, scorer.held_by(best))
    if not missing:
        return Sufficiency()
    known = {item.passage.chunk for item in ranked}
    # The missing words twice: they are what the search is for, the others keep it on the subject. What is near in
    # meaning was searched for already; a name or a number is found by its letters.
    text = " ".join((*missing, *missing, *content_words(plan.standalone)))
    query = IndexQuery(results.asked.vector, text)
    found = search_more([(query, MOST_FOUND)], results)
    new = [candidate for hits in found for candidate in hits if candidate.chunk not in known]
    typed = tuple(dict.fromkeys(map(plan.as_typed, missing)))
    return Sufficiency(typed, weighed(new, results))


def what_is_missing(plan: Plan, best: Sequence[Passage], held: Set[str]) -> tuple[str, ...]:
    """Return the names and numbers of the question that none of the best passages holds.

    `held` are stems that one of them is known to hold, so that their words are read only where that does not settle it.
    """
    specifics = specifics_of(plan.standalone).without(held)
    if not (specifics.names or specifics.numbers):
        return ()
    evidence = "\n".join(passage.with_titles for passage in best)
    names, numbers = missing_from(specifics, evidence)
    return (*names, *numbers)
