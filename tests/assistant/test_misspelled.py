"""A misspelled question is answered as it was meant, and both the asker and the auditor are told how it was read."""

from django.test import Client
from django.urls import reverse

from assistant.auditing.record import answer_record
from assistant.models import Question, TraceStep
from ingestion.models import Chunk
from tests.assistant.asking import answer_of, asked, how_it_was_answered, index_of_its_own, indexed, rewrite
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]

QUESTION = "What is the budgett for travel?"


def test_it_is_answered_from_the_words_that_were_meant(indexed: World) -> None:
    question = asked(indexed.alice, QUESTION)
    assert question.state == Question.State.ANSWERED
    assert question.text == QUESTION


def test_the_asker_is_told_which_word_was_read_otherwise(indexed: World, client: Client) -> None:
    question = asked(indexed.alice, QUESTION)
    html = how_it_was_answered(client, indexed.alice, question)
    assert "Nothing found spells “budgett” so" in html


def test_a_refusal_names_what_was_typed(indexed: World) -> None:
    text = "What is the budgett for Ouagadougou?"
    refusal = answer_of(indexed.alice, text).refusal
    assert refusal is not None
    assert refusal.looked_for == (text,)
    assert refusal.missing == ("Ouagadougou",)


def test_the_auditor_sees_both_searches_in_a_record_that_holds(indexed: World) -> None:
    record = answer_record(asked(indexed.alice, QUESTION))
    names = [stage.name for stage in record.stages]
    assert names[:7] == ["screen", "plan", "search", "gate", "spelling", "search", "gate"]
    told = next(stage for stage in record.stages if stage.name == "spelling")
    assert told.title == "Read misspelled words"
    assert "“budgett”" in " ".join(told.lines)
    assert record.is_true


def test_each_search_is_shown_with_what_it_found_itself(indexed: World) -> None:
    question = asked(indexed.alice, QUESTION)
    steps = TraceStep.objects.filter(question_id=question.pk, name="search").order_by("position")
    kept = [[c["keyword"] for c in step.record["sub_queries"][0]["candidates"]] for step in steps]
    assert kept[0] != kept[1]  # the second search found the word that was misspelled in the first
    stages = [stage for stage in answer_record(question).stages if stage.name == "search"]
    assert [[c.keyword for c in stage.searches[0].candidates] for stage in stages] == kept


def test_what_the_first_gate_withheld_is_in_the_record_and_listed_once(
    indexed: World, client: Client
) -> None:
    question = asked(indexed.alice, QUESTION)
    first = TraceStep.objects.filter(question_id=question.pk, name="gate").order_by("position")[0]
    menu = Chunk.objects.get(version__document=indexed.documents["menu"])
    entry = {"chunk": menu.pk, "document": indexed.documents["menu"].pk, "reason": "not_permitted"}
    rewrite(first, withheld=[entry])
    assert [kept.of.title for kept in answer_record(question).withheld] == ["Menu"]
    client.force_login(indexed.dana)
    html = client.get(reverse("assistant:audit_answer", args=[question.public_id])).content.decode()
    assert html.count("1 withheld") == 1


def test_somebody_who_may_not_read_the_word_is_told_nothing_of_it(indexed: World, client: Client) -> None:
    question = asked(indexed.charlie, QUESTION)
    html = how_it_was_answered(client, indexed.charlie, question)
    assert "budgett” so" not in html
    assert "spelling" not in [stage.name for stage in answer_record(question).stages]
