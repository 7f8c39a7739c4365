"""The measures, against values worked out by hand."""

from retrieval.metrics import area_under_curve, percentile


def test_percentiles_are_values_that_occur() -> None:
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.95) == 2.0
    assert percentile([], 0.5) == 0.0


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_curve([2.0, 3.0], [1.0]) == 1.0
    assert area_under_curve([1.0], [1.0]) == 0.5
    assert area_under_curve([0.0], [1.0]) == 0.0
