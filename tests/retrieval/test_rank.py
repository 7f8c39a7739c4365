"""Ranking: what lifts a passage, and by how little a source's word and a date may."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from retrieval.rank import HALF_LIFE_DAYS, WEIGHTS, Scorer
from retrieval.types import Grant, Passage, Plan, SubQuery

TODAY = date(2026, 11, 21)


def passage(text: str, **changes: object) -> Passage:
    made = Passage(  # not from the gate: it is made of words in this test
        chunk=1, chunk_digest="", ordinal=0, document=1, document_public_id="", version=1, title="Page",
        source_name="Handbook", author="", dated=None, is_superseded=False, page=None, headings=(), start=0,
        end=len(text), text=text, grant=Grant(1, 1, ()),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def scorer(question: str, *passages: Passage) -> Scorer:
    return Scorer.of(Plan(question, question, (SubQuery(1, question),), ""), passages, WEIGHTS, TODAY)


def score(question: str, one: Passage, fused: float = 0.5) -> float:
    ready = scorer(question, one)
    return ready.score(ready.features(one, fused, is_named=False))


def test_words_that_stand_together_as_in_the_question_lift_a_passage() -> None:
    near = passage("The travel allowance is paid monthly.")
    far = passage(
        "Travel is booked early. " + "Something else is said here at length. " * 5 + "An allowance."
    )
    assert score("travel allowance", near) > score("travel allowance", far)


@pytest.mark.parametrize(("authority", "lifts"), [(1, 1), (0, 0), (-1, -1)])
def test_an_authoritative_source_counts_a_little_more_and_an_informal_one_less(
    authority: int, lifts: int
) -> None:
    plain, other = passage("Rules."), passage("Rules.", authority=authority)
    difference = score("rules", other) - score("rules", plain)
    assert difference == pytest.approx(lifts * WEIGHTS["authority"])


def test_a_newer_document_counts_a_little_more_and_one_without_a_date_nothing() -> None:
    new, old = passage("Rules.", dated=TODAY), passage("Rules.", dated=TODAY - timedelta(HALF_LIFE_DAYS))
    bare = passage("Rules.")
    assert score("rules", new) - score("rules", bare) == pytest.approx(WEIGHTS["freshness"])
    assert score("rules", old) - score("rules", bare) == pytest.approx(WEIGHTS["freshness"] / 2)


def test_a_date_to_come_counts_as_today() -> None:
    assert score("rules", passage("Rules.", dated=TODAY + timedelta(90))) == score(
        "rules", passage("Rules.", dated=TODAY)
    )


def test_no_source_and_no_date_outweighs_a_better_answer() -> None:
    better = passage("Rules.", authority=-1)
    worse = passage("Rules.", authority=1, dated=TODAY)
    assert score("rules", better, fused=0.6) > score("rules", worse, fused=0.5)
