"""Bridges: documents reached by their title, and only those the viewer may read."""

from dataclasses import replace

import pytest

from accounts.viewer import EVERYONE
from ingestion.access import Rule, reach_of
from ingestion.index.terms import FROM_SEARCHES
from ingestion.models import Chunk, Document
from ingestion.titles import short_title_key, title_key
from retrieval.naming import called_by, linked_among, linked_from, mentions_in
from retrieval.options import Options
from retrieval.orchestrator import retrieve
from retrieval.types import Ranked, Step
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
    world.documents["limits"] = make_document(
        world.sources["open"], "travel/limits", "A hotel is 140 euros.", OPEN, "Ceilings for 2026"
    )
    private = Document.objects.get(pk=world.documents["private"].pk)
    private.title, private.title_key = "Merger Notes", title_key("Merger Notes")
    private.save(update_fields=["title", "title_key"])
    for document in Document.objects.all():
        document.title_key = title_key(document.title)
        document.save(update_fields=["title_key"])
    deliver()
    return world


def link(world: World, name: str, targets: list[str], source: Document | None = None) -> None:
    """Let a document's words link to others of its source, as its parser would have found."""
    if source is not None:  # names are within a source
        Document.objects.filter(pk=world.documents[name].pk).update(source=source.source_id)
        Document.objects.update(needs_index_update=True)
        deliver()
    Chunk.objects.filter(version__document=world.documents[name].pk).update(links=targets)


QUESTION = "Who signs expense claims?"


def steps(world: World, name: str, question: str = QUESTION, options: str = "") -> dict[str, Step]:
    chosen = Options.parse(options)
    return {step.name: step for step in retrieve(question, (), world.viewer(name), options=chosen)}


def bridged_to(world: World, name: str, question: str = QUESTION) -> set[int]:
    """Return the documents reached because a passage or the question calls them by title."""
    found = steps(world, name, question)
    in_question = {called.document for called in found["search"].value.named}
    return in_question | {bridge.document for bridge in found["bridge"].value.bridges}


def ranked(world: World, name: str, question: str = QUESTION, options: str = "") -> tuple[Ranked, ...]:
    found: tuple[Ranked, ...] = steps(world, name, question, options)["rerank"].value
    return found


def test_a_document_named_in_a_passage_is_reached_and_says_how(linked: World) -> None:
    ladder = next(r for r in ranked(linked, "charlie") if r.passage.title == "Approval Ladder")
    assert ladder.features["bridge"] > 0
    assert ladder.via == "title “Approval Ladder” in passage 1"


def test_without_bridges_no_title_leads_anywhere(linked: World) -> None:
    assert all("bridge" not in r.features for r in ranked(linked, "charlie", options="bridge=off"))
    assert steps(linked, "charlie", "Approval Ladder", "bridge=off")["search"].value.named == ()


def test_a_document_that_a_passage_links_to_is_reached_and_says_how(linked: World) -> None:
    link(linked, "start", ["travel/limits"])
    assert linked.documents["limits"].pk in bridged_to(linked, "charlie")
    limits = next(r for r in ranked(linked, "charlie") if r.passage.title == "Ceilings for 2026")
    assert (limits.features["bridge"] > 0, limits.via) == (True, "a link in passage 1")
    assert linked.documents["limits"].pk not in {
        item.passage.document for item in ranked(linked, "charlie", options="bridge=off") if item.via
    }


def test_passages_that_spell_a_link_differently_lead_to_the_same_document(linked: World) -> None:
    passage = ranked(linked, "charlie")[0].passage
    short, whole = (replace(passage, links=(name,)) for name in ("travel/limits", "travel/limits.md"))
    found = linked_among([short, whole], reach_of(linked.viewer("charlie")), superseded=False)
    for spelled in (short, whole):
        assert [called.document for called in linked_from(spelled, found)] == [linked.documents["limits"].pk]


def test_a_link_leads_nowhere_the_viewer_may_not_read_and_no_score_tells(linked: World) -> None:
    private = linked.documents["private"]
    for _ in range(FROM_SEARCHES):
        ranked(linked, "bob")  # how rare a word is differs in the eighth digit until words are counted here
    before = [(item.passage.chunk, item.score) for item in ranked(linked, "bob")]
    link(linked, "start", [private.external_id], source=private)
    assert private.pk in bridged_to(linked, "alice")
    assert private.pk not in bridged_to(linked, "bob")
    assert [(item.passage.chunk, item.score) for item in ranked(linked, "bob")] == before


def test_a_link_stays_within_its_source(linked: World) -> None:
    link(linked, "start", ["travel/limits.md"])
    limits = linked.documents["limits"]
    assert limits.pk in bridged_to(linked, "charlie")
    other = next(source for source in linked.sources.values() if source.pk != limits.source_id)
    Document.objects.filter(pk=limits.pk).update(source=other)
    assert limits.pk not in bridged_to(linked, "alice")


