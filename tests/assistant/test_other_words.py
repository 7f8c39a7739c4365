"""A question in other words than the documents' is answered, and both the asker and the auditor are told how it was read."""

import json

from django.test import Client

from accounts.viewer import EVERYONE
from assistant.auditing.record import answer_record
from assistant.models import Question, TraceStep
from ingestion.access import Rule
from ingestion.models import Chunk
from tests.assistant.asking import (
    answer_of,
    asked,
    deliver,
    how_it_was_answered,
    index_of_its_own,
    indexed,
    rewrite,
)
from tests.factories import make_document
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]

QUESTION = "When are the restrooms cleaned?"
TEXT = "The toilets are cleaned at noon."


def with_toilets(world: World, rule: Rule) -> World:
    make_document(world.sources["open"], "rooms", TEXT, rule)
    deliver()
    return world


def test_it_is_answered_in_the_document_s_words(indexed: World) -> None:
    world = with_toilets(indexed, Rule.of({EVERYONE}))
    question = asked(world.alice, QUESTION)
    assert question.state == Question.State.ANSWERED
    assert question.text == QUESTION
    assert [quote.text for claim in answer_of(world.alice, QUESTION).claims for quote in claim.quotes] == [
        TEXT
    ]


def test_the_asker_and_the_auditor_are_told_which_word_was_read_otherwise(
    indexed: World, client: Client
) -> None:
    world = with_toilets(indexed, Rule.of({EVERYONE}))
    question = asked(world.alice, QUESTION)
    html = how_it_was_answered(client, world.alice, question)
    assert "Nothing found speaks of “restrooms”: searched again with what it is called there." in html
    record = answer_record(question)
    told = next(stage for stage in record.stages if stage.name == "synonyms")
    assert told.title == "Read other words for the same"
    assert "“restrooms”" in " ".join(told.lines)
    assert record.is_true


def last(question: Question, name: str) -> TraceStep:
    step: TraceStep = TraceStep.objects.filter(question_id=question.pk, name=name).latest("position")
    return step


def test_what_was_withheld_while_looking_for_other_words_is_told_the_auditor(indexed: World) -> None:
    world = with_toilets(indexed, Rule.of({EVERYONE}))
    question = asked(world.alice, QUESTION)
    menu = Chunk.objects.get(version__document=world.documents["menu"])
    entry = {"chunk": menu.pk, "document": world.documents["menu"].pk, "reason": "not_permitted"}
    rewrite(last(question, "synonyms"), withheld=[entry])
    assert [kept.of.title for kept in answer_record(question).withheld] == ["Menu"]


def test_what_only_the_first_search_found_is_said_not_to_be_found_again(indexed: World) -> None:
    world = with_toilets(indexed, Rule.of({EVERYONE}))
    question = asked(world.alice, QUESTION)
    rewrite(last(question, "context"), items=[], left_out=[])
    rewrite(last(question, "search"), sub_queries=[])
    first = next(stage for stage in answer_record(question).stages if stage.name == "search")
    fates = {candidate.fate.words for candidate in first.searches[0].candidates}
    assert "lost: not found when searched again" in fates
    assert "lost: the run ended before it was weighed" not in fates


def test_a_refusal_names_what_was_typed_and_keeps_no_word_of_a_document(indexed: World) -> None:
    world = with_toilets(indexed, Rule.of({EVERYONE}))
    question = asked(
        world.alice,
        "Which restrooms have showers in Ouagadougou, and who cleans the restrooms of Ouagadougou?",
    )
    answer = answer_record(question)
    refusal = answer_of(world.alice, question.text).refusal
    assert refusal is not None
    assert all("restrooms" in text for text in refusal.looked_for)
    kept = json.dumps([step.record for step in TraceStep.objects.filter(question_id=question.pk)])
    assert "toilet" not in kept.lower()
    assert answer.is_true


def test_somebody_who_may_not_read_the_document_is_told_nothing_of_its_words(
    indexed: World, client: Client
) -> None:
    world = with_toilets(indexed, Rule.of({f"user:{indexed.alice.pk}"}))
    question = asked(world.charlie, QUESTION)
    assert question.state == Question.State.REFUSED
    html = how_it_was_answered(client, world.charlie, question)
    assert "Nothing found speaks of “restrooms”, nor of what else it may be called." in html
    record = answer_record(question)
    told = next(stage for stage in record.stages if stage.name == "synonyms")
    assert told.title == "Looked for other words for the same"
    assert "toilet" not in html.lower()
    assert record.is_true
