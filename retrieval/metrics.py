"""Measures of a ranking against judged documents, as the field defines them."""

import math
from collections.abc import Mapping, Sequence


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """Return nDCG@k with gain 2^grade − 1 and discount log2(rank + 1) (Järvelin & Kekäläinen 2002), in [0, 1].

    `ranking` is document ids, best first, without repeats; `grades` the relevant documents' grades (> 0).
    """
    gained = sum(
        (2 ** grades.get(d, 0) - 1) / math.log2(rank + 1) for rank, d in enumerate(ranking[:k], start=1)
    )
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    possible = sum((2**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(ideal, start=1))
    return gained / possible if possible else 0.0


def recall(ranking: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Return the share of the relevant documents (grade > 0) that stand among the first k, in [0, 1]."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant & set(ranking[:k])) / len(relevant) if relevant else 0.0


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
