"""Enough evidence: what a question turns on is looked for once more when nothing found holds it."""

import pytest

from accounts.viewer import EVERYONE
from ingestion.access import Rule, intern_policy
from retrieval import search
from retrieval.options import Options
from retrieval.orchestrator import retrieve
from retrieval.types import Step
from tests.assistant.asking import deliver, index_of_its_own
from tests.factories import make_document
from tests.world import World, make_world

__all__ = ["index_of_its_own"]

QUESTION = "What does the contract with Zandvoort say about travel and hotels and meals?"


@pytest.fixture
def drowned(db: None, index_of_its_own: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with one document that names what is asked for, and many that sound more like the question."""
    world = make_world()
    everyone = Rule.of({EVERYONE})
    for number in range(6):
        text = f"The contract says about travel and hotels and meals what rule {number} says."
        make_document(world.sources["open"], f"noise {number}", text, everyone)
    rare = make_document(world.sources["open"], "rare", "Zandvoort pays within thirty days.", everyone)
    world.documents["rare"] = rare
    for name in ("KEPT", "MOST_KEPT", "PER_RETRIEVER", "DOCUMENTS_KEPT"):
        monkeypatch.setattr(search, name, 3)
    deliver()
    return world


def steps(world: World, name: str, question: str = QUESTION, options: str = "") -> dict[str, Step]:
    chosen = Options.parse(f"bridge=off second_search=off fusion=dense {options}")
    return {step.name: step for step in retrieve(question, (), world.viewer(name), options=chosen)}


def titles(found: dict[str, Step]) -> set[str]:
    return {item.passage.title for item in found["rerank"].value}


def test_a_name_that_nothing_found_holds_is_searched_for_once_more(drowned: World) -> None:
    found = steps(drowned, "charlie")
    assert found["sufficiency"].value.missing == ("Zandvoort",)
    assert found["sufficiency"].record["decision"] == "searched again"
    assert "Rare" in titles(found)
    added = next(item for item in found["rerank"].value if item.passage.title == "Rare")
    assert added.via == "a search for what the others lack"


def test_without_the_check_it_stays_unfound(drowned: World) -> None:
    assert "Rare" not in titles(steps(drowned, "charlie", options="sufficiency=off"))


def test_what_names_nothing_missing_is_enough(drowned: World) -> None:
    found = steps(drowned, "charlie", "what is said about travel and hotels?")
    assert found["sufficiency"].record["decision"] == "enough"
    assert found["sufficiency"].record["candidates"] == []


def test_the_further_search_finds_nothing_the_viewer_may_not_read(drowned: World) -> None:
    rare = drowned.documents["rare"]
    rare.policy = intern_policy(Rule.of({"user:0"}))
    rare.save(update_fields=["policy"])
    found = steps(drowned, "charlie")
    assert "Rare" not in titles(found)
    deliver()
    found = steps(drowned, "charlie")
    assert rare.pk not in {c.document for c in found["sufficiency"].value.candidates}
    assert found["sufficiency"].record["withheld"] == []
