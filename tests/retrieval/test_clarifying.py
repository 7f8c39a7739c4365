"""When a question is asked back, and what the reply then means."""

import pytest

from retrieval.clarifying import NOTHING_ASKED, clarification_for, filled_in
from retrieval.planning import resolve_follow_up
from retrieval.types import Turn

LEAVE = Turn("How many days of parental leave are there?", "Twenty days.")


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("How long does it take?", "it"),
        ("What about it?", "it"),
        ("what does that cost", "that"),
        ("Who approves it?", "it"),
        ("And these?", "these"),
        ("What is their deadline?", "their"),
        ("Who is he?", "he"),
        ("WHAT IS IT?", "it"),
    ],
)
def test_a_question_that_points_at_nothing_is_asked_back(question: str, word: str) -> None:
    assert f"“{word}”" in clarification_for(question, ())
    assert clarification_for(question, ()).endswith(".")


@pytest.mark.parametrize(
    "question",
    ["hello", "Hi there!", "help", "Good morning.", "Thanks!", "What can you do?", "What?", "how?", "", "…"],
)
def test_what_asks_nothing_is_told_what_one_can_ask(question: str) -> None:
    assert clarification_for(question, ()) == NOTHING_ASKED


@pytest.mark.parametrize(
    "question",
    [
        "How long does it take to get a laptop?",
        "Is it true that Fridays are free?",
        "Who leads IT?",
        "When do contractors get theirs?",
        "Do employees keep their laptops?",
        "Is there parking?",
        "What happens this year?",
        "Who are we?",
        "Leave",
        "parental leave",
        "Budget?",
        "Help desk hours",
        "hello world program",
        "What is the form that managers sign?",
        "Handbook",
    ],
)
def test_anything_that_could_be_looked_for_is_looked_for(question: str) -> None:
    assert clarification_for(question, ()) == ""


def test_what_an_earlier_turn_explains_is_not_asked_back() -> None:
    assert clarification_for("How long does it take?", [LEAVE]) == ""
    assert clarification_for("Why?", [LEAVE]) == ""
    assert clarification_for("Thanks!", [LEAVE]) == NOTHING_ASKED


def test_nobody_is_asked_back_twice_in_a_row() -> None:
    asked = Turn("How long does it take?", "", "What do you mean by “it”?")
    for question in ("How long does it take?", "it", "hello", "?"):
        assert clarification_for(question, [asked]) == ""


@pytest.mark.parametrize(
    ("asked", "reply", "whole"),
    [
        ("How long does it take?", "the security review", "How long does the security review take?"),
        ("How long does it take?", "I mean parental leave.", "How long does parental leave take?"),
        ("What is their deadline?", "interns", "What is interns’ deadline?"),
        ("Who approves it?", "The travel budget", "Who approves The travel budget?"),
    ],
)
def test_the_reply_is_put_where_the_question_pointed(asked: str, reply: str, whole: str) -> None:
    turns = [Turn(asked, "", "What do you mean?")]
    assert filled_in(reply, turns) == whole
    assert resolve_follow_up(reply, turns) == whole


def test_a_reply_that_is_a_question_of_its_own_stands_for_itself() -> None:
    turns = [Turn("How long does it take?", "", "What do you mean by “it”?")]
    assert filled_in("How long does a security review take?", turns) is None
    assert (
        resolve_follow_up("How long does a security review take?", turns)
        == "How long does a security review take?"
    )


def test_a_reply_to_a_greeting_is_simply_the_question() -> None:
    turns = [Turn("hello", "", NOTHING_ASKED)]
    assert resolve_follow_up("parental leave policy", turns).startswith("parental leave policy")


def test_a_turn_that_was_answered_fills_nothing_in() -> None:
    assert filled_in("the security review", [LEAVE]) is None
    assert filled_in("the security review", []) is None


def test_a_follow_up_to_a_reply_builds_on_the_whole_question() -> None:
    turns = [
        Turn("How long does it take in Leeds?", "", "What do you mean by “it”?"),
        Turn("the security review", "Two days."),
    ]
    assert resolve_follow_up("And in York?", turns) == "How long does the security review take in York?"


def test_filter_words_alone_ask_the_question_before_again() -> None:
    assert resolve_follow_up("", [LEAVE]) == LEAVE.question
