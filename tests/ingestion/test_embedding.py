"""Embedding: unit vectors, in order, from the weights we expect."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestion.embedding import Embedder, _batches, embedder
from ingestion.short_pass import ShortPass
from ingestion.weights import BUNDLED_SHA256, EmbeddingUnavailable, model_folder, verify_weights

TEXTS = [
    "Annual leave is twenty-five days.",
    "The whale is the largest animal.",
    "Employees may take 25 days of holiday a year. " * 12,
    "",
]


def test_importing_the_module_loads_no_torch() -> None:
    code = "import sys, ingestion.embedding; print('torch' in sys.modules, 'sentence_transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


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
        # Alone and in a batch the products are rounded differently; bfloat16 keeps three digits of each.
        assert float(embedder().embed_query(text) @ vector) == pytest.approx(1.0, abs=1e-3)


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
    batches = list(_batches(lengths, 300))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(len(rows) * max(lengths[row] for row in rows) <= 300 for rows in batches)


@pytest.mark.slow
def test_the_short_way_for_few_words_gives_what_the_library_gives() -> None:
    model = embedder()
    assert isinstance(model, Embedder)
    loaded = model._load()
    assert loaded.short is not None  # the packaged model has it
    plain = Embedder()
    plain._loaded = replace(loaded, short=None)
    for texts in (["Leave?"], TEXTS, [f"The {n}. sentence of some." * (1 + n % 3) for n in range(20)]):
        for ours, theirs in zip(model.embed_tokens(texts), plain.embed_tokens(texts), strict=True):
            assert ours.ids == theirs.ids
            assert float(ours.whole @ theirs.whole) == pytest.approx(1.0, abs=1e-3)
            assert (ours.pieces * theirs.pieces).sum(axis=1) == pytest.approx(
                np.ones(len(ours.ids)), abs=5e-3
            )
    shorter = [text for text in TEXTS if len(text) < 100]
    products = (model.embed_queries(shorter) * plain.embed_queries(shorter)).sum(axis=1)
    assert products == pytest.approx(np.ones(len(shorter)), abs=1e-3)


@pytest.mark.slow
def test_a_model_of_another_kind_goes_the_way_of_the_library() -> None:
    loaded = Embedder()._load()
    pooling = loaded.model[1]
    kept = pooling.pooling_mode
    try:
        pooling.pooling_mode = "cls"
        assert ShortPass.of(loaded.model) is None
    finally:
        pooling.pooling_mode = kept
    assert ShortPass.of(loaded.model) is not None
