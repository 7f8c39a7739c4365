"""Embedding: unit vectors, in order, from the weights we expect."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from ingestion import passes
from ingestion.cores import has_vnni
from ingestion.embedding import Embedder, embedder
from ingestion.forward import ForwardPass, Vectors, batched, fits
from ingestion.library import LibraryPass
from ingestion.onnx_engine import _apart, in_bytes, with_sign
from ingestion.splitting import Span
from ingestion.weights import BUNDLED_SHA256, EmbeddingUnavailable, model_folder, verify_weights
from tests.fresh import printed_by

TEXTS = [
    "Annual leave is twenty-five days.",
    "The whale is the largest animal.",
    "Employees may take 25 days of holiday a year. " * 12,
    "",
]


def test_importing_the_module_loads_no_engine() -> None:
    code = (
        "import sys, ingestion.embedding; "
        "print({'torch', 'sentence_transformers', 'openvino', 'onnxruntime', 'tokenizers'} & set(sys.modules))"
    )
    assert printed_by(code) == "set()"


RUNS = {"openvino": "openvino.Core", "onnxruntime": "onnxruntime.InferenceSession"}
ENGINES = pytest.mark.parametrize("engine", list(RUNS))


def choose(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have passages embedded from here on run on this engine, whatever this machine's processor is."""
    monkeypatch.setattr("ingestion.forward.has_amx", lambda: engine == "openvino")


def vector_of(text: str, model: Embedder) -> Vectors:
    """Return a passage's vector."""
    vector: Vectors = model.embed_passages([text])[0]
    return vector


@ENGINES
@pytest.mark.slow
def test_embedding_loads_no_torch_and_reports_to_nobody(engine: str) -> None:
    code = (
        "import django; django.setup()\n"
        "import os, sys\n"
        "from ingestion import forward\n"
        f"forward.has_amx = lambda: {engine == 'openvino'}\n"
        "calls = []\n"
        "sys.addaudithook(lambda name, _: calls.append(name) if name in ('socket.connect', 'socket.getaddrinfo') else None)\n"
        "from ingestion.embedding import embedder\n"
        "embedder().embed_passages(['There are thirty days of leave.'])\n"
        "loaded = {name for name, module in sys.modules.items() if module is not None}\n"
        "assert loaded & {'openvino', 'onnxruntime'} == {%r}, loaded\n"
        % engine
        + "assert 'onnxruntime' not in loaded or os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
        "print(calls, loaded & {'torch', 'sentence_transformers', 'openvino_telemetry'})\n"
    )
    assert printed_by(code) == "[] set()"


