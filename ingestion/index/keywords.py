"""Words in the index: BM25's weights, the same for every engine."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ingestion.index.terms import Terms
from ingestion.index.types import ASIDE_WEIGHT, IndexQuery
from ingestion.irregular import other_forms
from ingestion.spellings import other_spelling

if TYPE_CHECKING:
    import qdrant_edge

KEYWORD_SATURATION = 1.2
KEYWORD_LENGTH_WEIGHT = 0.75
KEYWORD_AVERAGE_LENGTH = 48.0
"""BM25's k and b as in the textbook, and the mean number of distinct words, without stop words, of a chunk of the
seven collections measured. All of them are flat: no k from 0.4 to 2, b from 0 to 0.75 or length from 48 to 110 moved
the fused mean nDCG@10 by more than 0.003."""

FORM_WEIGHT = 0.5
"""What an irregular form of a word weighs, beside the word as it was asked."""


@lru_cache(maxsize=1)
def keyword_model() -> qdrant_edge.Bm25:
    """Return the BM25 weigher that every index uses, embedded or on a server."""
    import qdrant_edge as edge

    return edge.Bm25(
        edge.Bm25Config(
            k=KEYWORD_SATURATION,
            b=KEYWORD_LENGTH_WEIGHT,
            avg_len=KEYWORD_AVERAGE_LENGTH,
            language="english",
            lowercase=True,
            ascii_folding=True,
        )
    )


def keyword_query(query: IndexQuery) -> qdrant_edge.SparseVector:
    """Return a question's words with their weights; a word of the question is not also one from around it."""
    import qdrant_edge as edge

    words = keyword_model().embed_query(_either_spelling(query.text))
    weights = dict(zip(words.indices, words.values, strict=True))
    for text, weight in ((_forms(query.text), FORM_WEIGHT), (query.aside, ASIDE_WEIGHT)):
        for index in keyword_model().embed_query(_either_spelling(text)).indices if text else ():
            weights.setdefault(index, weight)
    return edge.SparseVector(list(weights), list(weights.values()))


def _either_spelling(text: str) -> str:
    """Return a question with the other spelling of each word that has one."""
    others = (other_spelling(word) for word in _WORD.findall(text.lower()))
    return " ".join((text, *(word for word in others if word)))


def _forms(text: str) -> str:
    """Return the irregular forms of a question's words, none of which it has itself."""
    return " ".join(form for word in _WORD.findall(text.lower()) for form in other_forms(word))


_WORD = re.compile(r"[a-z]{3,}")


def weighing() -> list[float]:
    """Return what words were weighed with; an index that was built with other values is built anew."""
    return [KEYWORD_SATURATION, KEYWORD_LENGTH_WEIGHT, KEYWORD_AVERAGE_LENGTH]


def with_rarity(words: qdrant_edge.SparseVector, terms: Terms) -> qdrant_edge.SparseVector:
    """Return a question's words weighed by how rare each is, so that what the engine multiplies by is undone."""
    import qdrant_edge as edge

    weights = [
        weight * terms.rarity(term) / math.log(2)
        for term, weight in zip(words.indices, words.values, strict=True)
    ]
    return edge.SparseVector(words.indices, weights)
