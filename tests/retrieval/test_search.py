"""Questions are embedded while the database is asked, in every process."""

import multiprocessing

import numpy as np
import pytest
from pytest_django import Settings

from accounts.viewer import EVERYONE
from ingestion.access import Rule
from ingestion.weights import EmbeddingUnavailable
from retrieval import search
from retrieval.orchestrator import retrieve
from retrieval.search import begin_vectors, forget_vectors
from tests.assistant.asking import deliver, index_of_its_own
from tests.factories import make_document
from tests.world import make_world

__all__ = ["index_of_its_own"]


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


def test_several_searches_of_a_question_share_the_room_for_what_is_kept(
    db: None, index_of_its_own: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    for number in range(6):
        text = f"Travel is paid and hotels are approved by rule {number}."
        make_document(world.sources["open"], f"rule {number}", text, Rule.of({EVERYONE}))
    deliver()
    monkeypatch.setattr(search, "KEPT", 3)
    monkeypatch.setattr(search, "POOL", 4)
    monkeypatch.setattr(search, "DOCUMENTS_KEPT", 0)
    viewer = world.viewer("charlie")

    def kept(question: str) -> list[int]:
        found = {step.name: step.value for step in retrieve(question, (), viewer)}
        return [len(one.candidates) for one in found["search"].found]

    assert kept("How is travel paid?") == [3]
    assert kept("How is travel paid, and who approves hotels?") == [2, 2]
