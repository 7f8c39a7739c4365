"""The measures, against values worked out by hand."""

import pytest

from retrieval.metrics import area_under_curve, ndcg, percentile, recall


def test_ndcg_of_the_ideal_order_is_one_and_of_nothing_found_zero() -> None:
    assert ndcg(["a", "b"], {"a": 2, "b": 1}) == 1.0
    assert ndcg(["x", "y"], {"a": 1}) == 0.0


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    assert ndcg(["x", "a"], {"a": 1}) == pytest.approx(1 / 1.5849625, rel=1e-6)


def test_ndcg_counts_only_the_first_k() -> None:
    assert ndcg(["x"] * 10 + ["a"], {"a": 1}, k=10) == 0.0


def test_recall_is_the_share_of_relevant_documents_found() -> None:
    assert recall(["a", "x", "b"], {"a": 1, "b": 1, "c": 0}, 2) == 0.5


def test_percentiles_are_values_that_occur() -> None:
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.95) == 2.0
    assert percentile([], 0.5) == 0.0


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_curve([2.0, 3.0], [1.0]) == 1.0
    assert area_under_curve([1.0], [1.0]) == 0.5
    assert area_under_curve([0.0], [1.0]) == 0.0
