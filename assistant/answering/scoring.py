"""How well each sentence answers a question: a weighted sum of a few features, each in [0, 1] and each explainable.

Weights measured on SQuAD 2.0's questions about 1,216 paragraphs and on questions as they are asked at work (docs/retrieval.md);
flat around these values.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from assistant.answering.expected import Kind, holds, kind_of
from assistant.answering.sentences import Sentence
from ingestion.embedding import TokenVectors
from ingestion.words import stems_of
from retrieval.words import coverage

Embed = Callable[[Sequence[str]], Sequence[TokenVectors]]

WEIGHTS: Mapping[str, float] = {
    "meaning": 1.0,
    "wording": 3.0,
    "around": 1.2,
    "phrases": 0.5,
    "kind": 0.45,
    "steps": 0.6,
    "rank": 1.2,
    "title": 0.25,
    "reader": 1.5,
    "elsewhere": -2.0,
}
"""meaning: cosine of question and sentence. wording: each question word held against its nearest word of the sentence.
around: share of the question's telling words in the sentence, the one before it, and the titles. phrases: pairs of
neighbouring question words that stand together. kind: the sentence holds a date, an amount, a name, as asked. steps: it is a
list of steps, which is asked for, by its passage's rank and what is around. rank: the passage's score in retrieval, relative to the best. title: share of the title's words that the question names. reader: how
surely the sentence states the answer, says the model that read the passage; absent where none did. elsewhere: it sends
the reader to another document."""

TELLING = 1.0
"""From this weight on a word piece is telling: fewer than about a third of the sentences hold it."""

EMBEDDED = 10
"""Sentences that are embedded, the best by their words and by what the reader says: an answer's time goes into this."""

UNREAD = -6.0
"""Log odds of a sentence that the reader was not given: as of one that says little."""
NOT_PROSE = -2.0
"""Log odds of a table's row and of a list of steps, whatever the reader says: it learned from prose alone."""
FLATTENED = 3.0
"""Log odds are divided by this before they become a number in [0, 1], so that the sure differ from the very sure."""


@dataclass(frozen=True)
class Asked:
    """A question made ready to hold sentences against: its stems with their weights, and what it waits for."""

    text: str
    stems: tuple[str, ...]
    pairs: frozenset[tuple[str, str]]
    kind: Kind


@dataclass(frozen=True)
class Scored:
    """A sentence with its score and the features the score is made of."""

    sentence: Sentence
    score: float
    features: Mapping[str, float]


def asked(question: str) -> Asked:
    """Return a question made ready."""
    stems = stems_of(question)
    return Asked(
        question,
        tuple(dict.fromkeys(stems)),
        frozenset(pairwise(stems)),
        kind_of(question),
    )


