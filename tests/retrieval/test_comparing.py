"""What is held against each other in a question, and what each side of it is searched by."""

import time

import pytest

from retrieval.planning import RulePlanner


def sides(question: str) -> list[str]:
    """Return what the sides of a comparison are searched by; the question itself is searched as well."""
    whole, *others = RulePlanner().plan(question, ()).sub_queries
    assert whole.text == question
    assert all(side.side_of == whole.number for side in others)
    return [side.text for side in others]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "Compare parental leave in the UK, Germany and the Netherlands",
            ["parental leave in the UK", "parental leave in Germany", "parental leave in the Netherlands"],
        ),
        (
            "What is the difference between the roles of Anna, Bob and Carol in incidents?",
            ["the roles of Anna in incidents", "the roles of Bob in incidents", "the roles of Carol in incidents"],
        ),
        ("difference between sev1, sev2, and sev3", ["sev1", "sev2", "sev3"]),
        (
            "Compare the hotel limit in London and in Germany",
            ["the hotel limit in London", "the hotel limit in Germany"],
        ),
        (
            "How do the hotel limits in London and Leipzig compare?",
            ["the hotel limits in London", "the hotel limits in Leipzig"],
        ),
        ("How do refund and warranty differ?", ["refund", "warranty"]),
    ],
)  # fmt: skip
def test_every_side_of_a_comparison_is_searched_for_what_is_compared(
    question: str, expected: list[str]
) -> None:
    assert sides(question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("UK vs Germany parental leave", ["UK parental leave", "Germany parental leave"]),
        ("sick pay: uk versus germany", ["uk sick pay", "germany sick pay"]),
        (
            "How much leave is there in Germany compared with the Netherlands?",
            ["Germany leave", "the Netherlands leave"],
        ),
        (
            "Is sick pay higher in Germany than in the Netherlands?",
            ["Germany sick pay", "the Netherlands sick pay"],
        ),
    ],
)
def test_what_stands_on_both_sides_of_a_word_that_opposes_them_is_compared(
    question: str, expected: list[str]
) -> None:
    assert sides(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "May I take more than three days?",
        "Is a notice longer than in March allowed?",
        "Mice live longer compared to untreated controls",
        "What is above the limit?",
        "What did versus mean?",
        "What is the difference, and why?",
        "Do they differ and how?",
        "compare, with what?",
    ],
)
def test_a_question_that_compares_nothing_is_searched_as_it_is(question: str) -> None:
    assert sides(question) == []


def test_of_many_sides_three_are_searched() -> None:
    assert len(sides("Compare sick pay in Spain, France, Italy, Malta and Greece")) == 3


def test_a_long_text_does_not_cost_seconds() -> None:
    began = time.process_time()
    for words in ("difference a, ", "compare in X than ", "UK vs ", "Aa Bb ", "how do a and ", "a, b or "):
        RulePlanner().plan(words * (4000 // len(words)), ())
    assert time.process_time() - began < 5
