"""Ranking: what lifts a passage, and by how little a source's word and a date may."""

from datetime import date, timedelta

import numpy as np
import pytest

from ingestion.sentences import packed
from ingestion.words import packed_codes
from retrieval.bridge import Bridged, SecondSearch
from retrieval.rank import HALF_LIFE_DAYS, WEIGHTS, Nearness, Scorer, final_ranking
from retrieval.types import Candidate, Passage, Plan, Ranked, SubQuery
from tests.retrieval.passages import passage

TODAY = date(2026, 11, 21)


def scorer(question: str, *passages: Passage) -> Scorer:
    return Scorer.of(Plan(question, question, (SubQuery(1, question),), ""), passages, WEIGHTS, TODAY)


def score(question: str, one: Passage, fused: float = 0.5) -> float:
    ready = scorer(question, one)
    return ready.score(ready.features(one, fused, None, is_named=False))


def test_words_that_stand_together_as_in_the_question_lift_a_passage() -> None:
    near = passage("The travel allowance is paid monthly.")
    far = passage(
        "Travel is booked early. " + "Something else is said here at length. " * 5 + "An allowance."
    )
    assert score("travel allowance", near) > score("travel allowance", far)


def test_words_that_were_kept_with_a_passage_count_as_those_read_from_its_text() -> None:
    text = "The travel allowance is paid monthly, and the hotel on arrival."
    kept = passage(text, words=packed_codes(text))
    assert score("travel allowance hotel", kept) == score("travel allowance hotel", passage(text)) > 0.5


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


def with_sentences(*vectors: np.ndarray) -> Passage:
    return passage("Rules.", sentence_embeddings=packed(np.array(vectors, dtype=np.float32)))


def test_a_passage_with_one_sentence_near_to_the_question_stands_above_one_that_is_near_on_the_whole() -> (
    None
):
    question, aside = np.eye(8, dtype=np.float32)[0], np.eye(8, dtype=np.float32)[1]
    half = (question + aside) / np.sqrt(2)
    telling, vague = with_sentences(aside, aside, question), with_sentences(half, half, half)
    plan = Plan("rules", "rules", (SubQuery(1, "rules"),), "")
    ready = Scorer.of(plan, (telling, vague), WEIGHTS, TODAY, Nearness(question, 1.0))
    shares = ready.nearest_of((telling, vague))
    assert shares == [pytest.approx(1.0, abs=0.01), pytest.approx(0.71, abs=0.01)]
    scores = [
        ready.score(ready.features(one, 0.5, share, is_named=False))
        for one, share in zip((telling, vague), shares, strict=True)
    ]
    assert scores[0] > scores[1]


def test_a_passage_whose_sentences_are_not_known_stands_where_its_own_score_puts_it() -> None:
    question = np.eye(8, dtype=np.float32)[0]
    bare, other = passage("Rules."), passage("Rules.", sentence_embeddings=b"\1\2\3")  # of no model of eight
    plan = Plan("rules", "rules", (SubQuery(1, "rules"),), "")
    ready = Scorer.of(plan, (bare, other), WEIGHTS, TODAY, Nearness(question, 1.0))
    assert ready.nearest_of((bare, other)) == [None, None]
    off = Scorer.of(plan, (bare,), WEIGHTS, TODAY)
    assert off.nearest_of((with_sentences(question),)) == [None]
    features = ready.features(bare, 0.5, None, is_named=False)
    assert (features["fused"], features["sentence"]) == (0.5, 0.5)
    assert WEIGHTS["fused"] + WEIGHTS["sentence"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("title", "document", "lifts"),
    [("Payroll", 2, True), ("", 2, True), ("Teams", 2, False), ("Payroll", 1, False)],
)
def test_a_second_search_lifts_what_has_another_title_than_the_passage_it_was_asked_from(
    title: str, document: int, lifts: bool
) -> None:
    origin = passage("Mona leads payroll.", chunk=1, document=1, title="Teams" if title else "")
    found = passage("Mona sits in Leeds.", chunk=2, document=document, title=title)
    ready = scorer("Where does the lead of payroll sit?", origin, found)
    first = [
        Ranked(one, score, (1,), Candidate(one.chunk, one.document, score, score, score), {"fused": score})
        for one, score in ((origin, 0.9), (found, 0.5))
    ]
    candidates = tuple(ranked.candidate for ranked in first if ranked.candidate)
    ranked = final_ranking(first, Bridged(second=(SecondSearch(2, 0, 1.0, candidates),)), (), ready)
    by_chunk = {item.passage.chunk: item for item in ranked}
    assert ("second" in by_chunk[2].features, 2 in by_chunk[2].sub_queries) == (lifts, lifts)
    assert "second" not in by_chunk[1].features
