"""The JSON API: the same actions and the same gate as the pages."""

import json

from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Membership
from assistant.models import Question
from tests.assistant.answers import make_answer, make_refusal
from tests.world import World

TRAVEL = "The budget for travel is 40,000 euros this year."


def ask(client: Client, **fields: str) -> tuple[int, dict[str, object]]:
    response = client.post("/api/questions/", json.dumps(fields), content_type="application/json")
    return response.status_code, response.json()


def test_without_a_session_every_address_answers_401(world: World, client: Client) -> None:
    question = make_refusal(world.alice, "What is the allowance on Mars?")
    assert ask(client, text="What is the travel budget?")[0] == 401
    for path in (
        "/api/conversations/",
        "/api/schema/",
        reverse("assistant:api_question", args=[question.public_id]),
        reverse("assistant:api_conversation", args=[question.conversation.public_id]),
    ):
        assert client.get(path).status_code == 401


def test_a_post_without_the_csrf_token_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.alice)
    assert ask(client, text="What is the travel budget?")[0] == 403
    assert not Question.objects.exists()


def test_asking_answers_with_the_running_question_and_its_address(world: World, alice: Client) -> None:
    response = alice.post(
        "/api/questions/",
        json.dumps({"text": "What is the travel budget?"}),
        content_type="application/json",
    )
    assert response.status_code == 201
    assert response.json()["state"] == "running"
    assert response.json()["answer"] is None
    assert alice.get(response["Location"]).json()["id"] == response.json()["id"]
    assert AuditEvent.objects.filter(type="question.asked").count() == 1


def test_a_question_that_cannot_be_asked_is_answered_with_a_sentence(alice: Client) -> None:
    status, body = ask(alice, text="  ")
    assert status == 400
    assert str(body["detail"]).endswith(".")


def test_an_answer_comes_with_its_evidence_and_why_it_may_be_read(world: World, alice: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    answer = alice.get(reverse("assistant:api_question", args=[question.public_id])).json()["answer"]
    assert answer["claims"] == [
        {"text": TRAVEL, "footnotes": [1], "support": "supported", "lacking": [], "is_available": True}
    ]
    footnote = answer["footnotes"][0]
    assert (footnote["quote"], footnote["source"]) == (TRAVEL, "Intranet")
    assert "Shared with Budget, of which you are a member." in footnote["why"]


def test_words_that_were_revoked_are_not_in_the_answer(world: World, alice: Client) -> None:
    question = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    Membership.objects.filter(user=world.alice, group=world.groups["Budget"]).delete()
    for path in (
        reverse("assistant:api_question", args=[question.public_id]),
        reverse("assistant:api_conversation", args=[question.conversation.public_id]),
    ):
        text = alice.get(path).content.decode()
        assert "40,000" not in text
        assert "withheld" not in text


def test_a_follow_up_needs_a_conversation_of_ones_own(world: World, client: Client) -> None:
    question = make_refusal(world.alice, "What is the allowance on Mars?")
    talk = str(question.conversation.public_id)
    client.force_login(world.bob)
    assert ask(client, text="And on Venus?", conversation=talk)[0] == 404
    client.force_login(world.alice)
    assert ask(client, text="And on Venus?", conversation=talk)[0] == 201


def test_only_ones_own_conversations_are_listed(world: World, client: Client) -> None:
    make_refusal(world.alice, "What is the allowance on Mars?")
    make_refusal(world.bob, "Who travels most?")
    client.force_login(world.bob)
    body = client.get("/api/conversations/").json()
    assert body["count"] == 1
    assert [c["title"] for c in body["conversations"]] == ["Who travels most?"]


def test_the_schema_describes_every_address_of_the_api(alice: Client) -> None:
    schema = alice.get("/api/schema/", {"format": "json"}, headers={"Accept": "application/json"})
    assert schema.status_code == 200
    assert set(schema.json()["paths"]) == {
        "/api/questions/",
        "/api/questions/{question}/",
        "/api/conversations/",
        "/api/conversations/{conversation}/",
    }
