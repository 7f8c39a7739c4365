"""What the asker is told while a run goes on: replayed, then live, and nothing of what was withheld."""

import asyncio
import json
import threading
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from django.utils import timezone

from accounts.viewer import Viewer
from assistant import runner, trace
from assistant.events import Event, events
from assistant.models import Question
from tests.assistant.answers import make_answer, make_question
from tests.assistant.asking import asked, index_of_its_own, indexed
from tests.world import World, make_world

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name

TRAVEL = "What is the budget for travel this year?"


def heard(question: Question, viewer: Viewer, after: int = 0) -> list[Event]:
    """Return everything that is told of a question until its end."""

    async def listen() -> list[Event]:
        return [event async for event in events(question, viewer, after)]

    return async_to_sync(listen)()


def test_a_finished_run_is_replayed_from_its_rows(indexed: World) -> None:
    question = asked(indexed.alice, TRAVEL)
    told = heard(question, indexed.viewer("alice"))
    assert [event.name for event in told] == [
        "started", "screen", "plan", "search", "gate", "bridge", "sufficiency", "rerank", "context", "answer", "verify", "record",
        "done",
    ]  # fmt: skip
    assert [event.is_final for event in told] == [False] * 12 + [True]
    assert told[-1].data == {"state": "answered", "error": ""}


def test_the_plan_and_what_was_found_are_told(indexed: World) -> None:
    question = asked(indexed.alice, TRAVEL)
    told = {event.name: event.data for event in heard(question, indexed.viewer("alice"))}
    assert told["plan"]["sub_queries"] == [{"number": 1, "text": TRAVEL}]
    assert told["context"]["found"][0]["number"] == 1
    assert set(told["context"]["found"][0]["sources"]) <= {"Handbook", "Intranet"}


def test_a_client_goes_on_after_the_last_step_it_has(indexed: World) -> None:
    question = asked(indexed.alice, TRAVEL)
    told = heard(question, indexed.viewer("alice"), after=9)
    assert [event.name for event in told] == ["verify", "record", "done"]


def test_nothing_withheld_is_told(world: World) -> None:
    # This question's record says that seven passages were withheld.
    question = make_answer(world.charlie, "Opening?", [(world.documents["welcome"], "The reception opens")])
    told = json.dumps([[event.name, dict(event.data)] for event in heard(question, world.viewer("charlie"))])
    assert "withheld" not in told
    assert "7001" not in told
    assert "not_permitted" not in told


def test_a_source_that_may_no_longer_be_read_is_no_longer_named(world: World) -> None:
    question = make_answer(world.bob, "Budget?", [(world.documents["budget"], "The budget for travel")])
    before = {event.name: event.data for event in heard(question, world.viewer("bob"))}
    assert before["context"]["found"][0]["sources"] == ["Intranet"]
    world.groups["Budget"].memberships.all().delete()
    after = {event.name: event.data for event in heard(question, world.viewer("bob"))}
    assert after["context"]["found"] == []


def test_failure_is_told_with_its_sentence(world: World) -> None:
    question = make_question(world.alice, TRAVEL, "failed", error=runner.FAILED)
    assert heard(question, world.viewer("alice"))[-1].data == {"state": "failed", "error": runner.FAILED}


def test_a_listener_of_a_run_whose_process_died_is_told_so(world: World) -> None:
    question = make_question(world.alice, TRAVEL)
    Question.objects.filter(pk=question.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    last = heard(question, world.viewer("alice"))[-1]
    assert last.data == {"state": "interrupted", "error": runner.INTERRUPTED}


def test_the_first_event_needs_no_database(world: World) -> None:
    async def first() -> Event:
        stream = events(question, viewer)
        try:
            return await anext(stream)
        finally:
            await stream.aclose()

    question, viewer = make_question(world.alice, TRAVEL), world.viewer("alice")
    assert asyncio.run(first()).name == "started"


def test_leaving_stops_listening(world: World) -> None:
    question, viewer = make_question(world.alice, TRAVEL), world.viewer("alice")

    async def leave() -> None:
        stream = events(question, viewer)
        await anext(stream)
        assert question.pk in runner._listeners
        await stream.aclose()

    asyncio.run(leave())
    assert question.pk not in runner._listeners


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_steps_are_told_as_another_thread_commits_them() -> None:
    world = make_world()
    question, viewer = make_question(world.alice, TRAVEL), world.viewer("alice")
    gate_heard = threading.Event()

    def work() -> None:
        try:
            trace.append(question, "gate", {"passed": []}, 1.0)
            runner._tell(question.pk)
            assert gate_heard.wait(20)
            runner.fail(question, "gate", "ZeroDivisionError", runner.FAILED)
            runner._tell(question.pk)
        finally:
            connections.close_all()

    async def listen() -> list[str]:
        names = []
        async for event in events(question, viewer):
            names.append(event.name)
            if event.name == "plan":
                worker.start()
            if event.name == "gate":
                gate_heard.set()
        return names

    worker = threading.Thread(target=work)
    names = async_to_sync(listen)()
    worker.join()
    assert [name for name in names if name != "beat"] == ["started", "plan", "gate", "failed", "done"]


def test_a_search_that_waits_for_another_is_told_in_words(indexed: World) -> None:
    question = asked(indexed.alice, "Who is the head of the team that keeps the budget for travel?")
    plan = next(event for event in heard(question, indexed.viewer("alice")) if event.name == "plan")
    texts = [sub_query["text"] for sub_query in plan.data["sub_queries"]]
    assert texts[1:] == ["Once more, with what 1 finds"]
