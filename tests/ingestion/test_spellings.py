"""British and American spellings."""

import pytest

from ingestion.spellings import BEGINNINGS, american, other_spelling

PAIRS = [
    ("behaviour", "behavior"), ("neighbours", "neighbors"), ("coloured", "colored"), ("tumour", "tumor"),
    ("organisation", "organization"), ("recognised", "recognized"), ("analyse", "analyze"), ("centre", "center"),
    ("kilometres", "kilometers"), ("centred", "centered"), ("defence", "defense"), ("licence", "license"), ("catalogue", "catalog"),
    ("travelled", "traveled"), ("cancelling", "canceling"), ("leukaemia", "leukemia"), ("oestrogen", "estrogen"),
    ("haemoglobin", "hemoglobin"), ("paediatric", "pediatric"), ("programmes", "programs"), ("judgement", "judgment"),
]  # fmt: skip


@pytest.mark.parametrize(("british", "american_"), PAIRS)
def test_either_spelling_is_told_from_the_other(british: str, american_: str) -> None:
    assert other_spelling(british) == american_
    assert other_spelling(american_) == british
    assert american(british) == american(american_) == american_


@pytest.mark.parametrize(
    "word",
    ["hour", "four", "tour", "laboratory", "colorado", "filing", "later", "size", "wise", "humorous", ""],
)
def test_words_that_only_look_like_it_have_one_spelling(word: str) -> None:
    assert american(word) == word
    assert other_spelling(word) is None


@pytest.mark.parametrize(("british", "american_"), BEGINNINGS.items())
def test_every_beginning_that_differs_is_told(british: str, american_: str) -> None:
    assert american(british) == american(american_) == american_
    assert other_spelling(american_) == british
