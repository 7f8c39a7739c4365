"""The record of an answer: whoever changes any of it, anywhere, breaks a digest that somebody else holds."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from accounts.audit import By, record, verify_everything
from accounts.chain import GENESIS
from accounts.models import AuditEvent
from accounts.triggers import all_lifted
from assistant import trace
from assistant.models import Answer, Citation, Question, TraceStep
from ingestion.models import Chunk
from tests.assistant.asking import asked, index_of_its_own, indexed
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))  # type: ignore[arg-type]


@pytest.fixture
def question(indexed: World) -> Iterator[Question]:
    """An answered question whose record may be tampered with: the triggers are away for the length of the test."""
    answered = asked(indexed.alice, "What is the budget for travel this year?")
    with all_lifted(connection):
        yield answered


def sentences(question: Question) -> list[str]:
    question.refresh_from_db()
    return [disagreement.sentence for disagreement in trace.verify_record(question).disagreements]


def test_an_untouched_record_is_intact(question: Question) -> None:
    report = trace.verify_record(question)
    assert report.is_intact
    assert (report.steps, report.citations) == (11, question.answer.citations.count())
    assert report.last_digest == trace.last_digest(question)


def test_the_chain_begins_at_the_question(question: Question) -> None:
    first = TraceStep.objects.get(question_id=question.pk, position=1)
    assert first.previous == trace.anchor_of(question) != GENESIS


def test_a_changed_step_is_named(question: Question) -> None:
    sql(
        "UPDATE assistant_tracestep SET milliseconds = milliseconds + 1 WHERE question_id = %s AND position = 4",
        question.pk,
    )
    assert sentences(question) == ["Step 4 (gate) was changed after it was written."]


def test_a_missing_step_is_named(question: Question) -> None:
    sql("DELETE FROM assistant_tracestep WHERE question_id = %s AND position = 4", question.pk)
    assert sentences(question)[0] == "Step 4 is missing."


def test_a_cut_tail_is_seen_by_the_audit_that_names_the_last_step(question: Question) -> None:
    sql("DELETE FROM assistant_tracestep WHERE question_id = %s AND position = 11", question.pk)
    found = sentences(question)
    assert "The last step is not the one the audit names: steps were cut or added." in found
    assert "There is an answer that no step records." in found


def test_a_step_added_later_is_seen(question: Question) -> None:
    trace.append(question, "gate", {"passed": []}, 1.0)
    assert sentences(question) == ["The last step is not the one the audit names: steps were cut or added."]


def test_a_rewritten_chain_is_seen_although_its_own_digests_agree(question: Question) -> None:
    steps = list(TraceStep.objects.filter(question_id=question.pk).order_by("position"))
    sql("DELETE FROM assistant_tracestep WHERE question_id = %s", question.pk)
    for step in steps:
        trace.append(question, step.name, step.record, step.milliseconds)
    assert sentences(question) == ["The last step is not the one the audit names: steps were cut or added."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda q: Question.objects.filter(pk=q.pk).update(text="What else?"),
            "The question's words, time or asker's rights are not those the audit recorded.",
        ),
        (
            lambda q: Question.objects.filter(pk=q.pk).update(viewer_digest=GENESIS),
            "The question's words, time or asker's rights are not those the audit recorded.",
        ),
        (
            lambda q: Question.objects.filter(pk=q.pk).update(state="refused"),
            "The question says “no answer found”, the audit says question.answered.",
        ),
        (
            lambda q: Answer.objects.filter(question=q).update(claims=[]),
            "The answer's claims are not what the last step recorded.",
        ),
        (
            lambda q: Answer.objects.filter(question=q).update(method="oracle"),
            "The answer's method is not what the last step recorded.",
        ),
        (
            lambda q: Citation.objects.filter(answer__question=q, number=1).update(end=5),
            "The answer's footnotes are not what the last step recorded.",
        ),
        (
            lambda q: Citation.objects.filter(answer__question=q).delete(),
            "The answer's footnotes are not what the last step recorded.",
        ),
    ],
)
def test_whatever_the_record_rests_on_cannot_be_changed_unseen(
    question: Question, change: Callable[[Question], object], sentence: str
) -> None:
    change(question)
    assert sentence in sentences(question)


def test_changed_text_of_a_cited_chunk_is_named_by_its_footnote(question: Question) -> None:
    cited = Citation.objects.get(answer__question=question, number=1)
    Chunk.objects.filter(pk=cited.chunk_id).update(text="The budget for travel is 90,000 euros this year.")
    assert "Footnote 1: the cited text is not what was cited." in sentences(question)


def test_a_purged_chunk_is_reported_as_no_longer_verifiable_and_breaks_nothing(question: Question) -> None:
    cited = Citation.objects.get(answer__question=question, number=1)
    Chunk.objects.filter(pk=cited.chunk_id).delete()
    report = trace.verify_record(question)
    assert report.is_intact
    assert report.unverifiable == (1,)


def test_a_second_ending_is_seen(question: Question) -> None:
    event = AuditEvent.objects.get(type="question.answered")
    record("question.answered", by=By.system("tests"), subject=event.subject, details=event.details)
    assert "The audit holds 2 events of how it ended, not one." in sentences(question)


def test_the_audit_verification_covers_the_records_of_answers(indexed: World) -> None:
    asked(indexed.alice, "What is the budget for travel this year?")
    reports = {report.name: report for report in verify_everything()}
    assert reports["answer records"].is_intact
    assert reports["answer records"].checked == 11


def test_the_audit_verification_names_the_question_that_was_tampered_with(question: Question) -> None:
    Answer.objects.filter(question=question).update(claims=[])
    report = trace.verify_records()
    assert not report.is_intact
    assert any(str(question.public_id) in found.sentence for found in report.disagreements)


def test_missing_triggers_are_named(question: Question) -> None:
    assert "The database does not refuse changes" in trace.verify_records().disagreements[0].sentence
