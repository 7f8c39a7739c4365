"""The packaged model's forward pass: BERT's word vectors, from the weights as they lie in the model's folder.

Without sentence-transformers and torch, which take several times as long for a few words. Questions are read by ONNX Runtime
with weights in bytes; passages, too, but by OpenVINO where the processor multiplies tiles of bfloat16, AMX
(docs/decisions/0013, 0017, 0018 and 0021).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ingestion.cores import cores, has_amx

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]

FEW_TOKENS = 1_024
"""Up to here one core does it all: several questions are asked at a time, and dividing one costs more than it gains."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A text's word pieces: ids, where in the text each begins (-1 for the model's own marks), and one vector for each.

    `vectors` has shape (pieces, dimensions) and is not normalised; `whole`, shape (dimensions,), stands for the text.
    """

    ids: Sequence[int]
    starts: Sequence[int]
    vectors: Vectors
    whole: Vectors


Use = Callable[[int, Pieces], None]
"""Takes the place of a text among those given, and what the model made of it; called from several threads."""


class Engine(Protocol):
    """What multiplies. Safe to share between threads."""

    batch_tokens: int
    """Tokens, padding included, that one core is given at a time; 1 where every text is to be by itself."""

    def word_vectors(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """Return the vectors of every text's word pieces by their ids, shape (texts, pieces of the longest or more, dimensions).

        Raises RuntimeError where the engine does not run.
        """


def engines_for_one() -> tuple[str, ...]:
    """Return the names of the engines, the quickest for a text by itself first."""
    return "onnxruntime", "openvino"


def engines_for_many() -> tuple[str, ...]:
    """Return the names of the engines, the quickest on this machine's processor for many passages first."""
    return ("openvino", "onnxruntime") if has_amx() else ("onnxruntime", "openvino")


class ForwardPass:
    """BERT with mean pooling. Safe to share between threads. No thread is started before the first text."""

    def __init__(self, folder: Path, engine: str) -> None:
        """Read the weights in a sentence-transformers folder that `fits`, for one of the `engines`.

        Raises OSError, ValueError or KeyError for what is in the folder, RuntimeError where the engine does not run.
        """
        self.engine = engine
        config = config_of(folder)
        self.dimensions = int(config["hidden_size"])
        self._tokenizer = tokenizer_of(folder)
        self._engine = engine_over(weights_in(folder), config, self._tokenizer, engine)

    def each(self, texts: Sequence[str], use: Use) -> None:
        """Hand every text's pieces to `use`, in no particular order, a batch to each core where there are many."""
        if not texts:
            return
        encoded = self._tokenizer.encode_batch(list(texts))

        def one(row: int, vectors: Vectors) -> None:
            encoding = encoded[row]
            marks = encoding.special_tokens_mask
            starts = [-1 if mark else start for mark, (start, _) in zip(marks, encoding.offsets, strict=True)]
            use(row, Pieces(encoding.ids, starts, vectors, vectors.mean(axis=0)))

        in_batches(self._engine, [encoding.ids for encoding in encoded], one)


def in_batches(engine: Engine, rows: Sequence[Sequence[int]], use: Callable[[int, Vectors], None]) -> None:
    """Hand `use` each row's place and vectors, shape (pieces, dimensions), a batch to each core where there are many."""
    lengths = [len(row) for row in rows]

    def one(places: Sequence[int]) -> None:
        out = engine.word_vectors([rows[place] for place in places])
        for vectors, place in zip(out, places, strict=True):
            use(place, vectors[: lengths[place]])

    batches = list(batched(lengths, engine.batch_tokens))
    if len(batches) == 1 or sum(lengths) <= FEW_TOKENS or cores() == 1:
        for places in batches:
            one(places)
        return
    with ThreadPoolExecutor(cores(), thread_name_prefix="embed") as pool:
        for done in [pool.submit(one, places) for places in batches]:
            done.result()


def engine_over(
    held: Mapping[str, Vectors], config: Mapping[str, object], tokenizer: Tokenizer, name: str
) -> Engine:
    """Return an engine, by its name, over BERT's weights; `config` says how they are put together.

    Raises ValueError or KeyError for what is in them, RuntimeError where the engine does not run.
    """
    if name == "openvino":
        from ingestion.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(held, config)
    from ingestion.onnx_engine import OnnxEngine

    return OnnxEngine(held, config, tokenizer)


def weights_in(folder: Path) -> dict[str, Vectors]:
    """Return the weights in a folder by BERT's own names, in float32. Raises OSError or ValueError for what is there."""
    from safetensors.numpy import load_file

    return {
        name.removeprefix("bert."): np.asarray(values, dtype=np.float32)
        for name, values in load_file(folder / "model.safetensors").items()
    }


def config_of(folder: Path) -> dict[str, Any]:  # Any: JSON
    """Return how a folder's model is put together."""
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())  # Any: as above
    return found


def fits(folder: Path) -> bool:
    """Tell whether a sentence-transformers folder holds what is computed here: BERT, gelu, the mean over all pieces."""
    try:
        modules = [
            row["type"].rpartition(".")[2] for row in json.loads((folder / "modules.json").read_text())
        ]
        config = json.loads((folder / "config.json").read_text())
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
        limits = json.loads((folder / "sentence_bert_config.json").read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return (
        modules in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and 0 < int(limits.get("max_seq_length") or 0) <= int(config.get("max_position_embeddings", 0))
        and not limits.get("do_lower_case")
        and {name for name, value in pooling.items() if name.startswith("pooling_mode") and value is True}
        == {"pooling_mode_mean_tokens"}
        and all((folder / name).exists() for name in ("model.safetensors", "tokenizer.json"))
    )


def batched(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield row numbers, longest first, so that each batch padded to its longest row stays within the budget."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    position = 0
    while position < len(order):
        size = max(1, budget // max(1, lengths[order[position]]))
        yield order[position : position + size]
        position += size


def tokenizer_of(folder: Path) -> Tokenizer:
    """Return a folder's tokenizer, which cuts a text off where the model stops reading."""
    # The tokenizer's own thread pool gains nothing on these batches and complains after every fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    settings = json.loads((folder / "sentence_bert_config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(int(settings["max_seq_length"]))
    tokenizer.no_padding()
    return tokenizer
