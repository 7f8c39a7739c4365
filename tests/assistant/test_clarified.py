"""A question that is asked back: nothing is searched, and it is told, recorded and gone on from as such."""

import json
from collections.abc import AsyncIterator
from io import StringIO
from typing import cast

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from accounts.audit import By
from accounts.models import AuditEvent
from assistant import actions, runner, trace
from assistant.auditing.figures import figures_of
from assistant.auditing.questions import QuestionFilter
from assistant.history import REWORDED, shown_answer, visible_turns
from assistant.models import Answer, Question, TraceStep
from assistant.pipeline import clarified
from assistant.trace import verify_record
from assistant.writing import write_answer
from ingestion.access import NOBODY, intern_policy
from ingestion.models import Document
from retrieval.orchestrator import retrieve
from retrieval.types import Plan, SubQuery, Turn
from tests.assistant.answers import make_answer, make_question
from tests.assistant.asking import asked, index_of_its_own, indexed
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]

BACK = "What do you mean by “it”?"
TRAVEL = "The budget for travel is 40,000 euros this year."


@pytest.fixture
def question(indexed: World) -> Question:
    return asked(indexed.alice, "How much is it? type:markdown")


def test_nothing_is_searched_for_a_question_that_points_at_nothing(
    indexed: World, question: Question
) -> None:
    assert question.state == Question.State.CLARIFY
    names = list(
        TraceStep.objects.filter(question_id=question.pk).order_by("position").values_list("name", flat=True)
    )
    assert names == ["screen", "plan", "clarify", "record"]
    answer = Answer.objects.get(question=question)
    assert (answer.outcome, answer.claims, answer.refusal) == ("clarify", [], {})
    assert answer.clarification.startswith(BACK)
    assert not answer.citations.exists()


def test_asking_back_is_one_event_and_its_record_can_be_verified(question: Question) -> None:
    subject = f"question:{question.public_id}"
    kinds = AuditEvent.objects.filter(subject=subject).order_by("position").values_list("type", flat=True)
    assert list(kinds) == ["question.asked", "question.clarified"]
    assert verify_record(question).is_intact
    Answer.objects.filter(question=question).update(clarification="What is your password?")
    found = [disagreement.sentence for disagreement in verify_record(question).disagreements]
    assert found == ["The answer's question back is not what the last step recorded."]


def test_the_reply_is_answered_with_the_question_before_it(indexed: World, question: Question) -> None:
    reply = asked(indexed.alice, "the budget for travel", question.conversation)
    plan = TraceStep.objects.get(question_id=reply.pk, name="plan")
    assert plan.record["standalone"] == "How much is the budget for travel?"
    assert reply.state == Question.State.ANSWERED


def test_nobody_is_asked_back_twice_in_a_row(indexed: World, question: Question) -> None:
    again = asked(indexed.alice, "How much is it?", question.conversation)
    assert again.state != Question.State.CLARIFY
    assert TraceStep.objects.filter(question_id=again.pk, name="search").exists()


def test_a_planner_cannot_ask_back_twice_either(indexed: World) -> None:
    class Insisting:
        def plan(self, question: str, turns: object) -> Plan:
            return Plan(question, question, (SubQuery(1, question),), "insists", clarification="Which one?")

    viewer = indexed.viewer("alice")
    first = list(retrieve("the travel budget", (), viewer, planner=Insisting()))
    assert [step.name for step in first] == ["plan"]
    turns = [Turn("the travel budget", "", "Which one?")]
    second = list(retrieve("the travel budget", turns, viewer, planner=Insisting()))
    assert second[-1].name == "rerank"


def test_the_page_shows_the_question_back_and_no_search(
    indexed: World, question: Question, client: Client
) -> None:
    client.force_login(indexed.alice)
    html = client.get(
        reverse("assistant:conversation", args=[question.conversation.public_id])
    ).content.decode()
    assert BACK in html
    assert 'class="plan"' not in html
    assert "No answer found" not in html
    assert "Searched in" not in html
    steps = client.get(reverse("assistant:steps", args=[question.public_id])).content.decode()
    assert "Asked back" in steps
    assert "Nothing was searched." in steps


