"""The Ask desk: asking, the conversation page, and who may see it."""

import re
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import AuditEvent, Membership
from assistant.models import Conversation, Question
from assistant.views.turns import on_one_line
from tests.assistant.answers import make_answer, make_question, make_refusal
from tests.factories import make_version
from tests.world import World

TRAVEL = "The budget for travel is 40,000 euros this year."
SECRET = "The investigation concerns the Leeds warehouse."


def page_of(question: Question) -> str:
    return reverse("assistant:conversation", args=[question.conversation.public_id])


def test_the_empty_page_has_a_box_and_questions_this_person_could_ask(alice: Client) -> None:
    html = alice.get("/").content.decode()
    assert 'name="text"' in html
    assert "For example" in html


def test_suggestions_come_only_from_documents_the_person_may_read(world: World, client: Client) -> None:
    client.force_login(world.charlie)
    html = client.get("/").content.decode()
    assert "Welcome" in html
    assert "Investigation" not in html


def test_the_anonymous_are_sent_to_the_door_and_back(world: World, client: Client) -> None:
    assert client.get("/")["Location"] == "/sign-in/"
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    assert client.get(page_of(question))["Location"] == f"/sign-in/?next={quote(page_of(question), safe='')}"


def test_other_methods_are_refused(alice: Client) -> None:
    assert alice.put("/").status_code == 405
    assert alice.delete("/conversations/").status_code == 405


def test_asking_starts_a_conversation_and_goes_to_it(world: World, alice: Client) -> None:
    response = alice.post("/", {"text": "What is the travel budget?"})
    question = Question.objects.get()
    assert response["Location"] == page_of(question)
    assert question.conversation.owner == world.alice
    assert AuditEvent.objects.filter(type="question.asked").count() == 1
    html = alice.get(page_of(question)).content.decode()
    assert reverse("assistant:events", args=[question.public_id]) in html
    assert '<noscript><meta http-equiv="refresh"' in html


@override_settings(MAX_QUESTION_CHARACTERS=20)
def test_a_question_that_is_too_long_stays_in_the_box_beside_the_reason(alice: Client) -> None:
    text = "How long may a question be, in the end?"
    response = alice.post("/", {"text": text})
    assert response.status_code == 422
    assert text in response.content.decode()
    assert 'id="box-error"' in response.content.decode()
    assert not Question.objects.exists()


def test_a_follow_up_that_is_empty_is_answered_beside_the_box(world: World, alice: Client) -> None:
    question = make_refusal(world.alice, "What is the allowance on Mars?")
    plain = alice.post(page_of(question), {"text": "  "})
    assert plain.status_code == 422
    assert "allowance on Mars" in plain.content.decode()
    fragment = alice.post(page_of(question), {"text": "  "}, headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["HX-Retarget"]) == (422, "#box")
    assert "<html" not in fragment.content.decode()


