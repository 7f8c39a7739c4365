"""Stand-ins for what is slow or elsewhere. None of them stands in for code of ours that a test is about."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from ingestion.embedding import PassageVectors
from ingestion.forward import Vectors
from ingestion.splitting import Span
from ingestion.weights import EmbeddingUnavailable


class HashingEmbedder:
    """Embeds by hashing words: equal words give equal vectors, in microseconds. FOOTNOTE_EMBEDDING_MODEL may name it."""

    dimensions = 64

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one normalised row per text."""
        rows: Vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 1e-3  # a text without words has a direction as well
            for word in re.findall(r"\w+", text.lower()):
                row[hashlib.sha256(word.encode()).digest()[0] % self.dimensions] += 1
            row /= np.linalg.norm(row)
        return rows

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question."""
        vector: Vectors = self.embed_passages([text])[0]
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one row per question."""
        return self.embed_passages(texts)


class OtherHashingEmbedder(HashingEmbedder):
    """Another model: the same kind of vectors, pointing elsewhere."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one normalised row per text."""
        return super().embed_passages([f"{text} {text[::-1]}" for text in texts])


class SentenceEmbedder(HashingEmbedder):
    """Gives the vectors of sentences as well: each by its own words."""

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[PassageVectors]:
        """Return one entry per text."""
        return [
            PassageVectors(
                self.embed_query(text), self.embed_passages([text[span.start : span.end] for span in inside])
            )
            for text, inside in zip(texts, spans, strict=True)
        ]


class FailingEmbedder(HashingEmbedder):
    """Fails for whatever speaks of a breakdown, as a model that is gone in the middle of a sync does."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one normalised row per text."""
        if any("breakdown" in text for text in texts):
            raise EmbeddingUnavailable("The model broke down.")
        return super().embed_passages(texts)


class CountingEmbedder(HashingEmbedder):
    """Counts how many texts it was given; for tests of what is not embedded again."""

    count = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one normalised row per text."""
        type(self).count += len(texts)
        return super().embed_passages(texts)
