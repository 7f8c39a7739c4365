"""Models in the way of a question: chosen by the options, shown permitted words only, and missed by nobody when they fail."""

import json
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Membership
from assistant.models import Question, TraceStep
from assistant.pipeline import answer
from assistant.trace import verify_records
from retrieval.options import Options
from retrieval.types import Step
from tests.assistant.asking import asked, index_of_its_own, indexed
from tests.assistant.model_server import Asked, ModelServer, fails, model_server, plan_of, says
from tests.world import READABLE, World

__all__ = ["index_of_its_own", "indexed", "model_server"]  # fixtures: pytest finds them by name

QUESTION = "What is the budget for travel this year?"


def steps(world: World, name: str, options: str, question: str = QUESTION) -> dict[str, Step]:
    made = answer(question, (), world.viewer(name), options=Options.parse(options))
    return {step.name: step for step in made}


def plans_and_judges(request: Asked) -> None:
    """Plan as asked; grade every passage 1."""
    data = json.loads(request.body["messages"][1]["content"].split("\n")[1])
    if "passages" in data:
        says({"grades": [{"number": p["number"], "grade": 1} for p in data["passages"]]})(request)
    else:
        says(plan_of(data["question"]))(request)


def judges_last_best(request: Asked) -> None:
    """Grade the last passage 3 and the others 0."""
    passages = json.loads(request.body["messages"][1]["content"].split("\n")[1])["passages"]
    count = len(passages)
    says({"grades": [{"number": n, "grade": 3 * (n == count)} for n in range(1, count + 1)]})(request)


def test_without_options_no_model_is_asked(indexed: World, model_server: ModelServer) -> None:
    answered = steps(indexed, "alice", "")["verify"].value
    assert answered.outcome == "answered"
    assert model_server.asked == []


def test_the_models_plan_is_searched_and_recorded(indexed: World, model_server: ModelServer) -> None:
    model_server.script = [says(plan_of("budget travel", "soup of the day"))]
    made = steps(indexed, "alice", "planning=model")
    assert [s["text"] for s in made["plan"].record["sub_queries"]] == ["budget travel", "soup of the day"]
    assert made["plan"].record["model"] == "tiny"
    assert "(prompt sha256:" in made["plan"].record["rule"]
    assert len(made["search"].record["sub_queries"]) == 2


def test_the_judges_order_is_the_rankings_and_recorded(indexed: World, model_server: ModelServer) -> None:
    plain = [r.passage.chunk for r in steps(indexed, "alice", "")["rerank"].value]
    model_server.script = [judges_last_best]
    judged = steps(indexed, "alice", "reranking=judge")["rerank"]
    assert judged.value[0].passage.chunk == plain[-1] != plain[0]
    assert judged.record["reranker"].startswith("judge tiny (prompt sha256:")
    assert judged.record["ranked"][0]["features"]["reranked"] == 1.0
    assert "failed" not in judged.record


@pytest.mark.parametrize(
    ("options", "step", "sentence"),
    [
        ("planning=model", "plan", "the model could not plan (no language model is configured"),
        ("reranking=judge", "rerank", "The model could not judge (no language model is configured"),
        ("reranking=cross-encoder", "rerank", "No cross-encoder is configured."),
    ],
)
def test_what_is_asked_for_and_not_configured_is_recorded_and_the_answer_is_the_same(
    indexed: World, settings: Settings, options: str, step: str, sentence: str
) -> None:
    settings.MODEL_URL = settings.MODEL_NAME = settings.RERANK_MODEL = ""
    made, plain = steps(indexed, "alice", options), steps(indexed, "alice", "")
    assert sentence in json.dumps(made[step].record)
    assert made["verify"].value == plain["verify"].value
    assert [r.passage for r in made["rerank"].value] == [r.passage for r in plain["rerank"].value]


def test_a_server_that_fails_costs_nobody_an_answer(
    indexed: World, model_server: ModelServer, settings: Settings
) -> None:
    settings.RETRIEVAL = "planning=model reranking=judge"
    model_server.script = [fails(500)]
    question = asked(indexed.alice, QUESTION)
    assert question.state == Question.State.ANSWERED
    records = {step.name: step.record for step in TraceStep.objects.filter(question_id=question.pk)}
    assert "its server answered with status 500" in records["plan"]["rule"]
    assert records["rerank"]["failed"] == "The model could not judge (its server answered with status 500)."
    assert "secret words of the server" not in json.dumps(records)
    assert verify_records().is_intact


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(READABLE))
def test_a_model_is_sent_no_word_of_what_the_asker_may_not_read(
    indexed: World, model_server: ModelServer, settings: Settings, name: str
) -> None:
    settings.RETRIEVAL = "planning=model reranking=judge"
    model_server.script = [plans_and_judges]
    person = getattr(indexed, name)
    conversation = None
    for text in ("What is the budget for travel?", "And who hears witnesses?", "When does the merger close?"):
        conversation = asked(person, text, conversation).conversation
    # What was asked is the person's own; every other word must come from what they may read.
    own = {w for q in Question.objects.all() for w in words(q.text)}
    readable = {w for key in READABLE[name] for w in words(text_of(indexed, key))}
    hidden = {
        w for key in indexed.documents if key not in READABLE[name] for w in words(text_of(indexed, key))
    }
    secret = hidden - readable - own
    assert secret
    sent = {
        w for n in range(len(model_server.asked)) for w in words(" ".join(strings_in(model_server.sent(n))))
    }
    assert not secret & sent
    assert len(model_server.asked) >= 4


def test_a_turn_whose_document_was_taken_away_is_not_sent_any_more(
    indexed: World, model_server: ModelServer, settings: Settings
) -> None:
    settings.RETRIEVAL = "planning=model"
    model_server.script = [plans_and_judges]
    conversation = asked(indexed.bob, QUESTION).conversation
    asked(indexed.bob, "Who reports on it?", conversation)
    assert "40,000" in model_server.sent(1)["conversation"][0]["answer"]
    Membership.objects.filter(user=indexed.bob, group=indexed.groups["Budget"]).delete()
    asked(indexed.bob, "And how often?", conversation)
    turns = model_server.sent(2)["conversation"]
    assert [turn["question"] for turn in turns] == [QUESTION, "Who reports on it?"]
    assert "40,000" not in json.dumps(turns)


def test_the_account_of_an_answer_says_that_a_model_planned(
    indexed: World, model_server: ModelServer, settings: Settings, client: Client
) -> None:
    client.force_login(indexed.alice)
    ruled = asked(indexed.alice, QUESTION)
    settings.RETRIEVAL = "planning=model"
    model_server.script = [plans_and_judges]
    planned = asked(indexed.alice, QUESTION)
    assert "No model used." in account_of(client, ruled)
    assert "Planned by the model tiny." in account_of(client, planned)
    assert "No model used." not in account_of(client, planned)


def account_of(client: Client, question: Question) -> str:
    return client.get(reverse("assistant:steps", args=[question.public_id])).content.decode()


def text_of(world: World, key: str) -> str:
    version = world.documents[key].current_version
    assert version is not None
    return f"{world.documents[key].title} {version.text}"


def strings_in(value: object) -> Iterator[str]:
    """Yield every string of a JSON value, names of fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)


def words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w{4,}", text)}
