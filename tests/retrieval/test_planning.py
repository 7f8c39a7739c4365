"""Planning without a model: what is split, what is carried over, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.planning import MAX_SUB_QUERIES, RulePlanner
from retrieval.types import Plan, Turn


def plan(question: str, *earlier: str) -> Plan:
    return RulePlanner().plan(question, [Turn(text, "") for text in earlier])


@pytest.mark.parametrize(
    "question",
    [
        "How many days of holiday do I have?",
        "What is the procedure for research and development expenses?",
        "Who approves travel to Germany and the Netherlands?",
        "vpn setup",
        "Is the canteen open on Friday and Saturday?",
    ],
)
def test_a_simple_question_stays_one_search(question: str) -> None:
    assert [s.text for s in plan(question).sub_queries] == [question]


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("How many weeks of leave do I get, and who approves it?", 2),
        ("What is the hotel limit and how do I claim it?", 2),
        ("When does payroll run? Who do I ask about corrections?", 2),
        ("What is A1? What is B2? What is C3? What is D4? What is E5?", MAX_SUB_QUERIES),
    ],
)
def test_several_asks_become_several_searches(question: str, parts: int) -> None:
    assert len(plan(question).sub_queries) == parts


def test_a_later_ask_that_only_refers_carries_the_topic_of_the_first() -> None:
    second = plan("What is the severance package, and who approves it?").sub_queries[1]
    assert "severance" in second.text


def test_a_comparison_searches_each_side() -> None:
    texts = [s.text for s in plan("What is the difference between Severity 1 and Severity 2?").sub_queries]
    assert "Severity 1" in texts[1]
    assert "Severity 2" in texts[2]


@pytest.mark.parametrize(
    ("question", "sides"),
    [
        (
            "Compare sick pay in Germany and the Netherlands",
            ["sick pay in Germany", "sick pay in the Netherlands"],
        ),
        (
            "Compare the travel budget of 2024 and 2025",
            ["the travel budget of 2024", "the travel budget of 2025"],
        ),
        ("How does sick pay differ between Leeds and the UK?", ["Leeds sick pay", "the UK sick pay"]),
        ("What is the difference between refund and warranty?", ["refund", "warranty"]),
        (
            "What is the difference between the Bank of England and the Fed?",
            ["the Bank of England", "the Fed"],
        ),
    ],
)
def test_both_sides_of_a_comparison_are_searched_for_what_is_compared(
    question: str, sides: list[str]
) -> None:
    assert [s.text for s in plan(question).sub_queries[1:]] == sides


def test_a_place_in_a_follow_up_replaces_the_place_before() -> None:
    result = plan("And in the Netherlands?", "How many weeks of parental leave do I get in Germany?")
    assert result.standalone == "How many weeks of parental leave do I get in the Netherlands?"


def test_what_is_held_against_the_question_before_makes_it_a_comparison() -> None:
    result = plan("vs the UK?", "What is the notice period in Germany?")
    assert result.standalone == "What is the notice period in Germany vs the UK?"
    assert [s.text for s in result.sub_queries[1:]] == ["Germany notice period", "the UK notice period"]


def test_a_pronoun_brings_the_topic_along() -> None:
    assert "sabbatical" in plan("Who approves it?", "How long is a sabbatical?").standalone


def test_what_is_carried_over_is_what_the_question_before_was_about() -> None:
    result = plan("Who do I tell?", "What's done when I'm ill abroad?")
    assert result.standalone == "Who do I tell (done ill abroad)?"


def test_a_chain_of_follow_ups_keeps_its_topic() -> None:
    result = plan(
        "And in Leeds?", "How many weeks of parental leave are there in Germany?", "And in Rotterdam?"
    )
    assert result.standalone == "How many weeks of parental leave are there in Leeds?"


def test_a_question_that_stands_alone_takes_nothing_from_before() -> None:
    question = "Which laptop models can engineers order this year?"
    assert plan(question, "How long is a sabbatical?").standalone == question


@pytest.mark.parametrize(
    "question",
    [
        "What was the previous hotel limit?",
        "What did the old policy say?",
        "How has the travel policy changed?",
    ],
)
def test_asking_how_things_were_looks_at_superseded_documents(question: str) -> None:
    assert plan(question).wants_superseded


def test_asking_how_things_are_does_not_look_at_superseded_documents() -> None:
    assert not plan("What is the hotel limit in 2026?").wants_superseded


@given(st.text(max_size=300), st.lists(st.text(max_size=100), max_size=5))
def test_any_text_gets_a_bounded_plan_with_numbered_searches(question: str, earlier: list[str]) -> None:
    result = plan(question, *earlier)
    assert 1 <= len(result.sub_queries) <= MAX_SUB_QUERIES
    assert [s.number for s in result.sub_queries] == list(range(1, len(result.sub_queries) + 1))


@pytest.mark.parametrize(
    "question",
    [
        "Who is the manager of the team that runs payroll?",
        "Where was the composer of the film Billy Elliot born?",
        "What nationality is Beatrice's husband?",
        "Which department does the person who signs contracts work in?",
        "Do the directors of Iron Man and Gravity have the same nationality?",
        "How many people live in the state where Silverton is?",
    ],
)
def test_a_question_that_describes_what_it_asks_about_is_asked_again_with_what_is_found(
    question: str,
) -> None:
    first, second = plan(question).sub_queries
    assert (first.text, first.after) == (question, ())
    assert (second.after, second.number) == ((1,), 2)
    assert "#1" in second.text


@pytest.mark.parametrize(
    "question",
    [
        "What is the cost of a badge?",
        "How long is the notice period?",
        "Where do I park?",
        "vpn setup",
        "What type of company has it been for as long as it's been one?",
        "What's the number of days that count?",
        "What is the effect of temperature on the rate of growth of bacteria?",
        "What are the categories of people for which a flu vaccine is important?",
        "Where were the first cases in the United States of America?",
        "What is the present state of the theory of flows?",
        "What are the exceptions for coordinating benefits with other employer plans?",
    ],
)
def test_a_question_of_one_step_is_asked_once(question: str) -> None:
    assert len(plan(question).sub_queries) == 1


def test_what_the_conversation_was_about_is_background_and_is_not_asked() -> None:
    made = RulePlanner().plan(
        "Mortgage scams", [Turn("Where can people report a scam?", "To the police. " * 80)]
    )
    assert made.background[0] == "Where can people report a scam?"
    assert len(made.background[1]) <= 600
    assert [s.text for s in made.sub_queries] == ["Mortgage scams"]
    assert plan("Mortgage scams").background == ()
