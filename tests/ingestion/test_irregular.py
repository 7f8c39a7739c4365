"""Forms of words that no rule of endings makes."""

import pytest

from ingestion.irregular import FORMS, base_form, other_forms
from ingestion.words import STOPWORDS, stem, stems_of


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("When did it begin?", "It began in May."),
        ("What if I lose it?", "It was lost."),
        ("Who wrote it?", "She has written and was writing."),
        ("Do children pay?", "A child has paid."),
    ],
)
def test_a_question_in_one_form_shares_its_words_with_a_text_in_another(asked: str, said: str) -> None:
    assert set(stems_of(asked)) <= set(stems_of(said))


def test_each_form_leads_to_the_others_and_to_one_stem() -> None:
    for base, forms in FORMS.items():
        assert {base_form(form) for form in forms} == {base}
        assert {stem(form) for form in (base, *forms)} == {stem(base)}
        for form in (base, *forms):
            assert {form, *other_forms(form)} == {base, *forms}


def test_no_form_belongs_to_two_words_and_none_is_a_stop_word() -> None:
    every = [form for base, forms in FORMS.items() for form in (base, *forms)]
    assert len(set(every)) == len(every)
    assert not set(every) & STOPWORDS


@pytest.mark.parametrize("word", ["building", "meeting", "found", "left", "rose", "born", "thesis's", ""])
def test_what_is_more_often_another_word_has_no_other_form(word: str) -> None:
    assert base_form(word) == word
    assert other_forms(word) == ()


def test_a_word_with_an_s_leads_to_the_forms_of_the_one_without() -> None:
    assert other_forms("begins") == ("begin", "began", "begun")
