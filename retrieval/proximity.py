"""How closely a text holds a question's words together: neighbours kept as neighbours, and words within one breath."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from retrieval.words import STOPWORDS, stem, words_of

WINDOW = 20  # words: about one sentence


class Placed(NamedTuple):
    """A question's word in a text: its place among all words, its place among the content words, its stem."""

    place: int
    content_place: int
    stem: str


def placed_stems(
    text: str, wanted: Collection[str], met: dict[str, str | None] | None = None
) -> list[Placed]:
    """Return the content words of a text whose stems are among the wanted ones, in order.

    `met` keeps what each word was found to be, from one text to the next of the same question: its stem where that is
    wanted, empty where it is not, None for a stop word.
    """
    met = {} if met is None else met
    # Stemming cuts endings, never the first letter, so most words need not be stemmed to be told apart.
    initials = {word[:1] for word in wanted}
    placed, content_place = [], 0
    for place, word in enumerate(words_of(text)):
        try:
            found = met[word]
        except KeyError:
            found = None
            if word not in STOPWORDS:
                found = own if word[0] in initials and (own := stem(word)) in wanted else ""
            met[word] = found
        if found is None:
            continue
        if found:
            placed.append(Placed(place, content_place, found))
        content_place += 1
    return placed


def neighbours_kept(
    wanted: Sequence[str], placed: Sequence[Placed], weights: Mapping[str, float], unseen: float
) -> float:
    """Return the share, by weight, of the question's neighbouring content words that the text holds as neighbours too.

    In [0, 1]; 0 for a question of one content word.
    """
    pairs = set(pairwise(wanted))
    if not pairs:
        return 0.0
    held = {
        (left.stem, right.stem)
        for left, right in pairwise(placed)
        if right.content_place == left.content_place + 1
    }
    weigh = {pair: weights.get(pair[0], unseen) + weights.get(pair[1], unseen) for pair in pairs}
    return sum(weigh[pair] for pair in pairs & held) / sum(weigh.values())


def within_one_window(
    wanted: Sequence[str], placed: Sequence[Placed], weights: Mapping[str, float], unseen: float
) -> float:
    """Return the best share, by weight, of the question's words that stand within WINDOW words of each other."""
    sought = set(wanted)
    whole = sum(weights.get(word, unseen) for word in sought)
    hits = [(place, word) for place, _, word in placed if word in sought]
    best = 0.0
    for start, (place, _) in enumerate(hits):
        inside: set[str] = set()
        for other, word in hits[start:]:
            if other >= place + WINDOW:
                break
            inside.add(word)
        best = max(best, sum(weights.get(word, unseen) for word in inside))
    return best / whole if whole else 0.0
