"""BERT on OpenVINO: for passages, where the processor multiplies tiles of bfloat16.

The same arithmetic on the same weights as sentence-transformers does with torch, without loading either: half as many
passages again in the same time as in bytes (docs/decisions/0013 and 0021). The graph is written down here, so nothing is
converted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingestion.cores import cores, has_native_bf16
from ingestion.forward import Vectors

if TYPE_CHECKING:
    import openvino
    from openvino import Node

WIDTH, SHORT, SHORT_WIDTH = 16, 64, 8
"""Texts are padded to a multiple of so many tokens, up to SHORT ones, as questions are, to one of SHORT_WIDTH: the engine keeps
code for each length it has met, 1.5 MB apiece."""

HIDDEN = -10_000.0
"""Added to what attention makes of padding, which leaves nothing of it."""


class OpenVinoEngine:
    """Computes word vectors of several texts at a time. Safe to share between threads. No thread is started before the first."""

    batch_tokens = 640
    """More gains nothing and delays the question that waits behind it."""

    def __init__(self, held: Mapping[str, Vectors], config: Mapping[str, object]) -> None:
        """Take BERT's weights by name. Raises KeyError for missing ones."""
        self._graph = _graph(held, config)
        self._compiled: openvino.CompiledModel | None = None
        self._compiling = threading.Lock()
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()

    def word_vectors(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """Return the vectors of every text's word pieces, shape (texts, pieces of the longest or more, dimensions).

        Raises RuntimeError where the engine does not run.
        """
        longest = max(len(own) for own in rows)
        step = WIDTH if longest > SHORT else SHORT_WIDTH
        width = -(-longest // step) * step
        ids = np.zeros((len(rows), width), dtype=np.int32)
        mask = np.full((len(rows), 1, 1, width), HIDDEN, dtype=np.float32)
        for place, own in enumerate(rows):
            ids[place, : len(own)] = own
            mask[place, :, :, : len(own)] = 0.0
        return self._inferred(ids, mask)

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


def _engine() -> ModuleType:
    """Return the engine's module.

    It comes with a package that reports its use to its makers. That package is kept from being loaded, whatever a
    machine's settings are; without it the engine reports nothing.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    return import_module("openvino")


def _graph(held: Mapping[str, Vectors], config: Mapping[str, object]) -> openvino.Model:
    """Write BERT down as the engine's graph: from ids (n, tokens) and a mask (n, 1, 1, tokens) to (n, tokens, dimensions)."""
    engine = _engine()
    from openvino import opset13 as op

    heads, size = int(str(config["num_attention_heads"])), int(str(config["hidden_size"]))
    epsilon = float(str(config["layer_norm_eps"]))

    def constant(name: str) -> Node:
        return op.constant(np.ascontiguousarray(held[name]))

    def linear(x: Node, name: str) -> Node:
        return op.add(op.matmul(x, constant(f"{name}.weight"), False, True), constant(f"{name}.bias"))

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
