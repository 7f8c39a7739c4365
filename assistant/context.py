"""Stage 7: the evidence an answer may use: permitted passages, each thing once, numbered, within a token budget.

Every search of the plan keeps its share, so that the second half of a question is not crowded out by the first. What
stands beside the best passages is read with them. Whoever reads from top to bottom meets the best evidence first and
the second best last: what stands in the middle of a long context is read least (Liu et al. 2023, "Lost in the middle").

Also keeps how rare each word is among everything that was found for this viewer, so that whoever reads the evidence can
tell a telling word from a common one without asking the rest of the collection.
"""

from collections.abc import Sequence
from itertools import pairwise
from types import MappingProxyType

from accounts.viewer import Viewer
from assistant.types import Context, ContextItem, LeftOut
from ingestion.tokens import count_tokens
from ingestion.words import stems_of, words_of
from retrieval.gate import neighbours
from retrieval.rank import UNSEEN
from retrieval.synonyms import Synonyms
from retrieval.types import Ranked
from retrieval.words import rarity

MOST_PASSAGES = 10
BUDGET_TOKENS = 2_400
"""About ten passages of full length: what a small model reads well, and what is scored in a few hundredths of a second."""
WITH_NEIGHBOURS = 2
"""Passages, from the best on, that are read with what stands before and after them in their document."""
BESIDE = 0.6
"""Of a passage's score, what its neighbour counts for: it was not found, it stands beside what was."""
SAME = 0.9
"""From this share of common word pairs on, two passages say the same."""


def build_context(
    ranked: Sequence[Ranked], viewer: Viewer, synonyms: Synonyms = MappingProxyType({})
) -> Context:
    """Return the passages of a ranking that fit, with what stands beside the best, and why each other was left out."""
    chosen: list[tuple[Ranked, int]] = []
    left_out: list[LeftOut] = []
    pairs_of: dict[int, frozenset[tuple[str, str]]] = {}
    tokens = 0
    for entry in _shares_first(ranked):
        passage = entry.passage
        if len(chosen) >= MOST_PASSAGES:
            left_out.append(LeftOut(passage.chunk, "below the cut"))
            continue
        pairs = _word_pairs(passage.text)
        twin = next((chunk for chunk, known in pairs_of.items() if _alike(pairs, known) >= SAME), None)
        if twin is not None:
            left_out.append(LeftOut(passage.chunk, f"says the same as {twin}"))
            continue
        size = count_tokens(passage.text)
        if chosen and tokens + size > BUDGET_TOKENS:
            left_out.append(LeftOut(passage.chunk, "over the token budget"))
            continue
        tokens += size
        pairs_of[passage.chunk] = pairs
        chosen.append((entry, size))
    chosen.sort(key=lambda pair: (-pair[0].score, pair[0].passage.chunk))
    for entry in _beside([entry for entry, _ in chosen[:WITH_NEIGHBOURS]], viewer):
        size = count_tokens(entry.passage.text)
        is_new = entry.passage.chunk not in pairs_of
        if is_new and len(chosen) < MOST_PASSAGES + WITH_NEIGHBOURS and tokens + size <= BUDGET_TOKENS:
            tokens += size
            pairs_of[entry.passage.chunk] = frozenset()
            chosen.append((entry, size))
    items = tuple(
        ContextItem(number, entry, size) for number, (entry, size) in enumerate(_as_read(chosen), start=1)
    )
    stems = (stems_of(entry.passage.with_titles) for entry in ranked)
    taken = {item.passage.chunk for item in items}
    return Context(
        items,
        tuple(left for left in left_out if left.chunk not in taken),
        tokens,
        rarity(stems),
        UNSEEN,
        synonyms,
    )


def _shares_first(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the ranking with the best passages of every search in front: each gets its part of half the places."""
    numbers = sorted({number for entry in ranked for number in entry.sub_queries})
    if len(numbers) < 2:
        return list(ranked)
    each = max(1, MOST_PASSAGES // (2 * len(numbers)))
    kept: dict[int, Ranked] = {}
    for number in numbers:
        own = [entry for entry in ranked if number in entry.sub_queries]
        kept |= {entry.passage.chunk: entry for entry in own[:each]}
    first = [entry for entry in ranked if entry.passage.chunk in kept]
    return first + [entry for entry in ranked if entry.passage.chunk not in kept]


def _beside(best: Sequence[Ranked], viewer: Viewer) -> list[Ranked]:
    """Return what stands before and after the best passages in their documents, decided afresh for the viewer."""
    found = []
    for place, entry in enumerate(best, start=1):
        for passage in neighbours(entry.passage, viewer):
            via = f"stands beside passage {place}"
            found.append(Ranked(passage, BESIDE * entry.score, entry.sub_queries, None, {}, via))
    return found


def _as_read(chosen: Sequence[tuple[Ranked, int]]) -> list[tuple[Ranked, int]]:
    """Return passages in the order in which they are read: neighbours joined, the best first, the second best last."""
    runs: dict[tuple[int, int], list[tuple[Ranked, int]]] = {}
    for pair in sorted(chosen, key=lambda pair: (pair[0].passage.version, pair[0].passage.ordinal)):
        passage = pair[0].passage
        before = runs.pop((passage.version, passage.ordinal - 1), [])
        runs[passage.version, passage.ordinal] = [*before, pair]
    best_first = sorted(
        runs.values(), key=lambda run: min((-entry.score, entry.passage.chunk) for entry, _ in run)
    )
    outside_in = [*best_first[::2], *reversed(best_first[1::2])]
    return [pair for run in outside_in for pair in run]


def _word_pairs(text: str) -> frozenset[tuple[str, str]]:
    words = words_of(text)
    return frozenset(pairwise(words)) if len(words) > 1 else frozenset({(text, "")})


def _alike(left: frozenset[tuple[str, str]], right: frozenset[tuple[str, str]]) -> float:
    """Return the Jaccard index of two sets."""
    both = len(left | right)
    return len(left & right) / both if both else 1.0
