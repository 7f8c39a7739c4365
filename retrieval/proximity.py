"""How closely a text holds a question's words together: neighbours kept as neighbours, and words within one breath."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from retrieval.words import STOPWORDS, stem, words_of

WINDOW = 20  # words: about one sentence


def placed_stems(text: str) -> list[tuple[int, str]]:
    """Return each content word's stem with its position among all words of the text."""
    return [(place, stem(word)) for place, word in enumerate(words_of(text)) if word not in STOPWORDS]


def neighbours_kept(
    wanted: Sequence[str], placed: Sequence[tuple[int, str]], weights: Mapping[str, float], unseen: float
) -> float:
    """Return the share, by weight, of the question's neighbouring content words that the text holds as neighbours too.

    In [0, 1]; 0 for a question of one content word.
    """
    pairs = set(pairwise(wanted))
    if not pairs:
        return 0.0
    held = set(pairwise([word for _, word in placed]))
    weigh = {pair: weights.get(pair[0], unseen) + weights.get(pair[1], unseen) for pair in pairs}
    return sum(weigh[pair] for pair in pairs & held) / sum(weigh.values())


def within_one_window(
    wanted: Sequence[str], placed: Sequence[tuple[int, str]], weights: Mapping[str, float], unseen: float
) -> float:
    """Return the best share, by weight, of the question's words that stand within WINDOW words of each other."""
    sought = set(wanted)
    whole = sum(weights.get(word, unseen) for word in sought)
    hits = [(place, word) for place, word in placed if word in sought]
    best = 0.0
    for start, (place, _) in enumerate(hits):
        inside: set[str] = set()
        for other, word in hits[start:]:
            if other >= place + WINDOW:
                break
            inside.add(word)
        best = max(best, sum(weights.get(word, unseen) for word in inside))
    return best / whole if whole else 0.0
