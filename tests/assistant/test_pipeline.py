"""The whole way of a question: what each person is told, and that nobody is told anything of what they may not read."""

import json

import pytest

from assistant.pipeline import answer
from assistant.types import NotAskable
from ingestion.models import Chunk
from tests.assistant.asking import answer_of, index_of_its_own, indexed, steps_of
from tests.world import READABLE, World

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name

QUESTIONS = (
    "On which day does payroll run?",
    "What is the budget for travel?",
    "What does the investigation concern?",
    "When does the merger close?",
    "What does the soup of the day cost?",
    "Which page is kept for the archive?",
)


def test_the_stages_come_in_order(indexed: World) -> None:
    names = [step.name for step in answer("What is the budget for travel?", (), indexed.viewer("alice"))]
    assert names == [
        "screen",
        "plan",
        "search",
        "gate",
        "bridge",
        "sufficiency",
        "rerank",
        "context",
        "answer",
        "verify",
    ]


def test_the_answer_is_a_verbatim_sentence_with_its_place(indexed: World) -> None:
    verified = answer_of(indexed.alice, "What is the budget for travel this year?")
    assert verified.outcome == "answered"
    quote = verified.footnotes[0]
    assert quote.text == "The budget for travel is 40,000 euros this year."
    chunk = Chunk.objects.select_related("version").get(pk=quote.chunk)
    assert chunk.version.text[quote.start : quote.end] == quote.text
    assert (quote.number, verified.claims[0].text) == (1, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(READABLE))
def test_no_stage_hands_a_person_words_they_may_not_read(indexed: World, name: str) -> None:
    readable = {indexed.documents[key].pk for key in READABLE[name]}
    for question in QUESTIONS:
        steps = steps_of(getattr(indexed, name), question)
        assert {item.passage.document for item in steps["context"].value.items} <= readable
        assert {quote.document for quote in steps["verify"].value.footnotes} <= readable


def test_records_hold_no_words_of_documents(indexed: World) -> None:
    for question in QUESTIONS:
        for step in steps_of(indexed.alice, question).values():
            record = json.dumps(step.record, ensure_ascii=False)
            for text in Chunk.objects.values_list("text", flat=True):
                for sentence in text.split(". "):
                    assert sentence.strip(". ") not in record


def test_what_nobody_may_read_is_refused_in_the_same_words_as_what_does_not_exist(indexed: World) -> None:
    hidden = answer_of(indexed.charlie, "What does the Leeds investigation concern?").refusal
    absent = answer_of(indexed.charlie, "What does the Lisbon investigation concern?").refusal
    assert hidden is not None
    assert absent is not None
    assert hidden.reason.replace("Leeds", "…") == absent.reason.replace("Lisbon", "…")
    assert (hidden.sources, hidden.advice) == (absent.sources, absent.advice)


def test_a_refusal_names_only_sources_that_were_read_for_this_person(indexed: World) -> None:
    refusal = answer_of(indexed.charlie, "How do I reach Atlantis by submarine?").refusal
    assert refusal is not None
    assert set(refusal.sources) <= {"Handbook"}
    assert "Atlantis" in refusal.missing


def test_a_person_without_documents_gets_an_honest_refusal(indexed: World) -> None:
    indexed.bob.is_active = False
    indexed.bob.save(update_fields=["is_active"])
    verified = answer_of(indexed.bob, "What is the budget for travel?")
    assert verified.outcome == "refused"
    assert verified.refusal is not None
    assert verified.refusal.reason == "Nothing in the documents you may read speaks of this."
    assert verified.refusal.sources == ()


def test_a_question_in_two_parts_gets_a_sentence_for_each(indexed: World) -> None:
    verified = answer_of(indexed.alice, "What does the soup of the day cost, and when does payroll run?")
    texts = [quote.text for quote in verified.footnotes]
    assert "Payroll runs on the 25th of each month." in texts
    assert "The soup of the day costs three euros." in texts
    assert {number for claim in verified.claims for number in claim.sub_queries} == {1, 2}


def test_the_part_that_is_not_stated_is_named_beside_the_part_that_is(indexed: World) -> None:
    verified = answer_of(indexed.alice, "What does the soup of the day cost, and who founded Atlantis?")
    assert verified.outcome == "answered"
    assert verified.refusal is not None
    assert "Atlantis" in verified.refusal.missing


def test_what_cannot_be_asked_ends_the_pipeline_at_its_first_stage(indexed: World) -> None:
    with pytest.raises(NotAskable):
        next(answer("  ", (), indexed.viewer("alice")))


def test_every_sentence_that_was_weighed_is_on_record_with_why_it_lost(indexed: World) -> None:
    record = steps_of(indexed.alice, "What is the budget for travel?")["answer"].record
    assert any(entry["lost"] == "" for entry in record["considered"])
    assert any(entry["lost"] for entry in record["considered"])
    assert all(set(entry["features"]) >= {"meaning", "wording", "around"} for entry in record["considered"])
