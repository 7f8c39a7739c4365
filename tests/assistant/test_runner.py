"""Runs in the background: every step is a row before anybody hears of it, and every run ends in one state and one event."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.audit import By
from accounts.models import AuditEvent, Membership
from assistant import actions, runner, trace
from assistant.models import Answer, Citation, Question, TraceStep
from assistant.processes import Processes, _Worker
from ingestion.index import close_index
from ingestion.models import Document
from retrieval.types import Step
from tests.assistant.answers import make_question
from tests.assistant.asking import asked, index_of_its_own, indexed, indexed_world
from tests.ingestion.test_index_process import eventually
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name

TRAVEL = "What is the budget for travel this year?"


def last_event() -> AuditEvent:
    event: AuditEvent = AuditEvent.objects.latest("position")
    return event


def test_an_answer_is_written_with_its_footnotes_steps_and_one_event(indexed: World) -> None:
    question = asked(indexed.alice, TRAVEL)
    assert question.state == Question.State.ANSWERED
    assert question.finished_at
    assert Citation.objects.filter(answer=question.answer, number=1).exists()
    names = list(TraceStep.objects.filter(question_id=question.pk).values_list("name", flat=True))
    assert names == [
        "screen", "plan", "search", "gate", "bridge", "sufficiency", "rerank", "context", "answer", "verify", "record",
    ]  # fmt: skip
    event = last_event()
    assert (event.type, event.actor) == ("question.answered", f"user:{indexed.alice.pk}")
    assert event.details["last_digest"] == trace.last_digest(question)
    assert event.details["outcome"] == "answered"


def test_a_refusal_is_an_answer_too(indexed: World) -> None:
    question = asked(indexed.charlie, "Who founded Atlantis?")
    assert question.state == Question.State.REFUSED
    assert question.answer.refusal["missing"] == ["Atlantis"]
    assert last_event().type == "question.refused"


def test_the_answer_keeps_no_words_of_the_document(indexed: World) -> None:
    answer = asked(indexed.alice, TRAVEL).answer
    assert all(claim["text"] is None for claim in answer.claims)


def test_a_right_lost_while_the_answer_was_made_strikes_what_rested_on_it(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = runner._keep

    def revoke_after_verification(question: Question, step: Step) -> None:
        keep(question, step)
        if step.name == "verify":
            Membership.objects.filter(user=indexed.bob).delete()

    monkeypatch.setattr(runner, "_keep", revoke_after_verification)
    question = asked(indexed.bob, TRAVEL)
    assert question.state == Question.State.REFUSED
    assert not Citation.objects.exists()
    record = TraceStep.objects.get(question_id=question.pk, name="record").record
    assert record["struck"]
    assert {w["reason"] for w in record["withheld"]} == {"not_permitted"}


def test_a_stage_that_breaks_is_recorded_and_said_in_a_sentence(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("secret words of a document")

    monkeypatch.setattr("assistant.pipeline.extract", broken)
    question = asked(indexed.alice, TRAVEL)
    assert (question.state, question.error) == (Question.State.FAILED, runner.FAILED)
    step = TraceStep.objects.filter(question_id=question.pk).order_by("position").last()
    assert step is not None
    assert (step.name, step.record["after"], step.record["error"]) == (
        "failed",
        "context",
        "ZeroDivisionError",
    )
    assert "secret" not in str(step.record)
    assert last_event().type == "question.failed"
    assert not Answer.objects.exists()
    assert trace.verify_record(question).is_intact


def test_an_index_that_cannot_be_asked_says_so_itself(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.index.types import IndexUnavailable

    def down() -> None:
        raise IndexUnavailable("The search index cannot be reached.")

    monkeypatch.setattr("retrieval.search.get_index", down)
    assert asked(indexed.alice, TRAVEL).error == "The search index cannot be reached."


def test_a_run_whose_question_was_closed_meanwhile_writes_nothing_more(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = runner._keep

    def close_after_gate(question: Question, step: Step) -> None:
        keep(question, step)
        if step.name == "gate":
            assert runner.close_interrupted(timedelta(0)) == 1

    monkeypatch.setattr(runner, "_keep", close_after_gate)
    question = asked(indexed.alice, TRAVEL)
    assert question.state == Question.State.INTERRUPTED
    last = TraceStep.objects.filter(question_id=question.pk).order_by("position").last()
    assert last is not None
    assert last.name == "gate"
    assert trace.verify_record(question).is_intact


def test_a_question_whose_heart_stopped_is_closed_with_a_sentence(world: World) -> None:
    question = actions.ask(by=By.user(world.alice), user=world.alice, conversation=None, text=TRAVEL)
    Question.objects.filter(pk=question.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert runner.close_interrupted() == 1
    question.refresh_from_db()
    assert (question.state, question.error) == (Question.State.INTERRUPTED, runner.INTERRUPTED)
    assert last_event().type == "question.interrupted"
    assert runner.close_interrupted() == 0


def test_a_question_whose_heart_beats_is_left_alone(world: World) -> None:
    make_question(world.alice, TRAVEL)
    assert runner.close_interrupted() == 0


def test_what_a_killed_server_left_is_closed_at_the_next_start(world: World) -> None:
    question = make_question(world.alice, TRAVEL)
    # On SQLite nobody else can be at it; on PostgreSQL another process may, so its heart decides.
    expected = 1 if connection.vendor == "sqlite" else 0
    assert runner.take_up_after_restart() == expected
    Question.objects.filter(pk=question.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    runner.take_up_after_restart()
    question.refresh_from_db()
    assert question.state == Question.State.INTERRUPTED


def test_a_finished_question_is_not_answered_twice(indexed: World) -> None:
    question = asked(indexed.alice, TRAVEL)
    steps = TraceStep.objects.count()
    runner.run(question.pk)
    assert TraceStep.objects.count() == steps


def test_a_question_whose_process_died_before_it_began_is_taken_up_again_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = actions.ask(by=By.user(world.alice), user=world.alice, conversation=None, text=TRAVEL)
    started: list[int] = []
    monkeypatch.setattr(runner, "start", started.append)
    monkeypatch.setattr(runner, "_taken_up_again", set())
    runner._take_up_again(question)
    question.refresh_from_db()
    assert (started, question.state) == ([question.pk], Question.State.RUNNING)
    runner._take_up_again(question)
    question.refresh_from_db()
    assert (started, question.state) == ([question.pk], Question.State.INTERRUPTED)


def test_a_question_whose_process_died_in_the_middle_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = make_question(world.alice, TRAVEL)
    monkeypatch.setattr(runner, "start", lambda pk: pytest.fail(f"{pk} was begun again"))
    monkeypatch.setattr(runner, "_taken_up_again", set())
    runner._take_up_again(question)
    question.refresh_from_db()
    assert question.state == Question.State.INTERRUPTED
    assert last_event().type == "question.interrupted"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_questions_are_answered_in_threads_of_their_own(index_of_its_own: None, settings: Settings) -> None:
    world = indexed_world()
    questions = [
        actions.ask(by=By.user(user), user=user, conversation=None, text=TRAVEL)
        for user in (world.alice, world.bob, world.charlie)
    ]
    for question in questions:
        runner.wait(question.pk, 60)
        question.refresh_from_db()
    assert [question.state for question in questions] == ["answered", "answered", "refused"]
    assert all(trace.verify_record(question).is_intact for question in questions)
    budget = Document.objects.get(pk=world.documents["budget"].pk)
    assert not Citation.objects.filter(document_id=budget.pk, answer__question=questions[2]).exists()
    close_index()


class _Unstartable(Processes):
    """Where the machine gives no process."""

    def _start(self) -> _Worker:
        raise OSError("Resource temporarily unavailable")


@pytest.mark.django_db(transaction=True)
def test_where_no_process_can_be_started_a_question_ends_with_a_sentence() -> None:
    world = indexed_world()
    question = make_question(world.alice, TRAVEL)
    with runner.answering_elsewhere(_Unstartable(1, at_once=1, heard=runner.hear)):
        runner.start(question.pk)
        eventually(lambda: Question.objects.get(pk=question.pk).state == Question.State.FAILED)
    question.refresh_from_db()
    assert question.error == runner.FAILED
    assert last_event().type == "question.failed"
