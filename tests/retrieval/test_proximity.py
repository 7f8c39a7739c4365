"""How closely a text holds a question's words together."""

from hypothesis import given
from hypothesis import strategies as st

from retrieval.proximity import WINDOW, Proximity, placed_in
from retrieval.words import stems_of


def neighbours(question: str, text: str) -> float:
    stems = stems_of(question)
    return Proximity.of(stems, {}, 1.0).neighbours_kept(placed_in(text, set(stems)))


def window(question: str, text: str) -> float:
    stems = stems_of(question)
    return Proximity.of(stems, {}, 1.0).within_one_window(placed_in(text, set(stems)))


def test_words_that_are_neighbours_in_the_question_count_when_they_are_neighbours_in_the_text() -> None:
    assert neighbours("parental leave", "The parental leave lasts long.") == 1.0
    assert neighbours("parental leave", "Leave is for parental reasons.") == 0.0


def test_stop_words_between_two_words_do_not_part_them() -> None:
    assert neighbours("cost of travel", "Costs for the travel are paid.") == 1.0


def test_words_far_apart_do_not_stand_in_one_window() -> None:
    text = "hotel " + "filler " * WINDOW + "refund"
    assert window("hotel refund", text) == 0.5
    assert window("hotel refund", "A refund of the hotel.") == 1.0


def test_a_question_of_one_word_has_no_neighbours() -> None:
    assert neighbours("travel", "travel travel") == 0.0


@given(st.text(max_size=80), st.text(max_size=200))
def test_both_measures_stay_between_zero_and_one(question: str, text: str) -> None:
    assert 0.0 <= neighbours(question, text) <= 1.0
    assert 0.0 <= window(question, text) <= 1.0