def test_a_follow_up_joins_its_conversation(world: World, alice: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    fragment = alice.post(page_of(question), {"text": "And who reports?"}, headers={"HX-Request": "true"})
    assert fragment.status_code == 200
    assert "<html" not in fragment.content.decode()
    assert "And who reports?" in fragment.content.decode()
    assert question.conversation.questions.count() == 2


def test_an_answer_shows_its_sentences_with_numbered_footnotes(world: World, alice: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    html = alice.get(page_of(question)).content.decode()
    assert TRAVEL in html
    assert reverse("assistant:footnote", args=[question.public_id, 1]) in html
    assert "Intranet" in html
    assert "quoted word for word" in html
    assert "431 ms" in html


def test_what_was_withheld_shows_nowhere_to_the_asker(world: World, alice: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    for page in (page_of(question), reverse("assistant:steps", args=[question.public_id])):
        html = alice.get(page).content.decode()
        assert "withheld" not in html
        assert "7001" not in html


def test_a_sentence_whose_document_was_revoked_is_gone_from_the_page(world: World, alice: Client) -> None:
    question = make_answer(
        world.alice,
        "What is the travel budget?",
        [(world.documents["budget"], TRAVEL), (world.documents["welcome"], "Welcome to the company.")],
    )
    Membership.objects.filter(user=world.alice, group=world.groups["Budget"]).delete()
    html = alice.get(page_of(question)).content.decode()
    assert TRAVEL not in html
    assert "40,000" not in html
    assert "no longer available to you" in html
    assert "Welcome to the company." in html


def test_partly_supported_sentences_say_so_in_words(world: World, alice: Client) -> None:
    question = make_answer(
        world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)], "partial"
    )
    html = alice.get(page_of(question)).content.decode()
    assert 'data-support="partial"' in html
    assert "(partly supported)" in html


def test_a_refusal_says_what_was_looked_for_where_and_what_to_do(world: World, alice: Client) -> None:
    html = alice.get(page_of(make_refusal(world.alice, "What is the allowance on Mars?"))).content.decode()
    for words in ("No answer found", "Looked for", "Handbook", "Ask with other words."):
        assert words in html


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_a_question_that_got_no_answer_can_be_asked_again(world: World, alice: Client, state: str) -> None:
    question = make_question(
        world.alice, "What is the travel budget?", state, error="The index is being rebuilt."
    )
    assert "The index is being rebuilt." in alice.get(page_of(question)).content.decode()
    response = alice.post(reverse("assistant:ask_again", args=[question.public_id]))
    assert response.status_code == 302
    assert [q.text for q in question.conversation.questions.all()] == [question.text] * 2


def test_nobody_else_sees_a_conversation_not_even_with_the_same_rights(world: World, client: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    own, talk = [question.public_id], [question.conversation.public_id]
    for person in (world.bob, world.charlie, world.dana, world.adam):
        client.force_login(person)
        for name, args in (
            ("conversation", talk),
            ("conversation_settings", talk),
            ("question", own),
            ("events", own),
            ("steps", own),
            ("footnote", [*own, 1]),
            ("api_question", own),
            ("api_conversation", talk),
        ):
            assert client.get(reverse(f"assistant:{name}", args=args)).status_code == 404, name
        for name, args in (
            ("conversation", talk),
            ("conversation_settings", talk),
            ("conversation_removal", talk),
            ("ask_again", own),
            ("feedback", own),
        ):
            assert (
                client.post(reverse(f"assistant:{name}", args=args), {"text": "Mine?"}).status_code == 404
            ), name
    assert Conversation.objects.get().removed_at is None


def test_steps_tell_the_asker_how_the_answer_came_about(world: World, alice: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    html = alice.get(reverse("assistant:steps", args=[question.public_id])).content.decode()
    for words in (
        "Planned into 1 sub-question",
        "Searched the documents you may read",
        "Every sentence stands",
    ):
        assert words in html


def test_the_stream_tells_plan_findings_sentences_and_the_end(
    transactional_db: None, world: World, alice: Client
) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    response = alice.get(reverse("assistant:events", args=[question.public_id]))
    assert isinstance(response, StreamingHttpResponse)
    assert response["Content-Type"].startswith("text/event-stream")

    async def read() -> str:
        pieces = cast(AsyncIterator[bytes], response.streaming_content)
        return b"".join([piece async for piece in pieces]).decode()

    text = async_to_sync(read)()
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == ["plan", "found", "sentence", "done"]
    assert TRAVEL in text
    assert "withheld" not in text


def test_the_stream_answers_an_ended_session_with_401_and_a_sentence(world: World, client: Client) -> None:
    question = make_question(world.alice, "What is the travel budget?")
    response = client.get(
        reverse("assistant:events", args=[question.public_id]), headers={"Accept": "text/event-stream"}
    )
    assert response.status_code == 401
    assert "session has ended" in response.json()["detail"]


def test_a_table_in_an_answer_is_drawn_as_a_table(world: World, alice: Client) -> None:
    table = "| Country | Notice |\n| Germany | 6 weeks |"
    make_version(world.documents["budget"], f"{table}\n\n{TRAVEL}", number=2)
    question = make_answer(
        world.alice,
        "How much notice?",
        [(world.documents["budget"], table), (world.documents["budget"], TRAVEL)],
    )
    html = alice.get(page_of(question)).content.decode()
    answer = html.split('class="answer verbatim"', 1)[1].split('class="receipt"', 1)[0]
    assert re.search(r"<td>6 weeks\s*</td>", answer)
    assert "|" not in answer
    assert TRAVEL in answer


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("Runs on\nto the next line.", "Runs on to the next line."),
        ("| A | B |\n| --- | --- |\n| 1 | 2 |", "A, B; 1, 2"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_quotes_are_told_on_one_line(words: str, line: str) -> None:
    assert on_one_line(words) == line
