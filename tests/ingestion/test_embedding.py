"""Embedding: unit vectors, in order, from the weights we expect."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ingestion.embedding import (
    BUNDLED_SHA256,
    Embedder,
    EmbeddingUnavailable,
    _batches,
    embedder,
    model_folder,
    verify_weights,
)

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
