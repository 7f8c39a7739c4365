"""BERT on ONNX Runtime with products of bytes: for questions, and for passages where no tiles of bfloat16 are multiplied.

Weights are kept and multiplied in a byte each, what goes into a product is brought to bytes while it runs. A few channels
are many times as large as the rest, always the same ones; they are multiplied in float32 beside it, since the steps of a
byte would otherwise be theirs and too coarse for all the others. Least cosine with float32 over 200 questions: .9990 so,
.985 without (docs/decisions/0017). Where the processor multiplies bytes with a sign by bytes without (VNNI), the weights
have one: the same numbers in two thirds of the time (docs/decisions/0018). Every text is a pass of its own, so its vector depends on no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ingestion.cores import has_vnni
from ingestion.forward import Vectors

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

Channels = npt.NDArray[np.int64]
Bytes = tuple[npt.NDArray[np.uint8], Vectors, npt.NDArray[np.uint8]]
"""Rows in bytes, each row's step, and the byte that stands for nought: value = step × (byte − zero)."""

APART = 16
"""Channels of a product that are kept in float32. 8: least cosine .9983, 32: .9989 and a tenth more time."""

FAR = 2.0
"""How many times as large as the next channel the largest must be for channels to be kept apart. With 17 of the packaged model's
24 products so the least cosine is what it is with all, in a twentieth less time; 4.0 (10 products): .9962."""

HANDED_OVER = 4_096
"""Bytes from which on a constant is handed to the engine as it is, not written into the graph and read out of it."""

TRIED = (
    "How many days of annual leave are there in the first year, and who approves them?",
    "The committee met on 14 March 2019 (see section 4.2) and approved a budget of €1,250,000.",
    "def total(rows): return sum(row.price * 1.19 for row in rows if row.price > 0)",
    "| Plan | Deductible | Copay |\n| Standard | $2,000 | 20 % |\n| Plus | $500 | 10 % |",
    "Please find attached the minutes; let me know by Friday if anything is missing. Best regards, Anna",
    "Mitochondrial membrane potential was reduced in cells lacking p53 compared with controls (p < 0.01).",
    "born in Vienna, she became the first woman to win the prize twice; her brother wrote the libretto",
    "What is the capital of the country where the inventor of the telephone was born?",
    "WARNING: do not open the cabinet while the indicator is red!",
    "no",
    "https://intranet.example/wiki/Onboarding#first-week",
    "Die Reisekosten werden innerhalb von dreißig Tagen erstattet.",
)
"""Texts of several kinds, by which it is seen which channels are large."""


class OnnxEngine:
    """Computes word vectors of one text at a time. Safe to share between threads, and with processes forked from this one."""

    batch_tokens = 1

    def __init__(
        self, held: Mapping[str, Vectors], config: Mapping[str, object], tokenizer: Tokenizer
    ) -> None:
        """Take BERT's weights by name. Raises RuntimeError where the engine cannot be used, KeyError for missing weights."""
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(TRIED))]
        words = in_bytes(held["embeddings.word_embeddings.weight"])
        apart = _largest(_Graph(held, config, words, None), rows)
        self._session = _session(_Graph(held, config, words, apart))

    def word_vectors(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """Return the vectors of one text's word pieces, shape (1, pieces, dimensions); `rows` holds the ids of one text."""
        (ids,) = rows
        return np.asarray(_run(self._session, ids)[0], dtype=np.float32)


def _largest(graph: _Graph, rows: Sequence[Sequence[int]]) -> dict[str, Channels]:
    """Return for each product the channels that become largest over these texts."""
    session = _session(graph)
    seen: dict[str, Vectors] = {}
    for ids in rows:
        for name, values in zip(graph.watched, _run(session, ids)[1:], strict=True):
            seen[name] = np.maximum(seen.get(name, values), values)
    return {name: _apart(values) for name, values in seen.items()}


def _apart(values: Vectors) -> Channels:
    """Return which channels of a product stand out among these; none where the largest is hardly larger than the rest."""
    order = np.argsort(-values)
    rest = values[order[APART:]].max(initial=0.0)
    return np.sort(order[:APART] if values.max() > FAR * rest else order[:0])


def _run(session: onnxruntime.InferenceSession, ids: Sequence[int]) -> list[Vectors]:
    with _failures():
        return list(session.run(None, {"ids": np.array([ids], dtype=np.int64)}))


def _session(graph: _Graph) -> onnxruntime.InferenceSession:
    # Releases from 1.29 on report their use to their makers unless they are told not to before they are loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    with _failures():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # The thread that asks is the one that computes: none is started, and none lost by a fork.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_external_initializers(
            list(graph.handed_over),
            [onnxruntime.OrtValue.ortvalue_from_numpy(v) for v in graph.handed_over.values()],
        )
        return onnxruntime.InferenceSession(graph.written(), options, providers=["CPUExecutionProvider"])


