"""The parts of a question that each need a sentence, and what was found for each."""

from dataclasses import dataclass

from assistant.answering.scoring import Scored
from assistant.answering.stated import Verdict
from retrieval.types import Plan


@dataclass(frozen=True)
class Part:
    """A part of a question: number and text of its sub-query. `sides` are the texts of a comparison's sides."""

    number: int
    text: str
    sides: tuple[str, ...] = ()


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


def parts_of(plan: Plan) -> list[Part]:
    """Return the parts of a question that each need a sentence; of a comparison the whole and each side."""
    if len(plan.sub_queries) < 2 or any(sub_query.after for sub_query in plan.sub_queries):
        # Searches that wait for each other are steps towards one answer, not parts of it.
        return [Part(1, plan.standalone)]
    return [
        Part(s.number, s.text, tuple(side.text for side in plan.sub_queries if side.side_of == s.number))
        for s in plan.sub_queries
    ]
