"""Footnotes, feedback and the conversation list."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Membership
from assistant.models import Conversation, Feedback, Question
from assistant.views.conversations import by_time
from tests.assistant.answers import make_answer, make_refusal
from tests.factories import make_version
from tests.world import World

TRAVEL = "The budget for travel is 40,000 euros this year."


@pytest.fixture
def question(world: World, client: Client) -> Question:
    client.force_login(world.alice)
    return make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])


def footnote(question: Question, number: int = 1) -> str:
    return reverse("assistant:footnote", args=[question.public_id, number])


def test_a_footnote_lights_the_exact_words_and_says_why_one_may_read_them(
    question: Question, client: Client
) -> None:
    html = client.get(footnote(question)).content.decode()
    lit = html.split("<mark", 1)[1].split(">", 1)[1].split("</mark>", 1)[0]
    assert lit == TRAVEL
    assert "Shared with Budget, of which you are a member." in html
    assert "<html" in html


def test_beside_the_answer_a_footnote_is_a_fragment(question: Question, client: Client) -> None:
    html = client.get(footnote(question), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert 'class="panel"' in html


def test_opening_a_footnote_is_written_down(question: Question, client: Client) -> None:
    client.get(footnote(question))
    event = AuditEvent.objects.get(type="citation.opened")
    assert event.subject == f"question:{question.public_id}"
    assert event.details["footnote"] == 1


def test_a_footnote_is_gone_as_soon_as_its_document_is(
    world: World, question: Question, client: Client
) -> None:
    Membership.objects.filter(user=world.alice, group=world.groups["Budget"]).delete()
    response = client.get(footnote(question))
    assert response.status_code == 404
    assert "40,000" not in response.content.decode()
    assert not AuditEvent.objects.filter(type="citation.opened").exists()


def test_a_footnote_that_does_not_exist_is_not_found(question: Question, client: Client) -> None:
    assert client.get(footnote(question, 2)).status_code == 404
    assert client.get(footnote(question, 0)).status_code == 404


def test_words_that_a_newer_version_still_holds_are_shown_from_there(
    world: World, question: Question, client: Client
) -> None:
    make_version(world.documents["budget"], f"A new first line.\n\n{TRAVEL} Each team reports.", number=2)
    html = client.get(footnote(question)).content.decode()
    assert "has changed since the answer was given" in html
    assert "A new first line." in html


def test_words_that_the_newer_version_dropped_are_no_longer_shown(
    world: World, question: Question, client: Client
) -> None:
    make_version(world.documents["budget"], "There is no travel budget any more.", number=2)
    assert client.get(footnote(question)).status_code == 404


def test_feedback_is_kept_and_can_be_changed(question: Question, client: Client) -> None:
    address = reverse("assistant:feedback", args=[question.public_id])
    assert client.post(address, {"verdict": "good"}).status_code == 302
    assert Feedback.objects.get().is_good
    client.post(address, {"verdict": "bad", "reason": "It is out of date", "words": "See the new one."})
    kept = Feedback.objects.get()
    assert (kept.is_good, kept.reason) == (False, "It is out of date: See the new one.")
    assert AuditEvent.objects.filter(type="answer.feedback").count() == 2
    fragment = client.post(address, {"verdict": "good"}, headers={"HX-Request": "true"}).content.decode()
    assert 'aria-pressed="true"' in fragment


def test_a_reason_that_is_not_offered_is_not_kept(question: Question, client: Client) -> None:
    client.post(
        reverse("assistant:feedback", args=[question.public_id]), {"verdict": "bad", "reason": "<script>"}
    )
    assert Feedback.objects.get().reason == ""


def test_a_conversation_can_be_renamed_but_not_to_nothing(question: Question, client: Client) -> None:
    address = reverse("assistant:conversation_settings", args=[question.conversation.public_id])
    assert "What is the travel budget?" in client.get(address).content.decode()
    assert client.post(address, {"title": "Travel money"}).status_code == 302
    assert Conversation.objects.get().title == "Travel money"
    assert client.post(address, {"title": "  "}).status_code == 422
    assert Conversation.objects.get().title == "Travel money"


def test_a_deleted_conversation_is_gone_for_its_owner_and_its_record_stays(
    question: Question, client: Client
) -> None:
    talk = question.conversation
    client.post(reverse("assistant:conversation_removal", args=[talk.public_id]))
    assert client.get(reverse("assistant:conversation", args=[talk.public_id])).status_code == 404
    assert client.get(footnote(question)).status_code == 404
    client.get(reverse("assistant:ask"))  # takes the word of confirmation with it
    assert talk.title not in client.get(reverse("assistant:conversations")).content.decode()
    assert Question.objects.filter(pk=question.pk).exists()


def test_search_finds_conversations_by_title_and_by_question(
    world: World, question: Question, client: Client
) -> None:
    make_refusal(world.alice, "What is the allowance on Mars?")
    make_refusal(world.bob, "Who travels most?")
    found = client.get("/conversations/", {"q": "TRAVEL"}, headers={"HX-Request": "true"}).content.decode()
    assert "What is the travel budget?" in found
    assert "Mars" not in found
    assert "Who travels most?" not in found
    assert "No conversation of yours" in client.get("/conversations/", {"q": "zebra"}).content.decode()


def test_conversations_are_grouped_by_when_they_were_last_used() -> None:
    today = date(2026, 3, 20)
    noon = datetime(2026, 3, 20, 12, tzinfo=UTC)
    held = [
        Conversation(title=str(days), updated_at=noon - timedelta(days=days)) for days in (0, 1, 3, 30, 400)
    ]
    assert [when.name for when in by_time(held, today)] == [
        "Today",
        "Yesterday",
        "Last 7 days",
        "February",
        "February 2025",
    ]
