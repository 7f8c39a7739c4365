"""How many of a viewer's own chunks hold each term, kept from one search to the next.

The engine counts them anew for every search, which at 11,700 chunks takes 2.5 of the 6.9 ms of a search, and at 100,000, over a sample,
as much. Counting all terms once takes 0.1 s for as many, so it is done for what is asked again and again.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingestion.index.types import IndexFilter

FROM_SEARCHES = 4
"""Searches over the same chunks before their terms are counted: one question makes one to three."""

MOST_KEPT = 100
"""Viewers' counts kept, of those last asked; 0.3 MB each for 11,700 chunks."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """In how many of `chunks` chunks each term occurs: the terms in order, shape (n,), and how often each, shape (n,)."""

    chunks: int
    terms: npt.NDArray[np.uint32]
    held: npt.NDArray[np.int64]

    @classmethod
    def of(cls, chunks: Iterable[Sequence[int]]) -> Terms:
        """Count the terms of chunks, each given as its different terms."""
        every, number = array("I"), 0
        for terms in chunks:
            every.extend(terms)
            number += 1
        found, held = np.unique(np.array(every, dtype=np.uint32), return_counts=True)
        return cls(number, found, held)

    def rarity(self, term: int) -> float:
        """Return the inverse document frequency as the engine has it: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        place = int(self.terms.searchsorted(np.uint32(term)))
        is_held = place < len(self.terms) and self.terms[place] == term
        number = int(self.held[place]) if is_held else 0
        return math.log(1.0 + (self.chunks - number + 0.5) / (number + 0.5))


class TermsKept:
    """What was counted, by the filter it was counted under. Good until the next write. Safe to share between threads."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._searches: OrderedDict[IndexFilter, int] = OrderedDict()
        self._counted: OrderedDict[IndexFilter, Terms] = OrderedDict()
        self._writes = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Count everything anew: something was written."""
        with self._lock:
            self._writes += 1
            self._searches.clear()
            self._counted.clear()

    def under(self, corpus: IndexFilter, count: Callable[[], Terms]) -> Terms | None:
        """Return what is counted under a filter, or None as long as too few have asked; `count` does the counting."""
        with self._lock:
            known = self._counted.get(corpus)
            if known is not None:
                self._counted.move_to_end(corpus)
                return known
            searches = self._searches.pop(corpus, 0) + 1
            self._searches[corpus] = searches
            while len(self._searches) > MOST_KEPT:
                self._searches.popitem(last=False)
            if searches < FROM_SEARCHES:
                return None
            writes = self._writes
        counted = count()
        with self._lock:
            # What was counted while something was written may be of before and after.
            if writes == self._writes:
                self._searches.pop(corpus, None)
                self._counted[corpus] = counted
                while len(self._counted) > MOST_KEPT:
                    self._counted.popitem(last=False)
        return counted