def test_the_stream_ends_where_it_was_asked_back(
    transactional_db: None, indexed: World, client: Client
) -> None:
    # Committed for real, the question is answered by the product's own thread.
    alice = indexed.alice
    question = actions.ask(by=By.user(alice), user=alice, conversation=None, text="How much is it?")
    runner.wait(question.pk, 30)
    client.force_login(alice)
    response = client.get(reverse("assistant:events", args=[question.public_id]))
    assert isinstance(response, StreamingHttpResponse)

    async def read() -> str:
        pieces = cast(AsyncIterator[bytes], response.streaming_content)
        return b"".join([piece async for piece in pieces]).decode()

    text = async_to_sync(read)()
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == ["plan", "done"]
    assert '"sub_queries": []' in text
    assert '"state": "clarify"' in text


def test_the_api_says_what_is_asked_back(indexed: World, question: Question, client: Client) -> None:
    client.force_login(indexed.alice)
    body = client.get(reverse("assistant:api_question", args=[question.public_id])).json()
    assert body["state"] == body["answer"]["outcome"] == "clarify"
    assert body["answer"]["clarification"].startswith(BACK)
    assert body["searches"] == []


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_it_and_exits_with_a_code_of_its_own(indexed: World) -> None:
    out = StringIO()
    with pytest.raises(SystemExit, match="4"):
        call_command("ask", "hello", "--as", "alice@example.org", "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert said["outcome"] == "clarify"
    assert said["clarification"].startswith("What would you like to know?")
    with pytest.raises(SystemExit, match="4"):
        call_command("ask", "hello", "--as", "alice@example.org", stdout=out)


def test_auditors_see_it_apart_from_answers_and_refusals(
    indexed: World, question: Question, client: Client
) -> None:
    figures = figures_of(QuestionFilter().questions())
    assert (figures.asked, figures.answered, figures.refused, figures.asked_back) == (1, 0, 0, 1)
    assert figures.bars[-1].heights == (0.0, 0.0, 100.0, 0.0)
    client.force_login(indexed.dana)
    html = client.get(reverse("assistant:audit"), {"outcome": "clarify"}).content.decode()
    assert "How much is it?" in html
    record = client.get(reverse("assistant:audit_answer", args=[question.public_id])).content.decode()
    assert BACK in record
    assert "Asked Alice back" in record


def test_a_question_back_by_a_model_goes_with_the_words_it_may_have_taken(world: World) -> None:
    first = make_answer(world.alice, "What is the travel budget?", [(world.documents["budget"], TRAVEL)])
    question = make_question(world.alice, "And those?", conversation=first.conversation)
    plan = Plan(
        "And those?", "And those?", (SubQuery(1, ""),), "m", clarification="The 40,000 euros?", model="m"
    )
    answer = write_answer(question, clarified(plan), 5.0)
    Question.objects.filter(pk=question.pk).update(state=Question.State.CLARIFY)
    viewer = world.viewer("alice")
    assert shown_answer(answer, viewer).clarification == "The 40,000 euros?"
    budget = Document.objects.get(pk=world.documents["budget"].pk)
    budget.policy = intern_policy(NOBODY)
    budget.save(update_fields=["policy"])
    assert shown_answer(answer, viewer).clarification == REWORDED
    assert visible_turns(first.conversation, viewer)[-1].clarification == REWORDED


def test_every_outcome_has_a_state_and_every_end_an_event() -> None:
    outcomes = {value for value, _ in Answer._meta.get_field("outcome").choices or ()}
    assert set(trace.STATES) == outcomes
    assert set(trace.ENDINGS) == set(Question.State) - {Question.State.RUNNING}