def score_sentences(
    question: str,
    sentences: Sequence[Sentence],
    titles: Sequence[str],
    ranks: Sequence[float],
    weights: Mapping[str, float],
    unseen: float,
    embed: Embed,
    readings: Mapping[tuple[int, int], float] | None = None,
) -> list[Scored]:
    """Return the sentences that were weighed, best first; equal scores keep their order.

    `titles` and `ranks` hold for each passage its title, with its headings on further lines, and its retrieval score; `weights` are the
    rarities of stems and `unseen` that of a stem without one; `readings` the reader's log odds by a sentence's place, None
    where nothing was read. At most EMBEDDED sentences are weighed.
    """
    ready = asked(question)
    best_rank = max(ranks, default=0.0) or 1.0
    title_stems = [frozenset(stems_of(title)) for title in titles]
    named = [_share(title.partition("\n")[0], ready.stems) for title in titles]
    drafts: list[Scored] = []
    for sentence in sentences:
        if not sentence.is_quotable:
            continue
        features = _by_words(ready, sentence, title_stems[sentence.passage_number], weights, unseen)
        features["rank"] = max(0.0, ranks[sentence.passage_number] / best_rank)
        features["title"] = named[sentence.passage_number]
        if sentence.is_steps:
            features["steps"] = features["rank"] * (1.0 + features["around"]) / 2.0
        if readings is not None:
            odds = readings.get(sentence.place, UNREAD) if sentence.is_prose else NOT_PROSE
            features["reader"] = 1.0 / (1.0 + math.exp(-odds / FLATTENED))
        drafts.append(Scored(sentence, _sum(features), features))
    drafts.sort(key=_best_first)
    drafts = drafts[:EMBEDDED]
    if not drafts:
        return []
    vectors = embed([question, *(draft.sentence.compared_as for draft in drafts)])
    alike = _wording(vectors[0], vectors[1:])
    scored = []
    for draft, vector, (mean, weakest) in zip(drafts, vectors[1:], alike, strict=True):
        meaning = max(0.0, float(vectors[0].whole @ vector.whole))
        features = {**draft.features, "meaning": meaning, "wording": mean, "weakest": weakest}
        if not vector.ids:
            # A model that gives no vectors of words: words that are the same must do.
            features["wording"] = features["weakest"] = draft.features["coverage"]
        scored.append(Scored(draft.sentence, _sum(features), features))
    return sorted(scored, key=_best_first)


def odds_of(scored: Scored) -> float | None:
    """Return the log odds that the reader gave a sentence; None where it stood aside, and for what is no prose."""
    sure = scored.features.get("reader") if scored.sentence.is_prose else None
    return None if sure is None else FLATTENED * math.log(sure / (1.0 - sure))


def _share(title: str, stems: Sequence[str]) -> float:
    own = set(stems_of(title))
    return len(own & set(stems)) / len(own) if own else 0.0


def _sum(features: Mapping[str, float]) -> float:
    return sum(weight * features.get(name, 0.0) for name, weight in WEIGHTS.items())


def _best_first(scored: Scored) -> tuple[float, int, int]:
    return -scored.score, scored.sentence.passage_number, scored.sentence.number


def _by_words(
    ready: Asked,
    sentence: Sentence,
    title: frozenset[str],
    weights: Mapping[str, float],
    unseen: float,
) -> dict[str, float]:
    own = set(sentence.stems)
    before = set() if sentence.previous is None or sentence.is_row else set(sentence.previous.stems)
    around = own | title | before
    pairs = set(pairwise(sentence.stems))
    return {
        "coverage": coverage(ready.stems, own, weights, unseen),
        "around": coverage(ready.stems, around, weights, unseen),
        "phrases": len(ready.pairs & pairs) / len(ready.pairs) if ready.pairs else 0.0,
        "kind": holds(ready.kind, sentence.read_as, ready.text),
        "elsewhere": float(sentence.points_elsewhere),
    }


def _wording(question: TokenVectors, sentences: Sequence[TokenVectors]) -> list[tuple[float, float]]:
    """Return for each sentence how near its words come to the question's: the weighted mean, and the weakest word's.

    The late interaction of ColBERT (Khattab & Zaharia 2020) on the word-piece vectors of the model at hand, each question
    piece weighted by how few of these sentences hold it.
    """
    if not question.ids:
        return [(0.0, 0.0)] * len(sentences)
    counted = Counter(piece for sentence in sentences for piece in set(sentence.ids))
    total = len(sentences)
    rare = np.array(
        [math.log(1 + (total - counted[piece] + 0.5) / (counted[piece] + 0.5)) for piece in question.ids]
    )
    telling = rare >= min(TELLING, float(rare.max()))
    found = []
    for sentence in sentences:
        if not sentence.ids:
            found.append((0.0, 0.0))
            continue
        nearest = (question.pieces @ sentence.pieces.T).max(axis=1)
        mean = float((nearest * rare).sum() / rare.sum())
        found.append((max(0.0, mean), max(0.0, float(nearest[telling].min()))))
    return found
