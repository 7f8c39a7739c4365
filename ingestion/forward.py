"""The packaged model's forward pass on OpenVINO: BERT's word vectors, from the weights as they lie in the model's folder.

The same arithmetic on the same weights as sentence-transformers does with torch, without loading either. Measured side
by side on two Xeon cores with bfloat16: a question of 16 words 10.2 ms there and 2.0 ms here; with AVX2 and float32 18.6
and 7.4 ms, and 27 and 37 chunks a second (docs/decisions/0013). The graph is written down here, so nothing is converted.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion.cores import cores, has_native_bf16

if TYPE_CHECKING:
    import openvino
    from openvino import Node
    from tokenizers import Encoding, Tokenizer

Vectors = npt.NDArray[np.float32]

WIDTH, SHORT, SHORT_WIDTH = 16, 64, 8
"""Texts are padded to a multiple of so many tokens, up to SHORT ones, as questions are, to one of SHORT_WIDTH: the engine keeps
code for each length it has met, 1.5 MB apiece."""

BATCH_TOKENS = 640
"""Tokens in one pass of one core; more gains nothing and delays the question that waits behind it."""

FEW_TOKENS = 1_024
"""Up to here one core does it all: several questions are asked at a time, and dividing one costs more than it gains."""

SHARED, FEWEST_SHARED = 128, 32
"""Neighbouring weights between whose lowest and highest a byte lies. Least cosine with float32 over questions and short texts
.9995; .9985 with whole rows."""

HIDDEN = -10_000.0
"""Added to what attention makes of padding, which leaves nothing of it."""


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


class ForwardPass:
    """BERT with mean pooling. Safe to share between threads. No thread is started before the first text."""

    def __init__(self, folder: Path) -> None:
        """Read the weights in a sentence-transformers folder that `fits`. Raises OSError, ValueError or KeyError."""
        config = json.loads((folder / "config.json").read_text())
        self.dimensions = int(config["hidden_size"])
        self._graph = _graph(folder / "model.safetensors", config)
        self._tokenizer = _tokenizer(folder)
        self._compiled: openvino.CompiledModel | None = None
        self._compiling = threading.Lock()
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()

    def each(self, texts: Sequence[str], use: Use) -> None:
        """Hand every text's pieces to `use`, in no particular order, a batch to each core where there are many."""
        if not texts:
            return
        encoded = self._tokenizer.encode_batch(list(texts))
        lengths = [len(encoding.ids) for encoding in encoded]

        def one(rows: Sequence[int]) -> None:
            self._batch(encoded, rows, use)

        batches = list(batched(lengths, BATCH_TOKENS))
        if len(batches) == 1 or sum(lengths) <= FEW_TOKENS or cores() == 1:
            for rows in batches:
                one(rows)
            return
        with ThreadPoolExecutor(cores(), thread_name_prefix="embed") as pool:
            for done in [pool.submit(one, rows) for rows in batches]:
                done.result()

    def _batch(self, encoded: Sequence[Encoding], rows: Sequence[int], use: Use) -> None:
        longest = max(len(encoded[row].ids) for row in rows)
        step = WIDTH if longest > SHORT else SHORT_WIDTH
        width = -(-longest // step) * step
        ids = np.zeros((len(rows), width), dtype=np.int32)
        mask = np.full((len(rows), 1, 1, width), HIDDEN, dtype=np.float32)
        for place, row in enumerate(rows):
            own = encoded[row].ids
            ids[place, : len(own)] = own
            mask[place, :, :, : len(own)] = 0.0
        out = self._inferred(ids, mask)
        for place, row in enumerate(rows):
            encoding = encoded[row]
            vectors = out[place, : len(encoding.ids)]
            marks = encoding.special_tokens_mask
            starts = [-1 if mark else start for mark, (start, _) in zip(marks, encoding.offsets, strict=True)]
            use(row, Pieces(encoding.ids, starts, vectors, vectors.mean(axis=0)))

    def _inferred(self, ids: npt.NDArray[np.int32], mask: Vectors) -> Vectors:
        compiled = self._compile()
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = compiled.create_infer_request()
        try:
            request.infer({0: ids, 1: mask})
            # The engine writes the next result to the same place.
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._idle.put(request)

    def _compile(self) -> openvino.CompiledModel:
        if self._compiled is None:
            with self._compiling:
                if self._compiled is None:
                    self._compiled = (
                        _engine()
                        .Core()
                        .compile_model(
                            self._graph,
                            "CPU",
                            {
                                # A core to each batch: cores that share one wait for each other after every product.
                                "NUM_STREAMS": str(cores()),
                                "INFERENCE_NUM_THREADS": str(cores()),
                                # Several processes would all hold on to the same core.
                                "ENABLE_CPU_PINNING": False,
                                "INFERENCE_PRECISION_HINT": "bf16" if has_native_bf16() else "f32",
                            },
                        )
                    )
        return self._compiled


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


def _engine() -> ModuleType:
    """Return the engine's module.

    It comes with a package that reports its use to its makers. That package is kept from being loaded, whatever a
    machine's settings are; without it the engine reports nothing.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    return import_module("openvino")


def _tokenizer(folder: Path) -> Tokenizer:
    # The tokenizer's own thread pool gains nothing on these batches and complains after every fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    settings = json.loads((folder / "sentence_bert_config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(int(settings["max_seq_length"]))
    tokenizer.no_padding()
    return tokenizer


def _graph(weights: Path, config: dict[str, object]) -> openvino.Model:
    """Write BERT down as the engine's graph: from ids (n, tokens) and a mask (n, 1, 1, tokens) to (n, tokens, dimensions)."""
    engine = _engine()
    from openvino import opset13 as op
    from safetensors.numpy import load_file

    held = {name.removeprefix("bert."): value for name, value in load_file(weights).items()}
    heads, size = int(str(config["num_attention_heads"])), int(str(config["hidden_size"]))
    epsilon = float(str(config["layer_norm_eps"]))

    def constant(name: str) -> Node:
        return op.constant(np.ascontiguousarray(held[name], dtype=np.float32))

    def in_bytes(name: str) -> Node:
        """A matrix of which every number is kept in a byte, between the lowest and the highest of some hundred in its row.

        A question is a few products with all of them, and each time they come out of memory: a fifth less time.
        """
        whole = np.asarray(held[name], dtype=np.float32)
        shared = math.gcd(whole.shape[1], SHARED)
        rows = whole.reshape(whole.shape[0], -1, shared if shared >= FEWEST_SHARED else whole.shape[1])
        lowest = rows.min(axis=2, keepdims=True, initial=0.0)
        highest = rows.max(axis=2, keepdims=True, initial=0.0)
        step = np.maximum((highest - lowest) / 255, 1e-12).astype(np.float32)
        zero = np.rint(-lowest / step).clip(0, 255)
        kept = np.rint(rows / step + zero).clip(0, 255)

        def as_floats(values: Vectors) -> Node:
            return op.convert(op.constant(values.astype(np.uint8)), np.float32)

        back = op.multiply(op.subtract(as_floats(kept), as_floats(zero)), op.constant(step))
        return op.reshape(back, op.constant(np.array(whole.shape)), False)

    # In bfloat16 they take half as much already, and the processor's own products want them so.
    matrix = constant if has_native_bf16() else in_bytes

    def linear(x: Node, name: str) -> Node:
        return op.add(op.matmul(x, matrix(f"{name}.weight"), False, True), constant(f"{name}.bias"))

    def norm(x: Node, name: str) -> Node:
        scaled = op.mvn(x, op.constant([-1]), True, epsilon, "inside_sqrt")
        return op.add(op.multiply(scaled, constant(f"{name}.weight")), constant(f"{name}.bias"))

    def split(x: Node) -> Node:
        rows = op.reshape(x, op.constant([0, 0, heads, size // heads]), True)
        return op.transpose(rows, op.constant([0, 2, 1, 3]))

    def joined(x: Node) -> Node:
        return op.reshape(op.transpose(x, op.constant([0, 2, 1, 3])), op.constant([0, 0, size]), True)

    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, 1, 1, -1], np.float32, name="mask")
    tokens = op.gather(op.shape_of(ids), op.constant([1]), op.constant(0))
    # Every text is of the first type.
    places = (
        held["embeddings.position_embeddings.weight"] + held["embeddings.token_type_embeddings.weight"][0]
    )
    places = op.slice(op.constant(places), op.constant([0]), tokens, op.constant([1]), op.constant([0]))
    words = op.gather(constant("embeddings.word_embeddings.weight"), ids, op.constant(0))
    x = norm(op.add(words, op.unsqueeze(places, op.constant(0))), "embeddings.LayerNorm")
    for number in range(int(str(config["num_hidden_layers"]))):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            split(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        seen = joined(op.scaled_dot_product_attention(query, key, value, mask))
        x = norm(
            op.add(x, linear(seen, f"{layer}.attention.output.dense")), f"{layer}.attention.output.LayerNorm"
        )
        said = linear(op.gelu(linear(x, f"{layer}.intermediate.dense"), "erf"), f"{layer}.output.dense")
        x = norm(op.add(x, said), f"{layer}.output.LayerNorm")
    return engine.Model([x], [ids, mask])