def test_a_document_the_viewer_may_not_read_is_never_reached(linked: World) -> None:
    private = linked.documents["private"].pk
    assert private in bridged_to(linked, "alice")
    assert private not in bridged_to(linked, "bob")
    assert private not in bridged_to(linked, "bob", "What do the Merger Notes say?")


def test_a_document_named_in_the_question_is_reached_by_its_title(linked: World) -> None:
    ladder = next(
        r
        for r in ranked(linked, "charlie", "what does approval ladder say?")
        if r.passage.title == "Approval Ladder"
    )
    assert (ladder.features["named"], ladder.via) == (1.0, "title “Approval Ladder” in the question")


def test_a_title_is_known_without_the_brackets_at_its_end(linked: World) -> None:
    rename(linked, "ladder", "Approval Ladder (2026)")
    assert linked.documents["ladder"].pk in bridged_to(linked, "charlie")


def test_a_whole_title_comes_before_another_without_its_brackets(linked: World) -> None:
    other = make_document(
        linked.sources["open"], "old", "Two directors sign.", OPEN, "Approval Ladder (2019)"
    )
    rename(linked, "old", "Approval Ladder (2019)", other)
    reached = bridged_to(linked, "charlie")
    assert linked.documents["ladder"].pk in reached
    assert other.pk not in reached


def test_the_longer_of_two_titles_is_the_one_that_is_meant(linked: World) -> None:
    rename(linked, "ladder", "Ladder")
    longer = make_document(linked.sources["open"], "long", "Three directors sign.", OPEN, "Approval Ladder")
    rename(linked, "long", "Approval Ladder", longer)
    reached = bridged_to(linked, "charlie")
    assert longer.pk in reached
    assert linked.documents["ladder"].pk not in reached


def test_a_document_does_not_lead_to_itself(linked: World) -> None:
    rename(linked, "start", "Claims")
    assert linked.documents["start"].pk not in {
        bridge.document for bridge in steps(linked, "charlie")["bridge"].value.bridges
    }


def test_a_title_that_many_documents_share_names_none_of_them(linked: World) -> None:
    for number in range(4):
        other = make_document(
            linked.sources["open"], f"m{number}", "Minutes of a meeting.", OPEN, "Approval Ladder"
        )
        rename(linked, f"m{number}", "Approval Ladder", other)
    assert linked.documents["ladder"].pk not in bridged_to(linked, "charlie")


def test_a_superseded_document_is_reached_only_when_asked_for(linked: World) -> None:
    Document.objects.filter(pk=linked.documents["ladder"].pk).update(is_superseded=True)
    assert linked.documents["ladder"].pk not in bridged_to(linked, "charlie")
    assert linked.documents["ladder"].pk in bridged_to(linked, "charlie", "Who used to sign expense claims?")


def test_a_later_search_is_asked_with_what_an_earlier_one_found(linked: World) -> None:
    question = "Who is the head of the team that signs expense claims?"
    second = steps(linked, "charlie", question)["bridge"].value.second
    assert second
    assert {search.sub_query for search in second} == {2}
    assert steps(linked, "charlie", question, "second_search=off")["bridge"].value.second == ()


def test_a_later_search_finds_nothing_the_viewer_may_not_read(linked: World) -> None:
    question = "What is the date of the merger that the author of the notes which nobody signs speaks of?"
    private = linked.documents["private"].pk
    for name in ("bob", "charlie", "dana", "adam"):
        found = steps(linked, name, question)["bridge"].value
        assert found.second
        assert private not in {c.document for search in found.second for c in search.candidates}
        assert private not in {c.document for c in found.candidates}


def test_names_are_found_across_colons_and_not_in_plain_words() -> None:
    keys = mentions_in("Follow Runbook: Database Failover before anything else.").keys
    assert "runbook database failover" in keys
    assert "anything else" not in keys


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("Expense claims are signed by the lead. See the Travel Policy.", ["Travel Policy"]),
        ("Travel Policy applies.", ["Travel Policy"]),
        ("The Travel policy applies.", ["Travel Policy"]),
        ("Travel policy is a matter of taste.", []),
        ("Read these:\nTravel policy\nHandbook", ["Travel Policy"]),
    ],
)
def test_a_sentence_that_happens_to_begin_with_a_titles_words_calls_no_document(
    text: str, calls: list[str]
) -> None:
    titles = {"travel policy": ((1, "Travel Policy"),)}
    assert [called.title for called in called_by(mentions_in(text), titles, in_prose=True)] == calls
    assert [called.title for called in called_by(mentions_in(text), titles)] == ["Travel Policy"]


def rename(world: World, name: str, title: str, document: Document | None = None) -> None:
    row = document or world.documents[name]
    Document.objects.filter(pk=row.pk).update(
        title=title, title_key=title_key(title), short_title_key=short_title_key(title)
    )
    deliver()