@pytest.mark.slow
def test_questions_go_through_bytes_whatever_passages_go_through(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = {}
    for engine in RUNS:
        choose(engine, monkeypatch)
        model = Embedder()
        for question, passage, sentence in zip(
            model.embed_queries(TEXTS), model.embed_passages(TEXTS), model.embed_tokens(TEXTS), strict=True
        ):
            assert float(question @ passage) == pytest.approx(1.0, abs=2e-3)
            assert (question == sentence.whole).all()
        ways[engine] = tuple(chosen.held() for chosen in (model._asking, model._storing))
    for engine, (asking, storing) in ways.items():
        assert isinstance(asking, ForwardPass)
        assert isinstance(storing, ForwardPass)
        assert (asking.engine, storing.engine) == ("onnxruntime", engine)


@pytest.mark.slow
def test_reading_the_model_starts_no_thread_and_a_forked_process_goes_on_with_it() -> None:
    code = (
        "import django; django.setup()\n"
        "import os\n"
        "import numpy\n"
        "from ingestion.embedding import embedder\n"
        "from ingestion.passes import PROBE\n"
        "threads = len(os.listdir('/proc/self/task'))\n"
        "here = embedder().embed_query(PROBE)\n"
        "assert len(os.listdir('/proc/self/task')) == threads\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if numpy.array_equal(embedder().embed_query(PROBE), here) else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert printed_by(code) == "0"


@pytest.mark.slow
def test_in_bytes_a_text_has_the_same_vector_whatever_is_embedded_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose("onnxruntime", monkeypatch)
    model = Embedder()
    assert (model.embed_passages(TEXTS * 20) == np.tile(model.embed_passages(TEXTS), (20, 1))).all()
    for text, vector in zip(TEXTS, model.embed_passages(TEXTS), strict=True):
        assert (model.embed_query(text) == vector).all()


def test_bytes_lie_within_half_a_step_of_what_they_stand_for() -> None:
    rows = np.array([[0.5, -0.25, 0.125], [0.0, 0.0, 0.0], [3.0, 2.0, 1.0], [-4.0, -1.0, -0.5]], np.float32)
    kept, step, zero = in_bytes(rows)
    back = step[:, None] * (kept.astype(np.float32) - zero[:, None])
    # Nought itself has a byte, which may move the others by half a step more.
    assert (np.abs(back - rows) <= step[:, None] * 1.01).all()
    assert (back[1] == 0.0).all()


def test_of_a_product_with_few_channels_all_are_kept_apart_and_of_even_ones_none() -> None:
    assert len(_apart(np.arange(8, dtype=np.float32))) == 8
    assert len(_apart(np.ones(64, dtype=np.float32))) == 0
    assert _apart(np.array([1.0] * 63 + [9.0], dtype=np.float32))[-1] == 63


def test_bytes_with_a_sign_lie_as_far_from_their_nought_as_those_without() -> None:
    every = np.arange(256, dtype=np.uint8)
    signed = with_sign(every)
    assert signed.dtype == np.int8
    assert (signed.astype(int) - int(with_sign(every[37:38])[0]) == every.astype(int) - 37).all()


@pytest.mark.slow
@pytest.mark.skipif(not has_vnni(), reason="Bytes with a sign are for processors with VNNI.")
def test_weights_with_a_sign_give_the_vectors_of_those_without(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("onnxruntime", monkeypatch)
    signed = Embedder().embed_passages(TEXTS)
    monkeypatch.setattr("ingestion.onnx_engine.has_vnni", lambda: False)
    # The same whole numbers are added up; only what is in float32 beside them may be rounded in another order.
    assert (signed * Embedder().embed_passages(TEXTS)).sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_there_is_one_embedder_per_model_and_process() -> None:
    assert embedder() is embedder()
    assert embedder("somewhere/else") is not embedder()


@pytest.mark.slow
def test_vectors_have_length_one_and_keep_the_order_of_their_texts() -> None:
    vectors = embedder().embed_passages(TEXTS)
    assert vectors.shape == (4, embedder().dimensions) == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        # A question's products are rounded to bytes, a passage's may be to bfloat16.
        assert float(embedder().embed_query(text) @ vector) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.slow
def test_meaning_is_nearer_than_chance() -> None:
    vectors = embedder().embed_passages(TEXTS)
    question = embedder().embed_query("How much holiday do I get?")
    assert question.shape == (384,)
    assert float(question @ vectors[0]) > float(question @ vectors[1]) + 0.2


@pytest.mark.slow
def test_nothing_to_embed_gives_no_rows() -> None:
    assert embedder().embed_passages([]).shape == (0, 384)


@pytest.mark.slow
def test_the_bundled_weights_are_the_published_ones() -> None:
    verify_weights(model_folder() / "model.safetensors", BUNDLED_SHA256)


def test_altered_weights_are_refused_with_both_digests(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"altered")
    with pytest.raises(EmbeddingUnavailable, match=BUNDLED_SHA256):
        verify_weights(file, BUNDLED_SHA256)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingUnavailable, match="cannot be read"):
        verify_weights(tmp_path / "model.safetensors", BUNDLED_SHA256)


def test_a_model_that_is_not_there_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingUnavailable, match="not downloaded"):
        Embedder(tmp_path / "missing").embed_query("Anything?")


def test_batches_hold_every_row_once_and_stay_within_the_budget() -> None:
    lengths = [5, 200, 3, 90, 90, 7, 256, 1]
    batches = list(batched(lengths, 300))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(len(rows) * max(lengths[row] for row in rows) <= 300 for rows in batches)


def held(model: Embedder, passed: ForwardPass | LibraryPass) -> Embedder:
    """Return an embedder that goes this way and no other."""
    for chosen in (model._asking, model._storing):
        chosen._read = chosen._held = passed
    return model


@ENGINES
@pytest.mark.slow
def test_the_quick_way_gives_what_the_library_gives(engine: str) -> None:
    # A byte keeps less of a number than bfloat16 does.
    whole, piece = {"openvino": (1e-3, 5e-3), "onnxruntime": (2e-3, 1e-2)}[engine]
    model = held(Embedder(), ForwardPass(model_folder(), engine))
    plain = held(Embedder(), LibraryPass(model_folder()))
    long = "Whoever travels keeps the receipts for a year. " * 60
    for texts in (
        ["Leave?"],
        TEXTS,
        [f"The {n}. sentence of some." * (1 + n % 9) for n in range(60)],
        [long],
    ):
        for ours, theirs in zip(model.embed_tokens(texts), plain.embed_tokens(texts), strict=True):
            assert ours.ids == theirs.ids
            assert float(ours.whole @ theirs.whole) == pytest.approx(1.0, abs=whole)
            assert (ours.pieces * theirs.pieces).sum(axis=1) == pytest.approx(
                np.ones(len(ours.ids)), abs=piece
            )
        spans = [[Span(0, len(text) // 2), Span(len(text) // 2, len(text))] for text in texts]
        for one, other in zip(
            model.embed_sentences(texts, spans), plain.embed_sentences(texts, spans), strict=True
        ):
            assert one.sentences.shape == other.sentences.shape
            assert (one.sentences * other.sentences).sum(axis=1) == pytest.approx(
                np.linalg.norm(other.sentences, axis=1), abs=piece
            )


@pytest.mark.slow
def test_the_kept_vector_of_the_probe_is_the_library_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.library.has_native_bf16", lambda: False)
    plain = held(Embedder(), LibraryPass(model_folder()))
    kept = np.load(passes.PROBED).astype(np.float32)
    assert float(plain.embed_query(passes.PROBE) @ kept) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.slow
def test_a_quick_way_that_gives_other_vectors_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    choose("openvino", monkeypatch)  # which rounds to what the library rounds to, where bytes are coarser
    expected = vector_of("Leave?", Embedder())
    other = np.zeros(384, dtype=np.float16)
    other[0] = 1.0
    np.save(tmp_path / "other.npy", other)
    monkeypatch.setattr(passes, "PROBED", tmp_path / "other.npy")
    model = Embedder()
    with caplog.at_level(logging.ERROR):
        vector = vector_of("Leave?", model)
    assert isinstance(model._storing.held(), LibraryPass)
    assert "storing and answering are slower" in caplog.text
    assert float(vector @ expected) == pytest.approx(1.0, abs=1e-3)


def refuses(*_: object, **__: object) -> None:
    raise RuntimeError("no code for this processor")


@ENGINES
@pytest.mark.slow
def test_where_one_engine_does_not_run_the_other_does(
    engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    choose(engine, monkeypatch)
    vector_of("Leave?", Embedder())  # which imports the engine
    monkeypatch.setattr(RUNS[engine], refuses)
    model = Embedder()
    with caplog.at_level(logging.WARNING):
        vector = vector_of("Leave?", model)
    way = model._storing.held()
    assert isinstance(way, ForwardPass)
    assert {way.engine, engine} == set(RUNS)
    assert f"does not run on {engine} here: " in caplog.text
    assert "no code for this processor" in caplog.text
    assert "slower" not in caplog.text
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_where_no_engine_runs_the_library_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for engine, runs in RUNS.items():
        choose(engine, monkeypatch)
        vector_of("Leave?", Embedder())
        monkeypatch.setattr(runs, refuses)
    model = Embedder()
    with caplog.at_level(logging.WARNING):
        vector = vector_of("Leave?", model)
    assert isinstance(model._storing.held(), LibraryPass)
    assert "no code for this processor" in caplog.text
    assert "storing and answering are slower" in caplog.text
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


@pytest.fixture(scope="module")
def folder_of_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(model_folder(), tmp_path_factory.mktemp("models") / "own"))


@pytest.mark.slow
def test_a_folder_with_a_model_of_the_same_kind_goes_the_quick_way_once_it_was_compared(
    folder_of_own: Path,
) -> None:
    model = Embedder(folder_of_own)
    assert float(model.embed_query("Leave?") @ embedder().embed_query("Leave?")) == pytest.approx(
        1.0, abs=1e-4
    )
    assert isinstance(model._storing.held(), ForwardPass)


@pytest.mark.slow
def test_a_model_of_another_kind_goes_the_way_of_the_library(
    folder_of_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("openvino", monkeypatch)  # two ways, one for questions and one for passages
    assert fits(folder_of_own)
    pooling = folder_of_own / "1_Pooling" / "config.json"
    settings = json.loads(pooling.read_text())
    try:
        pooling.write_text(
            json.dumps({**settings, "pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True})
        )
        assert not fits(folder_of_own)
        model = Embedder(folder_of_own)
        vectors = model.embed_queries(["Leave?", "Leave of absence"])
        assert isinstance(model._storing.held(), LibraryPass)
        assert model._storing.held() is model._asking.held()  # its weights are in memory once
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-5)
        assert float(vectors[0] @ embedder().embed_query("Leave?")) < 0.999
    finally:
        pooling.write_text(json.dumps(settings))