@contextmanager
def _failures() -> Iterator[None]:
    """Turn the engine's errors into RuntimeError; they have no class of their own in common."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(f"ONNX Runtime: {error}") from error


class _Graph:
    """BERT as ONNX: from `ids` (1, pieces) to word vectors (1, pieces, dimensions).

    `words` are the vectors of word pieces in bytes. `apart` names for each product the channels to keep in float32. Without it there are none, and further outputs, in the
    order of `watched`, tell of each product how large every channel of what goes into it became.
    """

    def __init__(
        self,
        held: Mapping[str, Vectors],
        config: Mapping[str, Any],
        words: Bytes,
        apart: Mapping[str, Channels] | None,
    ) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._tensor = helper, numpy_helper.from_array
        self._held, self._apart = held, apart
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.handed_over: dict[str, npt.NDArray[Any]] = {}
        self.watched: list[str] = []
        self._outputs: list[str] = []
        self._epsilon = float(config["layer_norm_eps"])
        self._heads, self._size = int(config["num_attention_heads"]), int(config["hidden_size"])
        x = self._embedded(*words)
        for number in range(int(config["num_hidden_layers"])):
            x = self._layer(x, f"encoder.layer.{number}")
        self._outputs.insert(0, x)

    def written(self) -> bytes:
        """Return the graph as ONNX writes it."""
        from onnx import TensorProto

        made = self._helper
        taken = [made.make_tensor_value_info("ids", TensorProto.INT64, [1, "pieces"])]
        given = [made.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self._outputs]
        graph = made.make_graph(self._nodes, "bert", taken, given, self._constants)
        versions = [made.make_opsetid("", 20), made.make_opsetid("com.microsoft", 1)]
        written: bytes = made.make_model(graph, opset_imports=versions, ir_version=10).SerializeToString()
        return written

    def _embedded(self, kept: npt.NDArray[np.uint8], step: Vectors, zero: npt.NDArray[np.uint8]) -> str:
        words, zeros, steps = (
            self._node("Gather", self._constant(of), "ids") for of in (kept, zero[:, None], step[:, None])
        )
        words = self._node("Sub", self._node("Cast", words, to=1), self._node("Cast", zeros, to=1))
        words = self._node("Mul", words, steps)
        # Every text is of the first type.
        places = (
            self._held["embeddings.position_embeddings.weight"]
            + self._held["embeddings.token_type_embeddings.weight"][0]
        )
        first, last = self._constant(np.array([0])), self._node("Shape", "ids", start=1, end=2)
        places_name = self._node("Slice", self._constant(places), first, last, first)
        return self._norm(self._node("Add", words, places_name), None, "embeddings.LayerNorm")

    def _layer(self, x: str, layer: str) -> str:
        asked = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        query, key, value = self._nodes_of(
            "Split", [self._linear(x, asked)], 3, {"axis": 2, "num_outputs": 3}
        )
        seen = self._node(
            "MultiHeadAttention", query, key, value, domain="com.microsoft", num_heads=self._heads
        )
        x = self._norm(
            x, self._linear(seen, [f"{layer}.attention.output.dense"]), f"{layer}.attention.output.LayerNorm"
        )
        wide = self._node("Gelu", self._linear(x, [f"{layer}.intermediate.dense"]), domain="com.microsoft")
        return self._norm(x, self._linear(wide, [f"{layer}.output.dense"]), f"{layer}.output.LayerNorm")

    def _linear(self, x: str, names: Sequence[str]) -> str:
        """Return x with each of these weights, side by side."""
        weights = np.concatenate([self._held[f"{name}.weight"] for name in names])
        bias = self._constant(np.concatenate([self._held[f"{name}.bias"] for name in names]))
        if self._apart is None:
            self.watched.append(names[0])
            large = self._node(
                "ReduceMax", self._node("Abs", x), self._constant(np.array([0, 1])), keepdims=0
            )
            self._outputs.append(large)
            return self._product(x, weights, bias)
        apart = self._apart[names[0]]
        if not len(apart):
            return self._product(x, weights, bias)
        rest = np.ones(weights.shape[1], dtype=np.float32)
        rest[apart] = 0.0
        most = self._product(self._node("Mul", x, self._constant(rest)), weights * rest, bias)
        few = self._node("Gather", x, self._constant(apart), axis=2)
        return self._node("Add", most, self._node("MatMul", few, self._constant(weights[:, apart].T)))

    def _product(self, x: str, weights: Vectors, bias: str) -> str:
        kept, step, zero = in_bytes(weights)
        multiplied = (with_sign(kept), with_sign(zero)) if has_vnni() else (kept, zero)
        scale = self._constant(multiplied[0].T), self._constant(step), self._constant(multiplied[1])
        return self._node("DynamicQuantizeMatMul", x, *scale, bias, domain="com.microsoft")

    def _norm(self, x: str, more: str | None, name: str) -> str:
        scale = self._constant(self._held[f"{name}.weight"]), self._constant(self._held[f"{name}.bias"])
        if more is None:
            return self._node("LayerNormalization", x, *scale, axis=-1, epsilon=self._epsilon)
        return self._node(
            "SkipLayerNormalization", x, more, *scale, domain="com.microsoft", epsilon=self._epsilon
        )

    def _constant(self, values: npt.NDArray[Any]) -> str:
        name = f"constant{len(self._constants)}"
        values = np.ascontiguousarray(values)
        if values.nbytes < HANDED_OVER:
            self._constants.append(self._tensor(values, name))
            return name
        self.handed_over[name] = values
        elsewhere = self._tensor(np.zeros(0, dtype=values.dtype), name)
        elsewhere.dims[:] = values.shape
        elsewhere.ClearField("raw_data")
        elsewhere.data_location = elsewhere.EXTERNAL
        for key, value in (("location", "memory"), ("offset", "0"), ("length", str(values.nbytes))):
            elsewhere.external_data.add(key=key, value=value)
        self._constants.append(elsewhere)
        return name

    def _node(self, kind: str, *taken: str, **settings: Any) -> str:
        """Add a node and return the name of what it gives."""
        return self._nodes_of(kind, taken, 1, settings)[0]

    def _nodes_of(
        self, kind: str, taken: Sequence[str], outputs: int, settings: Mapping[str, Any]
    ) -> list[str]:
        names = [f"{kind}{len(self._nodes)}.{number}" for number in range(outputs)]
        self._nodes.append(self._helper.make_node(kind, list(taken), names, **settings))
        return names


def in_bytes(rows: Vectors) -> Bytes:
    """Return rows in bytes, each between its own lowest and highest value and nought."""
    lowest, highest = rows.min(axis=1, initial=0.0), rows.max(axis=1, initial=0.0)
    step = np.maximum((highest - lowest) / 255, 1e-12).astype(np.float32)
    zero = np.rint(-lowest / step).clip(0, 255)
    kept = np.rint(rows / step[:, None] + zero[:, None]).clip(0, 255)
    return kept.astype(np.uint8), step, zero.astype(np.uint8)


def with_sign(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Return bytes less 128, as VNNI takes a product's second factor. Without VNNI the engine's sums of these overflow."""
    return (values ^ 0x80).view(np.int8)
