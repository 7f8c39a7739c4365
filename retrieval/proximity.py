"""How closely a text holds a question's words together: neighbours kept as neighbours, and words within one breath."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ingestion.words import NO_CONTENT, Codes, code_of

WINDOW = 20  # words: about one sentence


class Placed(NamedTuple):
    """A question's word in a text: its place among all words, its stem, and whether none but stop words part it from the one before."""

    place: int
    stem: str
    follows: bool


def placed_in(texts: Sequence[Codes], stems: Set[str]) -> list[list[Placed]]:
    """Return for each text, given as its words' numbers, those words whose stems are among a question's, in order."""
    placed: list[list[Placed]] = [[] for _ in texts]
    stem_of = {code_of(stem): stem for stem in stems}
    if not texts or not stem_of:
        return placed
    words = np.concatenate(texts)
    codes = np.array(list(stem_of), dtype=np.uint32)
    # A question has few stems: compared one by one they take less than np.isin needs to begin.
    found = np.flatnonzero((words == codes[:, None]).any(axis=0))
    ends = np.cumsum([len(text) for text in texts])
    of = np.searchsorted(ends, found, side="right")
    begins = ends - [len(text) for text in texts]
    # A word follows the one found before it in the same text when it is the next that carries content.
    content = np.cumsum(words != NO_CONTENT)[found]
    follows = np.zeros(len(found), dtype=bool)
    follows[1:] = (np.diff(content) == 1) & (np.diff(of) == 0)
    rows = zip(
        of.tolist(), (found - begins[of]).tolist(), words[found].tolist(), follows.tolist(), strict=True
    )
    for text, place, code, is_next in rows:
        placed[text].append(Placed(place, stem_of[code], is_next))
    return placed


@dataclass(frozen=True, slots=True)
class Proximity:
    """A question's words and neighbouring words, each with its weight."""

    words: Mapping[str, float]
    pairs: Mapping[tuple[str, str], float]
    all_words: float
    all_pairs: float

    @classmethod
    def of(cls, stems: Sequence[str], weights: Mapping[str, float], unseen: float) -> "Proximity":
        """Take a question's stems in order, and how much each weighs; `unseen` is the weight of any other."""
        words = {word: weights.get(word, unseen) for word in stems}
        pairs = {(left, right): words[left] + words[right] for left, right in pairwise(stems)}
        return cls(words, pairs, sum(words.values()), sum(pairs.values()))

    def neighbours_kept(self, placed: Sequence[Placed]) -> float:
        """Return the share, by weight, of the question's neighbouring content words that are neighbours here too.

        In [0, 1]; 0 for a question of one content word.
        """
        if not self.all_pairs:
            return 0.0
        held = dict.fromkeys((left.stem, right.stem) for left, right in pairwise(placed) if right.follows)
        return sum(self.pairs.get(pair, 0.0) for pair in held) / self.all_pairs

    def within_one_window(self, placed: Sequence[Placed]) -> float:
        """Return the best share, by weight, of the question's words that stand within WINDOW words of each other."""
        if not self.all_words:
            return 0.0
        best = 0.0
        for start, first in enumerate(placed):
            end, inside, weight = first.place + WINDOW, set(), 0.0
            for other in placed[start:]:
                if other.place >= end:
                    break
                if other.stem not in inside:
                    inside.add(other.stem)
                    weight += self.words[other.stem]
            best = max(best, weight)
        return best / self.all_words
