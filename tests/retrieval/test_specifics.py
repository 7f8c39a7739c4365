"""What a question turns on: names and numbers that a text must hold, and those that are about whoever asks."""

import time

import pytest

from retrieval.specifics import amounts_in, specifics_of, without_own_names


@pytest.mark.parametrize(
    "question",
    [
        "I am Alice from Berlin. When is payroll run?",
        "hi, I'm Sanne and just moved over to the Leeds office. do we get anything towards food there?",
        "I’m Marek, new in Leipzig. Which travel agency do I book with?",
        "My name is Tom. Who approves a purchase?",
        "A colleague keeps shouting at me, I work in Leipzig. Is there anyone I can talk to?",
        "I'm in Berlin, when is payroll run?",
        "Can I work from home? I have just joined Sales.",
    ],
)
def test_who_asks_and_from_where_is_not_what_a_question_turns_on(question: str) -> None:
    assert specifics_of(question).names == ()


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("We are moving to Azure. Which region do we use?", ("Azure",)),
        ("I am looking for the Kestrel paper. Where is it?", ("Kestrel",)),
        ("Can I work from Spain? I am German.", ("Spain",)),
        ("What does the parental leave policy of Norway say if I'm ill?", ("Norway",)),
        ("Where do I find the note of O'Brien?", ("O'Brien",)),
    ],
)
def test_what_is_asked_about_is(question: str, names: tuple[str, ...]) -> None:
    assert specifics_of(question).names == names


def test_own_names_are_left_out_unless_something_found_holds_them() -> None:
    question = "I am Emily from Leeds. Do I go on call, Emily?"
    assert without_own_names(question, {"leed"}) == "I am  from Leeds. Do I go on call, Emily?"
    assert without_own_names(question, {"leed", "emili"}) == question


@pytest.mark.parametrize(
    ("question", "amounts"),
    [
        ("Who signs a contract worth 200k?", {"200k"}),
        ("12 million messages wait, what do I do?", {"12", "million"}),
        ("We prepaid 3 hotel nights. What is paid back?", {"3", "hotel", "nights"}),
        ("Who approves 5000 eur?", {"5000", "eur"}),
        ("What is in form 27?", set()),
        ("What ended in 2019?", set()),
        ("Which 2023 budget items were cut?", set()),
    ],
)
def test_how_much_somebody_has_in_mind_need_not_be_said(question: str, amounts: set[str]) -> None:
    assert amounts_in(question) == amounts
    assert not amounts & set(specifics_of(question).numbers)


def test_a_long_text_does_not_cost_seconds() -> None:
    began = time.process_time()
    for words in ("I am A, ", "hi, ", "12 million ", "I'm "):
        specifics_of(words * (4000 // len(words)))
    assert time.process_time() - began < 5
