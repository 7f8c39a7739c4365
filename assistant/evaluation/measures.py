"""Measures of rankings against judged documents, computed by ir-measures over trec_eval's own code.

trec_eval's nDCG takes a grade itself as the gain; the field's usual one is 2^grade − 1 (Burges et al. 2005), and the two
differ as soon as there is a grade above 1. So the grades are mapped before they are measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Grades are small whole numbers; what a suite marks with 0 or less is judged and not relevant.
HIGHEST_GRADE = 20
CUTOFFS = (2, 5, 10)


@dataclass(frozen=True)
class Judged:
    """One ranking, best first and without repeats, and the grades of the documents its reader could find."""

    ranking: tuple[str, ...]
    grades: Mapping[str, int]


@dataclass(frozen=True)
class Scores:
    """The measures of one ranking, each in [0, 1]."""

    ndcg: float  # at 10
    recall: Mapping[int, float]  # by cutoff

    @property
    def has_all(self) -> bool:
        """Whether every relevant document stands among the first ten."""
        return self.recall[10] == 1.0


def scores_of(judged: Sequence[Judged]) -> list[Scores]:
    """Return the measures of each ranking, in the order given. Every one must have a grade above 0."""
    import ir_measures

    if not judged:
        return []
    gains = {grade: 2**grade - 1 if grade > 0 else 0 for grade in range(-HIGHEST_GRADE, HIGHEST_GRADE + 1)}
    ndcg = ir_measures.nDCG(gains=gains) @ 10
    recalls = {k: ir_measures.R @ k for k in CUTOFFS}
    # A provider by name: another one that happens to be installed must not change a figure.
    evaluator = ir_measures.pytrec_eval.evaluator(
        [ndcg, *recalls.values()], {str(n): dict(entry.grades) for n, entry in enumerate(judged)}
    )
    run = {
        # trec_eval orders by score and knows no ranks; equal scores would be ordered by name.
        str(n): {document: float(-rank) for rank, document in enumerate(entry.ranking)}
        for n, entry in enumerate(judged)
    }
    found: dict[int, dict[str, float]] = {n: {} for n in range(len(judged))}
    for metric in evaluator.iter_calc(run):
        found[int(metric.query_id)][str(metric.measure)] = metric.value
    return [
        Scores(found[n].get(str(ndcg), 0.0), {k: found[n].get(str(r), 0.0) for k, r in recalls.items()})
        for n in range(len(judged))
    ]
