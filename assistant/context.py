"""Stage 7: the evidence an answer may use: permitted passages, each once, numbered, within a token budget.

Also keeps how rare each word is among everything that was found for this viewer, so that whoever reads the evidence can
tell a telling word from a common one without asking the rest of the collection.
"""

from collections.abc import Sequence
from itertools import pairwise

from assistant.types import Context, ContextItem, LeftOut
from ingestion.chunking import count_tokens
from retrieval.rank import UNSEEN
from retrieval.types import Ranked
from retrieval.words import rarity, stems_of, words_of

MOST_PASSAGES = 10
BUDGET_TOKENS = 2_400
"""About ten passages of full length: what a small model reads well, and what is scored in a few hundredths of a second."""
SAME = 0.9
"""From this share of common word pairs on, two passages say the same."""


def build_context(ranked: Sequence[Ranked]) -> Context:
    """Return the first passages of a ranking that fit, best first, and why each other one was left out."""
    items: list[ContextItem] = []
    left_out: list[LeftOut] = []
    pairs_of: dict[int, frozenset[tuple[str, str]]] = {}
    tokens = 0
    for entry in ranked:
        passage = entry.passage
        if len(items) >= MOST_PASSAGES:
            left_out.append(LeftOut(passage.chunk, "below the cut"))
            continue
        pairs = _word_pairs(passage.text)
        twin = next((chunk for chunk, known in pairs_of.items() if _alike(pairs, known) >= SAME), None)
        if twin is not None:
            left_out.append(LeftOut(passage.chunk, f"says the same as {twin}"))
            continue
        size = count_tokens(passage.text)
        if items and tokens + size > BUDGET_TOKENS:
            left_out.append(LeftOut(passage.chunk, "over the token budget"))
            continue
        tokens += size
        pairs_of[passage.chunk] = pairs
        items.append(ContextItem(len(items) + 1, entry, size))
    stems = (stems_of(f"{r.passage.title} {' '.join(r.passage.headings)} {r.passage.text}") for r in ranked)
    return Context(tuple(items), tuple(left_out), tokens, rarity(stems), UNSEEN)


def _word_pairs(text: str) -> frozenset[tuple[str, str]]:
    words = words_of(text)
    return frozenset(pairwise(words)) if len(words) > 1 else frozenset({(text, "")})


def _alike(left: frozenset[tuple[str, str]], right: frozenset[tuple[str, str]]) -> float:
    """Return the Jaccard index of two sets."""
    both = len(left | right)
    return len(left & right) / both if both else 1.0
