"""Evaluation runs: asked with each asker's rights, written question by question, taken up after a kill, never twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.audit import By
from accounts.models import AuditEvent, Membership, User
from assistant import tasks
from assistant.golden import asking, running
from assistant.golden.actions import (
    change_golden_question,
    remove_golden_question,
    start_evaluation,
    stop_evaluation,
)
from assistant.golden.figures import compare, figures_of, line_of
from assistant.golden.models import EvaluationResult, EvaluationRun
from assistant.golden.types import Entry, NotPossible
from ingestion import pipeline
from retrieval.options import Options
from tests.assistant.asking import index_of_its_own, indexed
from tests.assistant.golden import ATLANTIS, TRAVEL, evaluated, golden, requested, result_of
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name

ROOT = Path(__file__).resolve().parents[2]
State = EvaluationRun.State


def last_event() -> AuditEvent:
    event: AuditEvent = AuditEvent.objects.latest("position")
    return event


# --- What comes of a question -------------------------------------------------------------------------------------


def test_each_question_is_asked_with_its_asker_s_own_rights(indexed: World) -> None:
    budget = indexed.documents["budget"]
    for_alice = golden(indexed.alice, indexed.alice, TRAVEL, budget, words="40,000   EUROS")
    for_charlie = golden(indexed.alice, indexed.charlie, TRAVEL, budget)
    run = evaluated(indexed)
    alice, charlie = result_of(run, for_alice), result_of(run, for_charlie)
    assert (alice.ranks, alice.outcome, alice.has_words, alice.is_right) == ([1], "answered", True, True)
    assert (charlie.ranks, charlie.is_right) == ([None], False)
    assert alice.milliseconds
    assert run.state == State.FINISHED


def test_the_rights_are_those_of_the_moment_of_asking(indexed: World) -> None:
    question = golden(indexed.alice, indexed.bob, TRAVEL, indexed.documents["budget"])
    assert result_of(evaluated(indexed), question).is_right
    Membership.objects.filter(user=indexed.bob).delete()
    assert result_of(evaluated(indexed), question).ranks == [None]


def test_a_question_without_an_answer_is_right_when_it_is_refused(indexed: World) -> None:
    right = golden(indexed.adam, indexed.charlie, ATLANTIS, refused=True)
    wrong = golden(indexed.alice, indexed.alice, TRAVEL, refused=True)
    run = evaluated(indexed)
    assert (result_of(run, right).outcome, result_of(run, right).is_right) == ("refused", True)
    assert (result_of(run, wrong).outcome, result_of(run, wrong).is_right) == ("answered", False)


def test_words_that_the_answer_lacks_make_it_wrong(indexed: World) -> None:
    question = golden(indexed.alice, indexed.alice, TRAVEL, words="90,000 euros")
    result = result_of(evaluated(indexed), question)
    assert (result.outcome, result.has_words, result.is_right) == ("answered", False, False)


def test_an_asker_who_can_no_longer_sign_in_is_a_failure_of_that_question_alone(indexed: World) -> None:
    gone = golden(indexed.alice, indexed.bob)
    stays = golden(indexed.alice, indexed.alice, TRAVEL, indexed.documents["budget"])
    User.objects.filter(pk=indexed.bob.pk).update(is_active=False)
    run = evaluated(indexed)
    assert result_of(run, gone).state == EvaluationResult.State.FAILED
    assert "Bob can no longer sign in" in result_of(run, gone).error
    assert result_of(run, stays).is_right
    assert (run.state, run.figures["failed"], run.figures["right"]) == (State.FINISHED, 1, 0.5)


def test_a_question_that_breaks_is_recorded_and_the_next_is_asked(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden(indexed.alice, indexed.alice)
    golden(indexed.alice, indexed.bob)

    def broken(*args: object) -> None:
        raise ZeroDivisionError("secret words of a document")

    monkeypatch.setattr("assistant.pipeline.extract", broken)
    run = evaluated(indexed)
    assert [result.error for result in run.results.all()] == [running.BROKE] * 2
    assert run.state == State.FINISHED
    assert run.figures["right"] == 0.0


def test_nothing_of_an_answer_or_of_a_document_is_kept(indexed: World) -> None:
    golden(indexed.alice, indexed.alice, TRAVEL, indexed.documents["budget"])
    run = evaluated(indexed)
    for result in run.results.all():
        kept = " ".join(str(value) for value in result.__dict__.values())
        assert "40,000" not in kept
    assert "40,000" not in str(last_event().details)


def test_the_options_of_a_run_are_those_it_is_asked_with(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden(indexed.alice, indexed.alice)
    seen: list[Options] = []
    ask = asking.ask

    def watched(result: EvaluationResult, options: Options, alive: Callable[[], None]) -> asking.Came:
        seen.append(options)
        return ask(result, options, alive)

    monkeypatch.setattr(asking, "ask", watched)
    run = evaluated(indexed, "fusion=rrf bridge=off")
    assert seen == [Options(fusion="rrf", bridge=False)]
    assert (run.state, run.options) == (State.FINISHED, "fusion=rrf bridge=off")


def test_options_that_retrieval_no_longer_has_fail_the_run_with_a_sentence(indexed: World) -> None:
    golden(indexed.alice, indexed.alice)
    run = requested(indexed)
    EvaluationRun.objects.update(options="fusion=best")
    running.carry_out(run.pk)
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert "“fusion” takes" in run.error
    assert last_event().type == "evaluation.finished"


# --- Requested, sent for, stopped ---------------------------------------------------------------------------------


def test_a_run_is_recorded_with_whose_rights_it_uses_and_sent_for_when_that_is_through(
    world: World, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    golden(world.adam, world.alice)
    golden(world.adam, world.bob)
    with django_capture_on_commit_callbacks() as sent:
        run = requested(world, label="  As   it is ")
    assert len(sent) == 1
    event = last_event()
    assert (event.type, event.subject, event.subject_label) == ("evaluation.started", run.subject, "As it is")
    assert event.details["askers"] == sorted([f"user:{world.alice.pk}", f"user:{world.bob.pk}"])


def test_nothing_is_started_without_questions_or_while_a_run_is_open(world: World) -> None:
    with pytest.raises(NotPossible, match="no golden question to ask"):
        requested(world)
    golden(world.adam, world.alice)
    first = requested(world)
    with pytest.raises(NotPossible, match="being asked already"):
        requested(world)
    assert EvaluationRun.objects.count() == 1
    stop_evaluation(by=By.user(world.adam), run=first)
    assert requested(world).pk != first.pk


def test_the_database_itself_holds_no_two_open_runs(world: World) -> None:
    EvaluationRun.objects.create(state=State.QUEUED)
    for state in (State.QUEUED, State.RUNNING):
        with pytest.raises(IntegrityError), transaction.atomic():
            EvaluationRun.objects.create(state=state)
    for state in (State.FINISHED, State.FAILED, State.INTERRUPTED, State.FINISHED):
        EvaluationRun.objects.create(state=state)


def test_a_stopped_run_asks_nothing_more_and_keeps_what_it_has(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (indexed.alice, indexed.bob, indexed.charlie):
        golden(indexed.alice, user)
    run = requested(indexed)
    ask = asking.ask

    def stop_at_the_second(
        result: EvaluationResult, options: Options, alive: Callable[[], None]
    ) -> asking.Came:
        if result.asker_id == indexed.bob.pk:
            stop_evaluation(by=By.user(indexed.adam), run=run)
        return ask(result, options, alive)

    monkeypatch.setattr(asking, "ask", stop_at_the_second)
    running.carry_out(run.pk)
    run.refresh_from_db()
    assert [result.state for result in run.results.all()] == ["done", "waiting", "waiting"]
    assert (run.state, run.error) == (State.INTERRUPTED, "Stopped by Adam before every question was asked.")
    assert last_event().type == "evaluation.stopped"
    with pytest.raises(NotPossible, match="already stopped"):
        stop_evaluation(by=By.user(indexed.adam), run=run)
    running.carry_out(run.pk)
    assert run.results.filter(state="waiting").count() == 2


def test_editing_a_question_changes_no_run_that_was_requested_before(indexed: World) -> None:
    question = golden(indexed.alice, indexed.alice, TRAVEL, indexed.documents["budget"])
    run = requested(indexed)
    changed = Entry(ATLANTIS, indexed.charlie, "refused")
    by = By.user(indexed.adam)
    change_golden_question(by=by, viewer=indexed.viewer("adam"), question=question, entry=changed)
    remove_golden_question(by=by, question=question)
    running.carry_out(run.pk)
    result = result_of(run, question)
    assert (result.text, result.asker, result.is_right) == (TRAVEL, indexed.alice, True)


# --- Cut off, and taken up again ----------------------------------------------------------------------------------


def test_a_run_in_somebody_s_hands_is_left_to_them_until_their_heart_stops(indexed: World) -> None:
    golden(indexed.alice, indexed.alice)
    run = requested(indexed)
    claim = running.Claim.take(run.pk)
    assert claim is not None
    assert running.waiting() == []
    assert running.Claim.take(run.pk) is None
    EvaluationRun.objects.update(heartbeat_at=timezone.now() - running.STALE - timedelta(seconds=1))
    assert running.waiting() == [run.pk]
    tasks.run_evaluation(run.pk)
    with transaction.atomic(), pytest.raises(running.ClaimLost):
        claim.hold()
    run.refresh_from_db()
    assert run.state == State.FINISHED


def test_after_a_restart_a_run_goes_on_where_it_was_and_asks_nothing_twice(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (indexed.alice, indexed.bob, indexed.charlie):
        golden(indexed.alice, user)
    run = requested(indexed)
    asked: list[int] = []
    ask = asking.ask

    def killed_at_the_second(
        result: EvaluationResult, options: Options, alive: Callable[[], None]
    ) -> asking.Came:
        asked.append(result.asker_id)
        if len(asked) == 2:
            raise SystemExit  # as if the process ended here
        return ask(result, options, alive)

    monkeypatch.setattr(asking, "ask", killed_at_the_second)
    with pytest.raises(SystemExit):
        running.carry_out(run.pk)
    assert running.waiting() == []
    assert running.take_up_after_restart() == 1
    assert running.waiting() == [run.pk]
    running.carry_out(run.pk)
    run.refresh_from_db()
    assert run.state == State.FINISHED
    assert asked == [indexed.alice.pk, indexed.bob.pk, indexed.bob.pk, indexed.charlie.pk]
    assert AuditEvent.objects.filter(type="evaluation.finished").count() == 1


def test_a_question_that_takes_the_server_down_twice_is_not_asked_a_third_time(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = golden(indexed.alice, indexed.alice)
    harmless = golden(indexed.alice, indexed.bob)
    run = requested(indexed)
    ask = asking.ask

    def deadly_ask(result: EvaluationResult, options: Options, alive: Callable[[], None]) -> asking.Came:
        if result.question_id == deadly.pk:
            raise SystemExit
        return ask(result, options, alive)

    monkeypatch.setattr(asking, "ask", deadly_ask)
    for _ in range(2):
        running.take_up_after_restart()
        with pytest.raises(SystemExit):
            running.carry_out(run.pk)
    running.take_up_after_restart()
    running.carry_out(run.pk)
    run.refresh_from_db()
    assert run.state == State.FINISHED
    assert result_of(run, deadly).error == running.CUT_OFF
    assert result_of(run, harmless).state == EvaluationResult.State.DONE


def test_a_process_that_stops_gives_its_run_back(indexed: World) -> None:
    golden(indexed.alice, indexed.alice)
    run = requested(indexed)
    pipeline.stopping.set()
    try:
        tasks.run_evaluation(run.pk)
    finally:
        pipeline.stopping.clear()
    run.refresh_from_db()
    assert run.state == State.QUEUED
    assert running.waiting() == [run.pk]


def test_a_holder_whose_run_was_taken_over_writes_nothing_more(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = golden(indexed.alice, indexed.alice)
    run = requested(indexed)
    ask = asking.ask

    def taken_over(result: EvaluationResult, options: Options, alive: Callable[[], None]) -> asking.Came:
        came = ask(result, options, alive)
        running.take_up_after_restart()
        assert running.Claim.take(run.pk) is not None
        return came

    monkeypatch.setattr(asking, "ask", taken_over)
    running.carry_out(run.pk)
    assert result_of(run, question).state == EvaluationResult.State.WAITING


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_run_whose_question_takes_long_shows_signs_of_life_until_it_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "BEAT_SECONDS", 0.05)
    run = EvaluationRun.objects.create()
    claim = running.Claim.take(run.pk)
    assert claim is not None

    def beats() -> bool:
        long_ago = timezone.now() - timedelta(hours=1)
        EvaluationRun.objects.update(heartbeat_at=long_ago)
        for _ in range(40):
            time.sleep(0.05)
            if EvaluationRun.objects.get().heartbeat_at != long_ago:
                return True
        return False

    with claim.beating():
        assert beats()
        running.take_up_after_restart()
        other = running.Claim.take(run.pk)
        if other is None:  # a beat came between the two
            EvaluationRun.objects.update(claim=None)
        assert not beats()
    with pytest.raises(running.ClaimLost):
        claim.check()


@pytest.mark.slow
def test_a_run_survives_being_killed(tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("The processes of this test share a database file.")
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "FOOTNOTE_DATA_DIR": str(tmp_path),
        "FOOTNOTE_EMBEDDING_MODEL": "tests.fakes:HashingEmbedder",
        "CELERY_BROKER_URL": "memory://",
        "DATABASE_URL": "",
    }
    command = [sys.executable, "-m", "tests.assistant.one_evaluation"]

    def start(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*command, *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    first = start("new")
    assert first.stdout is not None
    while (line := first.stdout.readline()) and not line.startswith("asked 3"):
        pass
    assert line, "the process ended before it asked a third question"
    time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    said, _ = start("again").communicate(timeout=120)
    lines = said.strip().split("\n")
    assert lines[-1] == "finished 8 questions, 8 done, 1 finished event", said
    asked_again = [line for line in lines if line.startswith("asked ")]
    assert len(asked_again) <= 6, said


# --- Adding up and comparing --------------------------------------------------------------------------------------


def result(**differs: object) -> EvaluationResult:
    usual: dict[str, object] = {
        "state": "done", "outcome": "answered", "expected_outcome": "answered", "expected": ["a", "b"],
        "ranks": [1, 12], "is_right": True, "milliseconds": 10.0,
    }  # fmt: skip
    return EvaluationResult(**{**usual, **differs})


def test_figures_add_up_what_was_asked_and_say_nothing_where_nothing_was_to_be_measured() -> None:
    figures = figures_of(
        [
            result(),
            result(ranks=[None, 3], has_words=True, milliseconds=30.0),
            result(
                expected=[], ranks=[], outcome="refused", is_right=False, has_words=False, milliseconds=20.0
            ),
            result(state="failed", is_right=None, milliseconds=None),
            result(state="waiting", is_right=None, milliseconds=None),
        ]
    )
    assert figures == {
        "questions": 5, "asked": 3, "failed": 1, "right": 0.5, "hit": 1.0, "all": 0.0, "first": 0.5,
        "outcome": 0.6667, "words": 0.5, "p50_ms": 20.0, "p95_ms": 30.0,
    }  # fmt: skip
    assert figures_of([])["hit"] is None


def test_the_line_runs_from_the_oldest_to_the_newest_run_that_measured_something() -> None:
    now = timezone.now()
    runs = [
        EvaluationRun(pk=n, created_at=now, figures={"hit": hit})
        for n, hit in ((4, 1.0), (3, None), (2, 0.5), (1, 0.0))
    ]
    line = line_of(runs)
    assert [(point.run.pk, point.x, point.y) for point in line.points] == [
        (1, 0.0, 100.0), (2, 50.0, 50.0), (4, 100.0, 0.0),
    ]  # fmt: skip
    assert line.path == "0.0,100.0 50.0,50.0 100.0,0.0"
    assert line_of([]).points == ()


def test_two_runs_are_compared_by_figures_and_by_the_questions_that_ended_otherwise(indexed: World) -> None:
    budget = indexed.documents["budget"]
    lost = golden(indexed.alice, indexed.bob, TRAVEL, budget)
    alike = golden(indexed.alice, indexed.alice, TRAVEL, budget)
    removed = golden(indexed.alice, indexed.alice, "When does payroll run?")
    first = evaluated(indexed)
    Membership.objects.filter(user=indexed.bob).delete()
    remove_golden_question(by=By.user(indexed.adam), question=removed)
    second = evaluated(indexed)
    comparison = compare(first, second)
    assert [q.either.question_id for q in comparison.different] == [lost.pk, removed.pk]
    assert comparison.different[1].second is None
    assert comparison.alike == 1
    assert alike.pk not in {q.either.question_id for q in comparison.different}
    hit = next(figure for figure in comparison.figures if figure.measure.key == "hit")
    assert (hit.first, hit.second, hit.difference, hit.trend) == ("100 %", "50 %", "-50 points", "worse")


def test_a_question_that_was_edited_between_two_runs_is_marked(indexed: World) -> None:
    question = golden(indexed.alice, indexed.alice, TRAVEL, indexed.documents["budget"])
    first = evaluated(indexed)
    entry = Entry(ATLANTIS, indexed.alice, "answered")
    change_golden_question(
        by=By.user(indexed.alice), viewer=indexed.viewer("alice"), question=question, entry=entry
    )
    (compared,) = compare(first, evaluated(indexed)).different
    assert compared.was_edited


def test_requesting_with_nobody_s_name_is_possible_for_the_product_itself(world: World) -> None:
    golden(world.adam, world.alice)
    run = start_evaluation(by=By.system("demo"), user=None, options=Options())
    assert (run.requested_by, run.name) == (None, "Standard options")
