"""The vectors of a passage's sentences: made in the pass that embeds the passage, kept in one byte a number.

A passage's own vector is the mean over everything it says, so what one sentence answers is thinned by the others. A
sentence's vector here is the mean over its own word pieces as the model saw them, the rest of the passage around them.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ingestion.embedding import PassageVectors
from ingestion.forward import Vectors
from ingestion.splitting import Span, split_sentences

LARGEST = 127
"""Of a sentence's numbers the one furthest from zero is kept as this; a cosine moves by less than 0.01."""


@runtime_checkable
class EmbedsSentences(Protocol):
    """An embedder that also gives the vectors of a passage's sentences; one behind a web service has none to give."""

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[PassageVectors]:
        """Return one entry per text, in the order given; spans are offsets into the text beside them."""


def spans_at_the_end_of(whole: str, text: str) -> list[Span]:
    """Return where the sentences of a passage stand in the text it is embedded under, which ends with it."""
    before = len(whole) - len(text)
    return [Span(before + span.start, before + span.end) for span in split_sentences(text)]


def packed(vectors: Vectors) -> bytes:
    """Return rows, shape (n, dimensions), as bytes: one signed one for each number."""
    if not vectors.size:
        return b""
    furthest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    rows: npt.NDArray[np.int8] = np.rint(vectors * (LARGEST / furthest)).astype(np.int8)
    return rows.tobytes()


def cosines(kept: Sequence[bytes], question: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Return for each passage's packed sentences their cosines with a question's unit vector, in their order.

    None of them where there are none, or they were made by a model with vectors of another length.
    """
    width = len(question)
    counts = [len(rows) // width if len(rows) % width == 0 else 0 for rows in kept]
    joined = b"".join(rows for rows, count in zip(kept, counts, strict=True) if count)
    rows = np.frombuffer(joined, dtype=np.int8).reshape(-1, width).astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    found = rows @ question / np.maximum(lengths, 1e-12)
    return np.split(found, np.cumsum(counts)[:-1]) if counts else []


def best_cosines(kept: Sequence[bytes], question: npt.NDArray[np.float32]) -> list[float | None]:
    """Return for each passage the cosine of its sentence nearest to a question's unit vector; None where none is known."""
    return [float(own.max()) if len(own) else None for own in cosines(kept, question)]
