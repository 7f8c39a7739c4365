"""A language model as judge of passages: a second opinion on the ranking, asked in one call.

It sees permitted passages only, as data; it gives grades, and a grade moves a passage up or down and can do nothing else.
"""

from collections.abc import Sequence
from typing import Annotated

from django.conf import settings
from pydantic import Field, ValidationInfo, model_validator

from assistant.llm.connection import Connection, ModelFailed, Reply
from assistant.prompts import prompt
from ingestion.splitting import split_sentences
from retrieval.reranking import POOL, RerankingFailed
from retrieval.types import Ranked

BEST = 3
PASSAGE_CHARACTERS = 600
"""About a hundred words of each passage: thirty of them and the instructions fit into 8,192 tokens."""


class Grade(Reply):
    """What one passage, by its number from 1, is worth to the question."""

    number: int
    grade: Annotated[int, Field(ge=0, le=BEST)]


class Grades(Reply):
    """One grade for each passage. Validated with the context `{"passages": how many there are}`."""

    grades: list[Grade]

    @model_validator(mode="after")
    def _each_once(self, info: ValidationInfo) -> "Grades":
        numbers = sorted(grade.number for grade in self.grades)
        expected = list(range(1, int((info.context or {})["passages"]) + 1))
        if numbers != expected:
            missing = sorted(set(expected) - set(numbers))
            raise ValueError(
                f"grades are missing for {missing}"
                if missing
                else f"grade each of 1 to {len(expected)} once, and nothing else"
            )
        return self


class ModelJudge:
    """The reranker that asks the configured language model for grades."""

    def __init__(self) -> None:
        self._prompt = prompt("judge")
        # Who judges, for the record: the model and its prompt's digest.
        self.name = f"judge {settings.MODEL_NAME or 'without a model'} (prompt {self._prompt.digest})"

    def scores(self, question: str, ranked: Sequence[Ranked]) -> list[float]:
        """Return a grade in [0, 1] per passage, for at most POOL passages. Raises RerankingFailed."""
        if len(ranked) > POOL:
            raise RerankingFailed(f"A model judges at most {POOL} passages at once, not {len(ranked)}.")
        if not ranked:
            return []
        try:
            reply = Connection.configured().ask(
                Grades,
                self._prompt.text,
                {
                    "question": question,
                    "passages": [_shown(n, item) for n, item in enumerate(ranked, start=1)],
                },
                {"passages": len(ranked)},
            )
        except ModelFailed as error:
            raise RerankingFailed(f"The model could not judge ({error}).") from error
        grades = {grade.number: grade.grade for grade in reply.grades}
        return [grades[number] / BEST for number in range(1, len(ranked) + 1)]


def _shown(number: int, item: Ranked) -> dict[str, object]:
    passage = item.passage
    return {
        "number": number,
        "title": passage.title,
        "headings": list(passage.headings),
        "text": beginning("\n".join(filter(None, (passage.table_head, passage.text)))),
    }


def beginning(text: str) -> str:
    """Return the whole sentences at the beginning of a text that fit; a first one that does not is cut."""
    end = 0
    for span in split_sentences(text):
        if span.end > PASSAGE_CHARACTERS:
            break
        end = span.end
    return text[: end or PASSAGE_CHARACTERS]
