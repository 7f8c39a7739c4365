"""What a reader's word changes in an answer: which sentence comes first, and when there is none."""

from collections.abc import Mapping, Sequence

import pytest

from assistant.answering.extractive import PAGES
from assistant.answering.reader import MOST, Page, Read, Reading
from tests.assistant.asking import index_of_its_own
from tests.assistant.drafts import alike, drafted, drafted_again, quotes
from tests.world import World

__all__ = ["index_of_its_own"]  # a fixture: pytest finds it by name


@pytest.fixture(autouse=True)
def a_quick_embedder(index_of_its_own: None) -> None:
    """Every test here compares words with the embedder that takes microseconds."""


def saying(odds: Mapping[str, float]) -> Read:
    """Return a reader with these log odds for sentences that begin so, and the least there are for all others."""

    def reading(question: str, pages: Sequence[Page]) -> list[Reading]:
        return [tuple(_of(page.text[start:end]) for start, end in page.sentences) for page in pages]

    def _of(sentence: str) -> float:
        return next((value for begins, value in odds.items() if sentence.startswith(begins)), -MOST)

    return reading


def test_the_sentence_that_was_read_as_the_answer_comes_before_one_with_as_many_of_the_words(
    world: World,
) -> None:
    question = "When does the canteen serve lunch?"
    texts = "The canteen serves lunch daily.", "The canteen serves lunch late."
    assert quotes(drafted(world, question, *texts, reader=saying({texts[0]: 6.0})))[0] == [texts[0]]
    assert quotes(drafted_again(world, question, reader=saying({texts[1]: 6.0})))[0] == [texts[1]]


def test_where_little_is_read_it_is_a_refusal_if_a_word_is_missing_and_the_meaning_is_far(
    world: World,
) -> None:
    question = "Which sauce does the cook pour over noodles?"
    others = [f"Gate {n} is closed." for n in range(12)]
    drafted(world, question, "The cook pours it over the noodles.", *others)
    for cosine, reader, outcome in [
        (0.2, lambda question, pages: None, "answered"),
        (0.2, saying({"The cook": 0.0}), "answered"),
        (0.2, saying({"The cook": -4.0}), "refused"),
        (0.6, saying({"The cook": -4.0}), "answered"),
        (0.6, saying({}), "refused"),
    ]:
        draft = drafted_again(world, question, reader=reader, embed=alike(cosine))
        assert draft.outcome == outcome
        if draft.refusal is not None:
            assert draft.refusal.missing == ("sauce",)
    assert (
        drafted_again(world, "Does the cook pour it over the noodles?", reader=saying({})).outcome
        == "answered"
    )


def test_what_was_read_is_stated_also_where_a_name_is_written_another_way(world: World) -> None:
    question = "What did the Catholic bishops demand?"
    text = "The Church of Rome asked for a tithe. It was paid in grain."
    assert drafted(world, question, text, reader=lambda question, pages: None).outcome == "refused"
    half_sure = saying({"The Church of Rome": 1.0})
    assert drafted_again(world, question, reader=half_sure).outcome == "refused"
    draft = drafted_again(world, question, reader=saying({"The Church of Rome": 8.0}))
    assert draft.outcome == "answered"
    assert quotes(draft)[0][0].startswith("The Church of Rome")


def test_a_row_of_a_table_is_judged_by_its_words_alone(world: World) -> None:
    table = "| Place | Limit per night |\n| London | GBP 185 |\n| Paris | EUR 190 |"
    text = f"Hotels are booked online.\n{table}"
    question = "What is the limit per night in London?"
    read = drafted(world, question, text, reader=saying({}))
    unread = drafted_again(world, question, reader=lambda question, pages: None)
    assert quotes(read)[0] == [table]
    assert read.stated == unread.stated


def test_the_best_passages_are_read_and_each_part_of_a_question_has_its_share(world: World) -> None:
    given: list[tuple[str, list[str]]] = []

    def reading(question: str, pages: Sequence[Page]) -> list[Reading]:
        given.append((question, [page.text for page in pages]))
        return [(0.0,) * len(page.sentences) for page in pages]

    texts = [f"The canteen serves lunch number {n}." for n in range(PAGES + 3)]
    drafted(world, "When does the canteen serve lunch?", *texts, reader=reading)
    assert [pages for _, pages in given] == [texts[:PAGES]]
    given.clear()
    drafted_again(world, "When does the canteen serve lunch, and who paints the gate?", reader=reading)
    assert [len(pages) for _, pages in given] == [2, 2]
