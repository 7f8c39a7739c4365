"""The sentences an answer may quote: cut out of the permitted passages, with their exact offsets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.chunking import split_sentences
from retrieval.types import Passage, Ranked
from retrieval.words import stems_of

# A sentence that starts so leans on the one before it.
LEANS_BACK = re.compile(
    r"^[\W_]*(?:this|that|these|those|it|its|they|them|their|he|she|his|her|such|both|the (?:latter|former|same)|"
    r"however|therefore|thus|otherwise|instead|in this case|in that case|then|also|moreover|consequently|as a result)\b",
    re.IGNORECASE,
)
MARKUP = re.compile(r"^[\s>#*+•‣▪◦·–—●○■□►✓|-]+|^\s*\(?(?:\d{1,3}|[A-Za-z])[.)]\s+")
HEADING = re.compile(r"^\s*#{1,6}\s")
MOST_CHARACTERS = 700
"""Longest quote that is made by taking neighbours along."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage: offsets into the version's text, stems, and its neighbours' places in the passage.

    `passage_number` counts the passages from 0 in rank order, `number` the sentences of the passage.
    """

    passage_number: int
    number: int
    start: int
    end: int
    text: str
    stems: tuple[str, ...]
    previous: "Sentence | None"
    is_quotable: bool

    @property
    def leans_back(self) -> bool:
        return bool(LEANS_BACK.match(self.text))


def sentences_of(ranked: Sequence[Ranked]) -> list[Sentence]:
    """Return every sentence of the passages, in rank order and then in the order of the text."""
    found: list[Sentence] = []
    for passage_number, entry in enumerate(ranked):
        passage = entry.passage
        previous: Sentence | None = None
        for number, span in enumerate(split_sentences(passage.text)):
            text = passage.text[span.start : span.end]
            previous = Sentence(
                passage_number=passage_number,
                number=number,
                start=passage.start + span.start,
                end=passage.start + span.end,
                text=text,
                stems=tuple(stems_of(text)),
                previous=previous,
                is_quotable=_is_quotable(text, passage),
            )
            found.append(previous)
    return found


def _is_quotable(text: str, passage: Passage) -> bool:
    """Tell whether a sentence says something by itself: a heading, a rule of dashes or a lone number does not."""
    if HEADING.match(text):
        return False
    plain = " ".join(MARKUP.sub("", text).split())
    if not any(character.isalpha() for character in plain):
        return False
    names = {" ".join(str(name).split()).casefold() for name in (*passage.headings, passage.title)}
    if plain.casefold().rstrip(".:") in names:
        return False
    # A question in a text is answered by what follows it; quoting it would answer a question with itself.
    return not (plain.endswith("?") and len(plain) < 200)


def extent(sentence: Sentence, following: Sequence[Sentence]) -> tuple[int, int]:
    """Return the offsets to quote for a sentence: with the one it leans on, or with the list that it announces."""
    start, end = sentence.start, sentence.end
    before = sentence.previous
    if (
        sentence.leans_back
        and before is not None
        and before.is_quotable
        and end - before.start <= MOST_CHARACTERS
    ) or (
        before is not None and before.text.rstrip().endswith(":") and end - before.start <= MOST_CHARACTERS
    ):
        start = before.start
    if sentence.text.rstrip().endswith(":"):
        for item in following:
            if item.end - start > MOST_CHARACTERS or not MARKUP.match(item.text) or not item.is_quotable:
                break
            end = item.end
    return start, end
