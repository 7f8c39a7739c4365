"""Questions are embedded while the database is asked, in every process."""

import multiprocessing

import numpy as np
import pytest
from pytest_django import Settings

from ingestion.weights import EmbeddingUnavailable
from retrieval.search import begin_vectors, forget_vectors


def _embed_here() -> None:
    assert len(begin_vectors(["Asked in a forked process"]).result(timeout=20)) == 1


def test_a_forked_process_embeds_questions_with_threads_of_its_own(settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    forget_vectors()
    begin_vectors(["Asked before"]).result(timeout=20)
    process = multiprocessing.get_context("fork").Process(target=_embed_here)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_vectors_come_in_the_order_of_the_questions_and_are_made_once(settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    forget_vectors()
    first, second, again = begin_vectors(["One?", "Two?", "One?"]).result(timeout=20)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_a_model_that_is_missing_is_told_where_the_vectors_are_waited_for(settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "no.such.module:Model"
    with pytest.raises(EmbeddingUnavailable, match="there is no Model"):
        begin_vectors(["Anything?"]).result(timeout=20)
