"""An answer's record as a plain value: told from rows that may have been changed since."""

import json
from typing import get_type_hints

import pytest
from django.db import connection

from accounts.triggers import lift
from assistant import trace
from assistant.auditing import types
from assistant.auditing.figures import figures_of
from assistant.auditing.questions import QuestionFilter
from assistant.auditing.record import answer_record
from assistant.models import Question, TraceStep
from tests.assistant.audited import answered
from tests.world import World

TRAVEL = "The budget for travel is 40,000 euros this year."
STAGES = ["screen", "plan", "search", "gate", "bridge", "rerank", "context", "answer", "verify", "record"]


@pytest.fixture
def question(world: World) -> Question:
    documents = world.documents
    return answered(
        world.alice,
        "What is the travel budget?",
        [(documents["budget"], TRAVEL)],
        lost=[documents["menu"]],
        withheld=[(documents["nobody"], "old_version")],
    )


def test_every_stage_is_told_and_follows_from_the_one_before(question: Question) -> None:
    record = answer_record(question)
    assert [stage.name for stage in record.stages] == STAGES
    assert record.is_true
    assert all(stage.title and stage.digest.startswith("sha256:") for stage in record.stages)
    assert record.last_digest == trace.last_digest(question)
    assert record.ending is not None
    assert record.ending.details["last_digest"] == record.last_digest


def test_every_candidate_has_one_fate(question: Question) -> None:
    record = answer_record(question)
    (search,) = record.searches
    fates = {candidate.of.title: candidate.fate for candidate in search.candidates}
    assert {title: fate.kind for title, fate in fates.items()} == {
        "Budget": "cited",
        "Menu": "lost",
        "Nobody": "withheld",
    }
    assert fates["Budget"].words == "cited as 1"
    assert fates["Nobody"].words == "withheld: from a version that has been replaced"
    assert [kept.of.title for kept in record.withheld] == ["Nobody"]


def test_what_one_search_did_not_find_has_no_score_there(question: Question) -> None:
    first, second, *_ = answer_record(question).searches[0].candidates
    assert (first.keyword, first.keyword_part) == (8.5, 100.0)
    assert (second.keyword, second.keyword_part) == (None, 0.0)
    assert second.meaning_part == 50.0


def test_a_duplicate_is_named_by_its_title_and_not_by_a_number(world: World, question: Question) -> None:
    twin = answer_record(question).cited[0].of.chunk
    other = Question.objects.create(
        conversation=question.conversation, position=9, text="And?", viewer_digest="", asked_at=question.asked_at,
        heartbeat_at=question.asked_at,
    )  # fmt: skip
    trace.append(other, "context", {"left_out": [{"chunk": twin, "reason": f"says the same as {twin}"}]}, 1)
    record = answer_record(other)
    assert record.duplicates[0].reason == "says the same as “Budget”"
    assert record.left_out_because == (("the same as another passage", 1),)


def test_a_question_without_steps_has_a_record(question: Question) -> None:
    lift(connection, TraceStep._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM assistant_tracestep")
    record = answer_record(question)
    assert record.stages == ()
    assert record.last_digest == record.anchor


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"candidates": 3, "sub_queries": [{"number": "x", "candidates": [{"chunk": None}, 7, []]}, None]},
        {"passed": [{"chunk": 1, "through": 5}, {"through": [[["x"]], "y"]}], "withheld": [{"reason": 4}]},
        {"ranked": [{"chunk": -1, "score": "high", "features": []}], "items": {"a": 1}, "left_out": [{}]},
        {"bridges": [{"document": 10**30, "named_in": "passage 99"}], "footnotes": [{"quote_digest": []}]},
        {
            "citations": [{"number": None, "chunk": "1"}],
            "claims": [{"support": {}}],
            "findings": [{"kind": 1}],
        },
    ],
)
def test_whatever_a_step_was_changed_to_it_can_be_shown_and_disagrees(
    question: Question, garbage: dict[str, object]
) -> None:
    lift(connection, TraceStep._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE assistant_tracestep SET record = %s", [json.dumps(garbage)])
    record = answer_record(question)
    assert [stage.name for stage in record.stages] == STAGES
    assert not any(stage.is_true for stage in record.stages)
    assert len(trace.verify_record(question).disagreements) >= len(STAGES)


def test_a_record_has_nowhere_to_put_a_passage() -> None:
    held = {
        hint
        for name in types.AnswerRecord.__dataclass_fields__
        for hint in [str(get_type_hints(types.AnswerRecord)[name])]
    }
    assert not any("Passage" in hint or "Chunk" in hint for hint in held)
    assert set(types.Reference.__dataclass_fields__) == {
        "chunk", "title", "source", "document", "headings", "page",
    }  # fmt: skip


def test_the_figures_of_nothing_are_empty(world: World) -> None:
    figures = figures_of(QuestionFilter().questions())
    assert figures.asked == 0
    assert figures.bars == ()
    assert figures.median_time == "–"


def test_the_figures_add_up(world: World, question: Question) -> None:
    answered(world.bob, "Who owns the gardens?", [])
    figures = figures_of(QuestionFilter().questions())
    assert (figures.asked, figures.answered, figures.refused, figures.people) == (2, 1, 1, 2)
    assert len(figures.bars) == 14
    assert figures.bars[-1].heights == (50.0, 50.0, 0.0, 0.0)
    assert figures.bars[-1].tops == (50.0, 0.0, 0.0, 0.0)
    assert sum(bar.total for bar in figures.bars) == 2
    assert [share.name for share in figures.documents] == ["Budget"]
    planned = figures.stages[0]
    assert (planned.name, planned.value, planned.part) == ("Planned", 3.0, 100.0)
