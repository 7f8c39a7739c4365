"""How closely a text holds a question's words together."""

from hypothesis import given
from hypothesis import strategies as st

from ingestion.words import STOPWORDS, codes_of, stem, stems_of, words_of
from retrieval.proximity import WINDOW, Placed, Proximity, placed_in


def neighbours(question: str, text: str) -> float:
    stems = stems_of(question)
    return Proximity.of(stems, {}, 1.0).neighbours_kept(placed_in([codes_of(text)], set(stems))[0])


def window(question: str, text: str) -> float:
    stems = stems_of(question)
    return Proximity.of(stems, {}, 1.0).within_one_window(placed_in([codes_of(text)], set(stems))[0])


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


def read_word_by_word(text: str, stems: set[str]) -> list[Placed]:
    words, placed, before = words_of(text), [], -1
    for place, word in enumerate(words):
        if word not in STOPWORDS and stem(word) in stems:
            follows = before >= 0 and STOPWORDS.issuperset(words[before + 1 : place])
            placed.append(Placed(place, stem(word), follows))
            before = place
    return placed


SENTENCES = st.lists(
    st.sampled_from("The cost of travel and costs for a hotel, colour color; it is 7.5 €".split())
).map(" ".join)


@given(st.lists(SENTENCES | st.text(max_size=40), max_size=5), st.text(max_size=20) | SENTENCES)
def test_texts_held_against_a_question_together_give_what_each_gives_read_word_by_word(
    texts: list[str], question: str
) -> None:
    stems = set(stems_of(question))
    together = placed_in([codes_of(text) for text in texts], stems)
    assert together == [read_word_by_word(text, stems) for text in texts]
