"""Suggestions: questions made of titles and headings that this viewer may see, and of nothing else."""

from datetime import date

import pytest

from accounts.viewer import EVERYONE
from assistant.suggestions import follow_ups, suggested_questions
from ingestion.access import NOBODY, Rule
from ingestion.models import Chunk, Document
from tests.assistant.answers import make_answer
from tests.factories import make_document
from tests.world import READABLE, World


def with_headings(document: Document, *headings: str) -> Document:
    """Put a document's chunks, in order, under these headings."""
    for chunk, heading in zip(Chunk.objects.filter(version__document=document), headings, strict=True):
        Chunk.objects.filter(pk=chunk.pk).update(headings=[document.title, heading])
    return document


@pytest.mark.parametrize("name", sorted(READABLE))
def test_only_readable_documents_are_suggested(world: World, name: str) -> None:
    readable = {world.documents[key].title for key in READABLE[name]}
    suggested = suggested_questions(world.viewer(name), n=20)
    assert {question.split("“")[1].split("”")[0] for question in suggested} <= readable
    assert len(suggested) == min(20, len(readable), 20)


def test_a_heading_that_asks_is_suggested_as_it_stands(world: World) -> None:
    with_headings(world.documents["welcome"], "When does the reception open?")
    assert suggested_questions(world.viewer("charlie")) == ("When does the reception open?",)


def test_another_heading_becomes_a_question_about_its_document(world: World) -> None:
    with_headings(world.documents["welcome"], "2.1 Opening hours")
    assert suggested_questions(world.viewer("charlie")) == ("What does “Welcome” say about opening hours?",)


def test_headings_that_name_no_subject_are_not_suggested(world: World) -> None:
    with_headings(world.documents["welcome"], "Introduction")
    assert suggested_questions(world.viewer("charlie")) == ("What does “Welcome” say?",)


def test_the_choice_is_the_same_all_day_and_another_on_other_days(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        make_document(world.sources["open"], f"page {number}", "Text.", Rule.of({EVERYONE}))
    viewer = world.viewer("charlie")
    by_day = []
    for day in range(1, 6):
        monkeypatch.setattr("django.utils.timezone.localdate", lambda day=day: date(2026, 3, day))
        assert suggested_questions(viewer) == suggested_questions(viewer)
        by_day.append(suggested_questions(viewer))
    assert len(set(by_day)) > 1


def test_follow_ups_are_other_headings_of_the_cited_document(world: World) -> None:
    document = make_document(
        world.sources["open"], "leave", "Ask early.\n\nDays lapse.\n\nBuy days.", Rule.of({EVERYONE})
    )
    with_headings(document, "Asking for leave", "Carrying days over", "Buying days")
    question = make_answer(world.bob, "How do I go about asking for leave?", [(document, "Ask early.")])
    offered = follow_ups([str(document.public_id)], world.viewer("bob"), question)
    assert offered == (
        "What does “Leave” say about carrying days over?",
        "What does “Leave” say about buying days?",
    )


def test_a_document_that_may_not_be_read_leads_nowhere(world: World) -> None:
    document = with_headings(
        make_document(world.sources["open"], "secret", "Nothing.", NOBODY), "Secret salaries"
    )
    question = make_answer(world.bob, "Opening?", [(world.documents["welcome"], "The reception opens")])
    assert follow_ups([str(document.public_id)], world.viewer("bob"), question) == ()
