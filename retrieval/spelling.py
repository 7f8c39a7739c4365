"""Misspelled words of a question, read as the words that what was found has in their place.

"Is hearin care coverd?" finds the right neighbourhood by the rest of its words; there stand "hearing" and "covered". A
word counts as misspelled when the embedding model does not know it as a whole word and no passage found holds it. Only
passages that the asker may read lend their words.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache

from ingestion.tokens import word_pieces
from ingestion.words import STOPWORDS, stem, words_of
from retrieval.types import Passage, Plan

WORD = re.compile(r"(?<![\w-])[^\W\d_]{5,}(?![\w-])")
"""What may be misspelled: five letters or more. What holds a number or a hyphen says what it says."""

LONG = 8
"""From so many letters on two may be wrong, below only one. A letter too many, too few, another, or two that changed places."""


def respelled(question: str, passages: Iterable[Passage], seen: Container[str] = ()) -> Mapping[str, str]:
    """Return the question's misspelled words, in lower case, each with the passages' word nearest to it.

    Of several as near the one that most passages hold, then the first in the alphabet. Words begin with the same letter:
    few people get the first one wrong, and many words differ by it alone. `seen` are stems known to stand in a passage.
    """
    asked = [match.group() for match in WORD.finditer(question)]
    # Capitals inside a word make it a name of somebody's own making.
    plain = {word.lower() for word in asked if word[1:].islower() or word.isupper()}
    doubtful = {word for word in plain if stem(word) not in seen and not is_known(word)}
    if not doubtful:
        return {}
    held: Counter[str] = Counter()
    for passage in passages:
        held.update(set(words_of(passage.with_titles)))
    stems = set(map(stem, held))
    found = {}
    for word in sorted(doubtful):
        if word not in held and stem(word) not in stems and (near := _nearest(word, held)):
            found[word] = near
    return found


def respelled_plan(plan: Plan, words: Mapping[str, str]) -> Plan:
    """Return a plan that asks the same with these words written the other way."""
    return plan.in_words_of(
        lambda text: spelled(text, words), ((near, typed) for typed, near in words.items())
    )


def spelled(text: str, words: Mapping[str, str]) -> str:
    """Return a text with these words written the other way, capitals kept."""

    def other(match: re.Match[str]) -> str:
        word = match.group()
        near = words.get(word.lower(), word)
        return near.upper() if word.isupper() else near.capitalize() if word[0].isupper() else near

    return WORD.sub(other, text) if words else text


@lru_cache(maxsize=10_000)
def is_known(word: str) -> bool:
    """Tell whether a word in lower case is one that the embedding model has as a whole, or a stop word."""
    return word in STOPWORDS or any(len(word_pieces(form)[0]) == 1 for form in (word, stem(word)))


def _nearest(word: str, held: Mapping[str, int]) -> str | None:
    from rapidfuzz.distance import OSA

    most = 2 if len(word) >= LONG else 1
    near = [
        (distance, -count, other)
        for other, count in held.items()
        if other[0] == word[0]
        and abs(len(other) - len(word)) <= most
        and WORD.fullmatch(other)
        and other not in STOPWORDS
        and (distance := OSA.distance(word, other, score_cutoff=most)) <= most
    ]
    return min(near)[2] if near else None
