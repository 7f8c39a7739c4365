"""Questions' vectors, and how much of what several searches find is kept."""

import numpy as np
import pytest
from pytest_django import Settings

from accounts.viewer import EVERYONE
from ingestion.access import Rule
from ingestion.weights import EmbeddingUnavailable
from retrieval import search
from retrieval.orchestrator import retrieve
from retrieval.search import forget_vectors, query_vectors
from tests.assistant.asking import deliver, index_of_its_own
from tests.factories import make_document
from tests.world import make_world

__all__ = ["index_of_its_own"]


def test_vectors_come_in_the_order_of_the_questions_and_are_made_once(settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    forget_vectors()
    first, second, again = query_vectors(["One?", "Two?", "One?"])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_a_model_that_is_missing_is_told(settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "no.such.module:Model"
    with pytest.raises(EmbeddingUnavailable, match="there is no Model"):
        query_vectors(["Anything?"])


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
