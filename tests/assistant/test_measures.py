"""The measures of rankings that ir-measures computes for us, against values worked out by hand."""

import math

import pytest

from assistant.evaluation.measures import Judged, scores_of


def test_the_ideal_order_is_worth_one_and_finding_nothing_zero() -> None:
    ideal, nothing = scores_of([Judged(("a", "b"), {"a": 2, "b": 1}), Judged((), {"a": 1})])
    assert ideal.ndcg == 1.0
    assert (nothing.ndcg, nothing.recall[10]) == (0.0, 0.0)


def test_a_grade_gains_two_to_its_power_less_one_and_not_the_grade_itself() -> None:
    (scores,) = scores_of([Judged(("x", "a", "b"), {"a": 2, "b": 1, "c": 3})])
    gained = 3 / math.log2(3) + 1 / math.log2(4)
    possible = 7 + 3 / math.log2(3) + 1 / math.log2(4)
    assert scores.ndcg == pytest.approx(gained / possible)


def test_only_the_first_ten_count_and_what_is_not_relevant_gains_nothing() -> None:
    (late,) = scores_of([Judged((*"qwertyuiop", "a"), {"a": 1})])
    (first,) = scores_of([Judged(("z", "y", "a"), {"a": 1, "z": 0, "y": -1})])
    assert late.ndcg == 0.0
    assert first.ndcg == pytest.approx(0.5)
    assert not late.has_all


def test_recall_is_the_share_of_the_relevant_documents_within_the_cutoff() -> None:
    (scores,) = scores_of([Judged(("a", "x", "b"), {"a": 1, "b": 1, "c": 0})])
    assert scores.recall == {2: 0.5, 5: 1.0, 10: 1.0}
    assert scores.has_all


def test_the_order_given_decides_and_no_document_s_name() -> None:
    forwards, backwards = scores_of([Judged(("a", "z"), {"a": 1}), Judged(("z", "a"), {"a": 1})])
    assert forwards.ndcg == 1.0
    assert backwards.ndcg == pytest.approx(1 / math.log2(3))


def test_each_ranking_keeps_its_place_and_none_is_an_empty_list() -> None:
    many = [Judged((*("x" * n for n in range(1, place)), "a"), {"a": 1}) for place in range(1, 14)]
    assert [scores.recall[10] for scores in scores_of(many)] == [1.0] * 10 + [0.0] * 3
    assert scores_of([]) == []
