"""The cross-encoder: a tiny real one, built here, loaded and asked by sentence-transformers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from retrieval.cross_encoder import CrossEncoderReranker
from retrieval.reranking import RerankingFailed, reorder
from retrieval.types import Ranked
from tests.retrieval.test_reranking import plain

pytestmark = pytest.mark.slow

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "x", "budget", "travel", "soup", "leeds")


def save_model(folder: Path, *, labels: int = 1, bare: bool = False) -> Path:
    """Save a BERT with random weights: two layers of 32, ten words."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    model = BertModel(config) if bare else BertForSequenceClassification(config)
    model.save_pretrained(folder)
    BertTokenizerFast(vocab={word: number for number, word in enumerate(WORDS)}).save_pretrained(folder)
    return folder


def passages(*texts: str) -> tuple[Ranked, ...]:
    from dataclasses import replace

    return tuple(
        replace(item, passage=replace(item.passage, text=text))
        for item, text in zip(plain(len(texts)), texts, strict=True)
    )


@pytest.fixture
def tiny(tmp_path: Path, settings: Settings) -> Path:
    settings.RERANK_MODEL = str(save_model(tmp_path / "cross-encoder"))
    return tmp_path


def test_each_passage_gets_the_models_own_score(tiny: Path, settings: Settings) -> None:
    from sentence_transformers import CrossEncoder

    texts = ("soup leeds", "travel budget", "x")
    scores = CrossEncoderReranker().scores("budget", passages(*texts))
    own = CrossEncoder(settings.RERANK_MODEL, local_files_only=True).predict(
        [("budget", text) for text in texts], show_progress_bar=False
    )
    assert scores == pytest.approx([float(score) for score in own])
    assert len(set(scores)) == 3
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_the_title_and_the_headings_are_read_with_the_text(tiny: Path) -> None:
    from dataclasses import replace

    (item,) = passages("x")
    titled = replace(item, passage=replace(item.passage, title="Leeds", headings=("Travel",)))
    reranker = CrossEncoderReranker()
    assert reranker.scores("budget", [titled]) != reranker.scores("budget", [item])


def test_a_text_beyond_the_models_length_is_cut(tiny: Path) -> None:
    assert len(CrossEncoderReranker().scores("budget", passages("soup " * 500, "x"))) == 2


def test_the_opinion_is_the_same_from_several_threads(tiny: Path) -> None:
    texts = tuple("soup " * n + "leeds" for n in range(12))
    reranker = CrossEncoderReranker()
    alone = reorder("travel budget", passages(*texts), reranker)
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda _: reorder("travel budget", passages(*texts), CrossEncoderReranker()), range(8))
        )
    assert all(found == alone for found in together)


def test_the_model_is_loaded_once(tiny: Path, settings: Settings) -> None:
    import shutil

    ranked = passages("soup")
    first = CrossEncoderReranker().scores("budget", ranked)
    shutil.rmtree(settings.RERANK_MODEL)
    assert CrossEncoderReranker().scores("budget", ranked) == first


def test_a_model_that_is_not_here_is_named_and_not_fetched(settings: Settings) -> None:
    settings.RERANK_MODEL = "somebody/some-cross-encoder"
    with pytest.raises(RerankingFailed, match="somebody/some-cross-encoder is not on this machine"):
        CrossEncoderReranker().scores("budget", passages("soup"))


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(RerankingFailed, match="cannot be loaded"):
        CrossEncoderReranker(str(tmp_path)).scores("budget", passages("soup"))


@pytest.mark.parametrize("shape", [{"labels": 3}, {"bare": True}])
def test_a_model_that_scores_no_pairs_is_refused(tmp_path: Path, shape: dict[str, int]) -> None:
    folder = save_model(tmp_path / "other", **shape)  # type: ignore[arg-type]
    with pytest.raises(RerankingFailed, match="cannot rerank"):
        CrossEncoderReranker(str(folder)).scores("budget", passages("soup"))


def test_without_a_model_configured_it_says_which_setting_to_set(settings: Settings) -> None:
    settings.RERANK_MODEL = ""
    with pytest.raises(RerankingFailed, match="FOOTNOTE_RERANK_MODEL"):
        CrossEncoderReranker().scores("budget", passages("soup"))
