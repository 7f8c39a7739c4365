"""Two measures that ir-measures does not have; those of rankings are `assistant.evaluation.measures`."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (in [0, 1]) of the values lie, by the nearest-rank method; 0.0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def area_under_curve(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the chance that a random positive scores above a random negative (ties count half): ROC AUC."""
    ordered = sorted([(value, 1) for value in positive] + [(value, 0) for value in negative])
    rank_sum, index = 0.0, 0
    while index < len(ordered):
        tie = index
        while tie < len(ordered) and ordered[tie][0] == ordered[index][0]:
            tie += 1
        average = (index + 1 + tie) / 2
        rank_sum += average * sum(label for _, label in ordered[index:tie])
        index = tie
    if not positive or not negative:
        return 0.5
    n, m = len(positive), len(negative)
    return (rank_sum - n * (n + 1) / 2) / (n * m)
