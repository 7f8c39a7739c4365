"""Bridges: documents reached by their title, and only those the viewer may read."""

import pytest

from accounts.viewer import EVERYONE
from ingestion.access import Rule, reach_of
from ingestion.models import Chunk, Document
from ingestion.titles import title_key
from retrieval.bridge import Bridged, find_bridges, title_mentions
from retrieval.gate import pass_gate
from retrieval.types import Plan, SubQuery
from tests.assistant.asking import deliver, index_of_its_own
from tests.factories import make_document
from tests.world import World, make_world

__all__ = ["index_of_its_own"]

OPEN = Rule.of({EVERYONE})


@pytest.fixture
def linked(db: None, index_of_its_own: None) -> World:
    """The world, with a page that names other documents by title."""
    world = make_world()
    text = "Claims above the limit follow the Approval Ladder. Secrets stand in the Merger Notes."
    world.documents["start"] = make_document(world.sources["open"], "start", text, OPEN, "Expense Claims")
    ladder = make_document(
        world.sources["open"], "ladder", "The area director signs.", OPEN, "Approval Ladder"
    )
    world.documents["ladder"] = ladder
    private = Document.objects.get(pk=world.documents["private"].pk)
    private.title, private.title_key = "Merger Notes", title_key("Merger Notes")
    private.save(update_fields=["title", "title_key"])
    for document in Document.objects.all():
        document.title_key = title_key(document.title)
        document.save(update_fields=["title_key"])
    deliver()
    return world


def bridges(world: World, name: str, question: str = "who signs a claim") -> Bridged:
    viewer = world.viewer(name)
    chunk = Chunk.objects.get(version__document=world.documents["start"])
    passages = pass_gate([chunk.pk], viewer).passages
    plan = Plan(question, question, (SubQuery(1, question),), "one question")
    return find_bridges(plan, passages, viewer, reach_of(viewer))


def test_a_document_named_in_a_passage_is_reached_with_its_chunks(linked: World) -> None:
    found = bridges(linked, "charlie")
    assert [b.document for b in found.bridges] == [linked.documents["ladder"].pk]
    assert {c.document for c in found.candidates} == {linked.documents["ladder"].pk}


def test_a_document_the_viewer_may_not_read_is_never_reached(linked: World) -> None:
    private = linked.documents["private"].pk
    assert private in {b.document for b in bridges(linked, "alice").bridges}
    assert private not in {b.document for b in bridges(linked, "bob").bridges}


def test_a_document_named_in_the_question_is_reached(linked: World) -> None:
    found = bridges(linked, "charlie", "What does Approval Ladder say?")
    assert [b.source for b in found.bridges] == [-1]


def test_a_document_does_not_lead_to_itself(linked: World) -> None:
    Document.objects.filter(pk=linked.documents["ladder"].pk).update(title="Claims", title_key="claims")
    Document.objects.filter(pk=linked.documents["start"].pk).update(title="Secrets", title_key="secrets")
    assert linked.documents["start"].pk not in {b.document for b in bridges(linked, "charlie").bridges}


def test_a_title_that_many_documents_share_names_none_of_them(linked: World) -> None:
    for number in range(4):
        make_document(linked.sources["open"], f"m{number}", "Minutes of a meeting.", OPEN, "Approval Ladder")
    Document.objects.update(is_superseded=False)
    assert bridges(linked, "charlie").bridges == ()


def test_a_superseded_document_is_reached_only_when_asked_for(linked: World) -> None:
    Document.objects.filter(pk=linked.documents["ladder"].pk).update(is_superseded=True)
    assert bridges(linked, "charlie").bridges == ()


def test_names_are_found_across_colons_and_not_in_plain_words() -> None:
    mentions = title_mentions("Follow Runbook: Database Failover before anything else.")
    assert "runbook database failover" in mentions
    assert "anything else" not in mentions
