"""Which forward pass a model goes through here: the quickest engine that gives what the library gives, else the library."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ingestion.forward import ForwardPass, Pieces, Use, Vectors, fits
from ingestion.weights import BUNDLED_MODEL, EmbeddingUnavailable, model_folder

if TYPE_CHECKING:
    from ingestion.library import LibraryPass

log = logging.getLogger(__name__)

PROBE = "How many days of leave are there?"
PROBED = Path(__file__).with_name("probe.npy")
"""The packaged model's vector of PROBE as sentence-transformers makes it in float32; shape (384,), float16."""

ALIKE = 0.999
"""Least cosine between the quick pass and the library's for the probe; bfloat16 rounds differently in another order."""


class Pass(Protocol):
    """A model's forward pass over texts."""

    dimensions: int

    def each(self, texts: Sequence[str], use: Use) -> None:
        """Hand every text's pieces to `use`, in no particular order and from several threads."""


class ChosenPass:
    """A model for one kind of work. Safe to share between threads; nothing is loaded before it is needed."""

    def __init__(self, model: str | Path, engines: Sequence[str]) -> None:
        """Name the bundled model, or a folder with a sentence-transformers model, and the engines, the best first."""
        self._model = model
        self._engines = engines
        self._lock = threading.Lock()
        self._read: Pass | None = None
        self._held: Pass | None = None

    def read(self) -> Pass:
        """Return the model as it was read, which starts no thread: processes may be forked from here on.

        Raises EmbeddingUnavailable when it is missing, altered or cannot be loaded.
        """
        if self._read is None:
            with self._lock:
                if self._read is None:
                    self._read = self._first(model_folder(self._model))
        return self._read

    def held(self) -> Pass:
        """Return the model in the way it is used: held against the library's vectors, and the library's if they differ."""
        if self._held is None:
            made = self.read()
            with self._lock:
                if self._held is None:
                    self._held = self._checked(made)
        return self._held

    def _first(self, folder: Path) -> Pass:
        if not fits(folder):
            return _library(folder)
        try:
            way = next(_quick_ways(folder, self._engines), None)
        except (OSError, ValueError, KeyError) as error:
            raise EmbeddingUnavailable(
                f"The embedding model in {folder} cannot be loaded: {error}"
            ) from error
        if way is not None:
            return way
        _tell_of_slowness(folder)
        return _library(folder)

    def _checked(self, made: Pass) -> Pass:
        if not isinstance(made, ForwardPass):
            return made
        folder = model_folder(self._model)
        library = None if str(self._model) == BUNDLED_MODEL else _library(folder)
        expected = wholes(library, [PROBE])[0] if library else np.load(PROBED).astype(np.float32)
        slower = self._engines[self._engines.index(made.engine) + 1 :]
        for way in chain([made], _quick_ways(folder, slower)):
            try:
                alike = float(wholes(way, [PROBE])[0] @ expected)
                if alike >= ALIKE:
                    return way
                problem = f"other vectors than the library (cosine {alike:.3f})"
            except RuntimeError as error:
                problem = str(error)
            log.warning("The embedding model %s does not run on %s here: %s.", folder, way.engine, problem)
        _tell_of_slowness(folder)
        return library or _library(folder)


def wholes(passed: Pass, texts: Sequence[str]) -> Vectors:
    """Return one L2-normalised row per text, shape (n, dimensions)."""
    out: Vectors = np.zeros((len(texts), passed.dimensions), dtype=np.float32)

    def use(row: int, pieces: Pieces) -> None:
        out[row] = normalised(pieces.whole)

    passed.each(texts, use)
    return out


def normalised(rows: Vectors) -> Vectors:
    """Return rows, or one vector, with length 1."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


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


_libraries: weakref.WeakValueDictionary[Path, LibraryPass] = weakref.WeakValueDictionary()
_libraries_lock = threading.Lock()


def _library(folder: Path) -> Pass:
    """Return the library's way, the one that is in use already where there is one: its weights are large."""
    from ingestion.library import LibraryPass

    with _libraries_lock:
        held = _libraries.get(folder)
        if held is None:
            held = _libraries[folder] = LibraryPass(folder)
        return held
