"""The parts of a question that each need a sentence, and what was found for each."""

from collections.abc import Set
from dataclasses import dataclass, replace

from assistant.answering.scoring import Scored
from assistant.answering.stated import Verdict
from retrieval.specifics import without_own_names
from retrieval.types import Plan


@dataclass(frozen=True)
class Part:
    """A part of a question: number and text of its sub-query. `asked` is the text that sentences are held against, without the
    names of who asks; `sides` are the sides of a comparison, parts themselves."""

    number: int
    text: str
    asked: str
    sides: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Found:
    """What was found for one part of the question: sentences best first, and the verdict on each of the first few."""

    part: Part
    scored: tuple[Scored, ...]
    verdicts: tuple[Verdict, ...]
    missing: tuple[str, ...] | None  # None: it is stated

    @property
    def stated(self) -> float:
        return max((verdict.stated for verdict in self.verdicts[:1]), default=0.0)


def parts_of(plan: Plan, held: Set[str]) -> list[Part]:
    """Return the parts of a question that each need a sentence; of a comparison the whole and each side.

    `held` are the stems that something found holds.
    """
    if len(plan.sub_queries) < 2 or any(sub_query.after for sub_query in plan.sub_queries):
        # Searches that wait for each other are steps towards one answer, not parts of it.
        return [Part(1, plan.standalone, without_own_names(plan.standalone, held))]
    parts = [Part(s.number, s.text, without_own_names(s.text, held)) for s in plan.sub_queries]
    sides_of: dict[int, tuple[Part, ...]] = {}
    for sub_query, part in zip(plan.sub_queries, parts, strict=True):
        sides_of[sub_query.side_of] = (*sides_of.get(sub_query.side_of, ()), part)
    return [replace(part, sides=sides_of.get(part.number, ())) for part in parts]
