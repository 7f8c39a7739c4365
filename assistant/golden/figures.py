"""What the results of a run add up to, the line over runs, and two runs held against each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.golden.models import EvaluationResult, EvaluationRun
from retrieval.metrics import percentile

Figures = dict[str, Any]  # Any: JSON values

MOST_ON_THE_LINE = 40
"""So many of the newest finished runs are drawn."""


@dataclass(frozen=True)
class Measure:
    """One figure of a run, for people: a share in percent, or milliseconds, of which less is better."""

    key: str
    name: str
    explained: str
    is_time: bool = False


MEASURES = (
    Measure("right", "As expected", "outcome, documents and words all as expected"),
    Measure("hit", "Document found", "an expected document among the first ten"),
    Measure("all", "All found", "every expected document among the first ten"),
    Measure("first", "Found first", "an expected document in the first place"),
    Measure("outcome", "Right outcome", "answered or not, as expected"),
    Measure("words", "Words in the answer", "the expected words stand in it"),
    Measure("p50_ms", "Median time", "to find the passages", is_time=True),
    Measure("p95_ms", "Slowest in twenty", "95 of 100 took no longer", is_time=True),
)


def figures_of(results: Iterable[EvaluationResult]) -> Figures:
    """Return what results add up to: counts, shares in [0, 1] or None where nothing was to be measured, times in ms."""
    every = list(results)
    done = [result for result in every if result.state == EvaluationResult.State.DONE]
    expecting = [result for result in done if result.expected]
    times = [result.milliseconds for result in done if result.milliseconds is not None]
    return {
        "questions": len(every),
        "asked": len(done),
        "failed": sum(result.state == EvaluationResult.State.FAILED for result in every),
        # A question that could not be asked did not end as expected either.
        "right": _share([bool(r.is_right) for r in every if r.state != EvaluationResult.State.WAITING]),
        "hit": _share([bool(result.is_found) for result in expecting]),
        "all": _share([_has_all(result) for result in expecting]),
        "first": _share([result.best_rank == 1 for result in expecting]),
        "outcome": _share([result.outcome == result.expected_outcome for result in done]),
        "words": _share([result.has_words for result in done if result.has_words is not None]),
        "p50_ms": round(percentile(times, 0.5), 1) if times else None,
        "p95_ms": round(percentile(times, 0.95), 1) if times else None,
    }


def _has_all(result: EvaluationResult) -> bool:
    return all(rank is not None and rank <= 10 for rank in result.ranks)


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def shown(measure: Measure, value: float | None) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "–"
    return f"{value:,.0f} ms" if measure.is_time else f"{100 * value:.0f} %"


@dataclass(frozen=True)
class Point:
    """One finished run on the line; `x` and `y` are parts of a hundred from the top left."""

    run: EvaluationRun
    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Line:
    """The hit rate over the finished runs, oldest first."""

    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)

    @property
    def latest(self) -> Point:
        return self.points[-1]


def line_of(runs: Sequence[EvaluationRun]) -> Line:
    """Return the line over finished runs, given newest first. Runs in which nothing was to be found are not on it."""
    drawn = [run for run in runs if run.figures.get("hit") is not None][:MOST_ON_THE_LINE][::-1]
    step = 100 / max(1, len(drawn) - 1)
    return Line(
        tuple(
            Point(
                run,
                x=round(step * place, 2) if len(drawn) > 1 else 50.0,
                y=round(100 - 100 * run.figures["hit"], 2),
                words=f"{run.created_at:%-d %b %Y, %H:%M}: {100 * run.figures['hit']:.0f} %, {run.name}",
            )
            for place, run in enumerate(drawn)
        )
    )


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of two runs. `trend` says whether the second is better, worse or the same."""

    measure: Measure
    first: str
    second: str
    difference: str
    trend: str


@dataclass(frozen=True)
class ComparedQuestion:
    """One golden question in two runs; a side is None where that run did not ask it."""

    first: EvaluationResult | None
    second: EvaluationResult | None

    @property
    def either(self) -> EvaluationResult:
        found = self.second or self.first
        if found is None:
            raise ValueError("A compared question stands in one of the runs.")
        return found

    @property
    def was_edited(self) -> bool:
        """Whether the question, its asker or what is expected differs between the runs."""
        return bool(self.first and self.second and _asked(self.first) != _asked(self.second))

    @property
    def differs(self) -> bool:
        """Whether it ended otherwise, was asked in one of the runs only, or came right in one of them only."""
        if self.first is None or self.second is None:
            return True
        return _ended(self.first) != _ended(self.second)


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side: their figures, and the questions that ended otherwise."""

    figures: tuple[ComparedFigure, ...]
    different: tuple[ComparedQuestion, ...]
    alike: int


def compare(first: EvaluationRun, second: EvaluationRun) -> Comparison:
    """Return two runs held against each other, question by question."""
    sides = [
        {result.question_id: result for result in run.results.select_related("asker")}
        for run in (first, second)
    ]
    questions = [
        ComparedQuestion(sides[0].get(key), sides[1].get(key)) for key in sorted({*sides[0], *sides[1]})
    ]
    different = tuple(question for question in questions if question.differs)
    one, other = (figures_of(side.values()) for side in sides)
    return Comparison(
        tuple(_compared(measure, one[measure.key], other[measure.key]) for measure in MEASURES),
        different,
        len(questions) - len(different),
    )


def _compared(measure: Measure, first: float | None, second: float | None) -> ComparedFigure:
    difference, trend = "", "same"
    if first is not None and second is not None and first != second:
        change = second - first
        difference = f"{change:+,.0f} ms" if measure.is_time else f"{100 * change:+.0f} points"
        trend = "better" if (change < 0) == measure.is_time else "worse"
    return ComparedFigure(measure, shown(measure, first), shown(measure, second), difference, trend)


def _ended(result: EvaluationResult) -> tuple[str, str, bool | None, bool | None]:
    return result.state, result.outcome, result.is_right, result.is_found


def _asked(result: EvaluationResult) -> tuple[str, int, str, list[str], str]:
    return result.text, result.asker_id, result.expected_outcome, result.expected, result.words
