"""The second opinion: it moves passages, loses none, and cannot bury what the retrievers put first."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.reranking import FLOOR, POOL, RerankingFailed, reorder, with_second_opinion
from retrieval.types import Candidate, Ranked
from tests.retrieval.passages import passage


class Opinion:
    """A reranker with a fixed opinion: a score per chunk."""

    name = "opinion"

    def __init__(self, by_chunk: Sequence[float]) -> None:
        self.by_chunk = by_chunk

    def scores(self, question: str, ranked: Sequence[Ranked]) -> list[float]:
        return [self.by_chunk[item.passage.chunk] for item in ranked]


class Says(Opinion):
    """A reranker that gives the same list whatever it is asked."""

    def scores(self, question: str, ranked: Sequence[Ranked]) -> list[float]:
        return list(self.by_chunk)


class Unheard(Opinion):
    """A reranker that cannot be asked."""

    def scores(self, question: str, ranked: Sequence[Ranked]) -> list[float]:
        raise RerankingFailed("Nobody is at home.")


def entry(chunk: int, score: float, dense: float | None, keyword: float | None) -> Ranked:
    candidate = None if dense is None and keyword is None else Candidate(chunk, chunk, dense, keyword, 0.5)
    return Ranked(passage("x", chunk=chunk, document=chunk, title=""), score, (1,), candidate, {"fused": 0.5})


def ranking(rows: Sequence[tuple[float, float | None, float | None]]) -> tuple[Ranked, ...]:
    falling = sorted(rows, key=lambda row: -row[0])
    return tuple(entry(chunk, *row) for chunk, row in enumerate(falling))


def plain(count: int) -> tuple[Ranked, ...]:
    """Return a ranking in which both retrievers agree with the order."""
    return ranking([(1 - n / 100, 0.9 - n / 100, 9 - n / 10) for n in range(count)])


def chunks(ranked: Sequence[Ranked]) -> list[int]:
    return [item.passage.chunk for item in ranked]


def firsts(ranked: Sequence[Ranked]) -> set[int]:
    """Return the chunks that the ranking, the dense and the keyword retriever each put first in the pool."""
    pool = ranked[:POOL]
    dense = {
        r.passage.chunk: r.candidate.dense for r in pool if r.candidate and r.candidate.dense is not None
    }
    keyword = {r.passage.chunk: r.candidate.keyword for r in pool if r.candidate and r.candidate.keyword}
    best = {pool[0].passage.chunk} if pool else set()
    for scores in (dense, keyword):
        best |= (
            {next(chunk for chunk, score in scores.items() if score == max(scores.values()))}
            if scores
            else set()
        )
    return best


rows = st.tuples(
    st.floats(0, 2), st.none() | st.floats(-1, 1), st.none() | st.floats(0, 40, exclude_min=True)
)
rankings = st.lists(rows, max_size=45).map(ranking)
opinions = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=45, max_size=45)


@given(rankings, opinions)
def test_every_passage_is_there_once_and_what_lies_below_the_pool_stays(
    ranked: tuple[Ranked, ...], by_chunk: list[float]
) -> None:
    found = reorder("?", ranked, Opinion(by_chunk))
    assert sorted(chunks(found)) == sorted(chunks(ranked))
    assert found[POOL:] == ranked[POOL:]


@given(rankings, opinions)
def test_what_ranking_and_retrievers_put_first_stays_among_the_first(
    ranked: tuple[Ranked, ...], by_chunk: list[float]
) -> None:
    top = chunks(reorder("?", ranked, Opinion(by_chunk)))[:FLOOR]
    assert firsts(ranked) <= set(top)


@given(rankings, opinions)
def test_scores_fall_with_the_order_and_opinions_lie_in_zero_and_one(
    ranked: tuple[Ranked, ...], by_chunk: list[float]
) -> None:
    found = reorder("?", ranked, Opinion(by_chunk))
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= item.features["reranked"] <= 1.0 for item in found[:POOL])
    assert all("reranked" not in item.features for item in found[POOL:])


@given(rankings, opinions)
def test_the_same_ranking_and_opinion_give_the_same_order(
    ranked: tuple[Ranked, ...], by_chunk: list[float]
) -> None:
    assert reorder("?", ranked, Opinion(by_chunk)) == reorder("?", ranked, Opinion(by_chunk))


@given(rankings)
def test_an_opinion_that_prefers_nothing_changes_no_order(ranked: tuple[Ranked, ...]) -> None:
    found = chunks(reorder("?", ranked, Opinion([0.5] * 45)))
    # The floor may lift what a retriever put first; without those, the order is the ranking's own.
    lifted = firsts(ranked)
    assert [c for c in found if c not in lifted] == [c for c in chunks(ranked) if c not in lifted]


def test_a_passage_the_opinion_prefers_moves_to_the_front() -> None:
    by_chunk = [0.0] * 45
    by_chunk[12] = 1.0
    assert chunks(reorder("?", plain(20), Opinion(by_chunk)))[:3] == [12, 0, 1]


def test_logits_are_told_from_shares() -> None:
    found = reorder("?", plain(3), Opinion([-4.0, 0.0, 9.0]))
    opinion = {item.passage.chunk: item.features["reranked"] for item in found}
    assert opinion[1] == 0.5
    assert opinion[0] == pytest.approx(1 / (1 + math.exp(4)))
    assert opinion[2] == pytest.approx(1 / (1 + math.exp(-9)))
    assert chunks(found)[0] == 2


def test_an_empty_ranking_asks_nobody() -> None:
    assert reorder("?", (), Unheard([])) == ()


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([0.5], "It gave 1 scores for 3 passages."),
        ([0.5, math.nan, 0.1], "It gave a score that is no number."),
        ([0.5, math.inf, 0.1], "It gave a score that is no number."),
    ],
)
def test_scores_that_are_none_leave_the_ranking_and_their_reason(scores: list[float], reason: str) -> None:
    ranked = plain(3)
    assert with_second_opinion("?", ranked, Says(scores)) == (
        ranked,
        {"reranker": "opinion", "failed": reason},
    )


def test_a_reranker_that_cannot_be_asked_leaves_the_ranking_and_its_reason() -> None:
    ranked = plain(8)
    assert with_second_opinion("?", ranked, Unheard([])) == (
        ranked,
        {"reranker": "opinion", "failed": "Nobody is at home."},
    )


def test_a_reranker_that_was_heard_is_named_in_the_record() -> None:
    _, kept = with_second_opinion("?", plain(8), Opinion([0.5] * 8))
    assert kept == {"reranker": "opinion"}
