"""History: every word passes the gate again each time it is shown, and before it enters another question."""

import pytest
from django.utils import timezone

from accounts.models import Membership
from assistant.history import shown_answer, shown_turns, turns_before, visible_turns
from assistant.models import Conversation
from ingestion.models import Document
from tests.assistant.answers import make_answer, make_question, make_refusal
from tests.factories import make_version
from tests.world import World

BUDGET = "The budget for travel is 40,000 euros this year."
OPENS = "The reception opens at eight in the morning."


@pytest.fixture
def conversation(world: World) -> Conversation:
    """A conversation of bob's: one answer from two documents, one of which he reads through the Budget group."""
    answered = make_answer(
        world.bob, "Travel?", [(world.documents["budget"], BUDGET), (world.documents["welcome"], OPENS)]
    )
    return answered.conversation


def revoke(world: World) -> None:
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()


def test_an_answer_is_shown_with_words_places_and_reasons(world: World, conversation: Conversation) -> None:
    shown = shown_answer(conversation.questions.get().answer, world.viewer("bob"))
    assert [(claim.words, claim.numbers) for claim in shown.claims] == [(BUDGET, (1,)), (OPENS, (2,))]
    first = shown.citations[0]
    assert (first.title, first.source, first.quote) == ("Budget", "Intranet", BUDGET)
    assert first.why == (
        "Shared with Staff, of which you are a member (through Engineering).",
        "Shared with Budget, of which you are a member.",
    )
    assert shown.is_whole
    assert shown.sources == ("Intranet", "Handbook")


def test_words_of_a_revoked_document_are_gone_and_the_rest_stays(
    world: World, conversation: Conversation
) -> None:
    answer = conversation.questions.get().answer
    revoke(world)
    shown = shown_answer(answer, world.viewer("bob"))
    assert [(claim.words, claim.is_available) for claim in shown.claims] == [("", False), (OPENS, True)]
    gone = shown.citations[0]
    assert (gone.is_available, gone.title, gone.source, gone.document, gone.why) == (False, "", "", "", ())
    assert not shown.is_whole


def test_words_of_a_revoked_document_do_not_enter_a_follow_up(
    world: World, conversation: Conversation
) -> None:
    assert BUDGET in visible_turns(conversation, world.viewer("bob"))[0].answer
    revoke(world)
    (turn,) = visible_turns(conversation, world.viewer("bob"))
    assert (turn.question, turn.answer) == ("Travel?", OPENS)


def test_a_removed_document_is_gone_at_once(world: World, conversation: Conversation) -> None:
    Document.objects.filter(pk=world.documents["budget"].pk).update(removed_at=timezone.now())
    shown = shown_answer(conversation.questions.get().answer, world.viewer("bob"))
    assert [claim.is_available for claim in shown.claims] == [False, True]


def test_words_that_a_new_version_still_holds_are_shown_from_there(
    world: World, conversation: Conversation
) -> None:
    make_version(world.documents["budget"], f"A new first line.\n\n{BUDGET} It may change.", number=2)
    shown = shown_answer(conversation.questions.get().answer, world.viewer("bob"))
    first = shown.citations[0]
    assert (first.quote, first.has_moved) == (BUDGET, True)
    version = Document.objects.get(pk=world.documents["budget"].pk).current_version
    assert version is not None
    assert version.text[first.start : first.end] == BUDGET


def test_words_that_a_new_version_no_longer_holds_are_not_shown(
    world: World, conversation: Conversation
) -> None:
    make_version(world.documents["budget"], "The budget for travel is 30,000 euros this year.", number=2)
    shown = shown_answer(conversation.questions.get().answer, world.viewer("bob"))
    assert [claim.is_available for claim in shown.claims] == [False, True]


def test_a_moved_quote_is_not_shown_to_whom_the_document_no_longer_admits(
    world: World, conversation: Conversation
) -> None:
    make_version(world.documents["budget"], f"A new first line.\n\n{BUDGET}", number=2)
    revoke(world)
    shown = shown_answer(conversation.questions.get().answer, world.viewer("bob"))
    assert not shown.claims[0].is_available


def test_a_refusal_names_only_sources_that_may_be_read_now(world: World) -> None:
    answer = make_refusal(world.charlie, "Where is it?").answer
    shown = shown_answer(answer, world.viewer("charlie"))
    assert shown.refusal is not None
    assert shown.refusal.sources == ("Handbook",)
    Document.objects.filter(source=world.sources["open"]).update(removed_at=timezone.now())
    again = shown_answer(answer, world.viewer("charlie"))
    assert again.refusal is not None
    assert again.refusal.sources == ()


def test_turns_are_shown_oldest_first_and_running_ones_without_an_answer(
    world: World, conversation: Conversation
) -> None:
    running = make_question(world.bob, "And for trains?", conversation=conversation)
    turns = shown_turns(conversation, world.viewer("bob"))
    assert [turn.question.text for turn in turns] == ["Travel?", "And for trains?"]
    assert turns[1].answer is None
    assert turns_before(running, world.viewer("bob")) == visible_turns(conversation, world.viewer("bob"))


def test_only_the_last_turns_are_carried_along(world: World, conversation: Conversation) -> None:
    for number in range(8):
        make_question(world.bob, f"Question {number}?", "failed", conversation=conversation)
    texts = [turn.question for turn in visible_turns(conversation, world.viewer("bob"))]
    assert texts == [f"Question {number}?" for number in range(2, 8)]
