"""The Evaluation desk, for administrators: runs of the golden questions, over time, one by one and side by side.

A run asks each question with its asker's rights. What it shows is ranks, outcomes and times: no word of an answer, and of
expected documents only the titles that the administrator who looks may read.
"""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, Q, QuerySet, When
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.audit import by_request, record
from accounts.permissions import admin_only
from accounts.requests import SignedInRequest
from accounts.streaming import streamed
from accounts.viewer import Viewer
from assistant.golden.actions import OPEN, start_evaluation, stop_evaluation
from assistant.golden.figures import (
    MEASURES,
    MOST_ON_THE_LINE,
    ComparedQuestion,
    compare,
    figures_of,
    line_of,
    shown,
)
from assistant.golden.forms import StartForm
from assistant.golden.importing import results_csv
from assistant.golden.models import EvaluationResult, EvaluationRun
from assistant.golden.showing import ShownResult, shown_results
from assistant.golden.types import NotPossible
from assistant.views.golden import counts

PAGE = 25
QUESTIONS = 50
State = EvaluationResult.State
# What needs somebody comes first, then what is still to come, then what went as it should.
RANK = Case(
    When(state=State.FAILED, then=0),
    When(is_right=False, then=1),
    When(state=State.WAITING, then=2),
    default=3,
    output_field=IntegerField(),
)
SHOWN = {
    "": ("All", Q()),
    "wrong": ("Not as expected", Q(is_right=False)),
    "failed": ("Could not be asked", Q(state=State.FAILED)),
    "right": ("As expected", Q(is_right=True)),
}


@dataclass(frozen=True)
class ShownFigure:
    """One figure of a run, for people."""

    name: str
    value: str
    explained: str


@dataclass(frozen=True)
class RunLine:
    """One run of the list with its figures, in the order of the columns."""

    run: EvaluationRun
    right: str
    hit: str
    time: str


@dataclass(frozen=True)
class ShownComparison:
    """A question of two runs with its documents as the administrator may see them."""

    question: ComparedQuestion
    first: ShownResult | None
    second: ShownResult | None


@admin_only
@require_safe
def evaluation(request: SignedInRequest) -> HttpResponse:
    """Show the runs over time, and start another."""
    runs = (
        EvaluationRun.objects.select_related("requested_by")
        .annotate(questions=Count("results"))
        .order_by("-pk")
    )
    page = Paginator(runs, PAGE).get_page(request.GET.get("page"))
    finished = runs.filter(state=EvaluationRun.State.FINISHED)[:MOST_ON_THE_LINE]
    context = {
        "page": page,
        "lines": [_line(run) for run in page],
        "line": line_of(list(finished)),
        "open": EvaluationRun.objects.filter(state__in=OPEN).first(),
        "form": StartForm(),
        **counts(),
    }
    return render(request, "assistant/evaluation.html", context)


@admin_only
@require_POST
def evaluation_start(request: SignedInRequest) -> HttpResponse:
    """Have every golden question asked with the options chosen."""
    form = StartForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was started: choose a value that is offered for every option.")
        return redirect("assistant:evaluation")
    try:
        run = start_evaluation(
            by=by_request(request),
            user=request.user,
            options=form.options(),
            label=form.cleaned_data["label"],
        )
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect("assistant:evaluation")
    return redirect("assistant:evaluation_run", run.public_id)


@admin_only
@require_safe
def evaluation_run(request: SignedInRequest, run: UUID) -> HttpResponse:
    """Show a run. Its live part asks for itself again while the run is open, and stops by itself."""
    found = _run(run)
    results = found.results.select_related("asker", "question")
    figures = figures_of(results)
    only = request.GET.get("only", "")
    only = only if only in SHOWN else ""
    page = Paginator(results.filter(SHOWN[only][1]).order_by(RANK, "pk"), QUESTIONS).get_page(
        request.GET.get("page")
    )
    asked, failed, total = figures["asked"], figures["failed"], figures["questions"]
    context = {
        "run": found,
        "is_open": found.state in OPEN,
        "asked": asked,
        "failed": failed,
        "total": total,
        "percent": 100 * (asked + failed) // total if total else 0,
        "figures": [
            ShownFigure(measure.name, shown(measure, figures[measure.key]), measure.explained)
            for measure in MEASURES
        ],
        "page": page,
        "results": shown_results(list(page), request.viewer),
        "only": only,
        "tabs": [(key, name, _count(results, narrowed)) for key, (name, narrowed) in SHOWN.items()],
        "previous": _finished_before(found),
        **counts(),
    }
    template = "assistant/evaluation_run.html"
    return render(request, f"{template}#live" if request.htmx.target == "live" else template, context)


@admin_only
@require_POST
def evaluation_stop(request: SignedInRequest, run: UUID) -> HttpResponse:
    """Stop a run after the question it is at."""
    found = _run(run)
    try:
        stop_evaluation(by=by_request(request), run=found)
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect("assistant:evaluation_run", found.public_id)


@admin_only
@require_safe
def evaluation_export(request: SignedInRequest, run: UUID) -> StreamingHttpResponse:
    """Send what came of each question of a run as CSV."""
    found = _run(run)
    record("evaluation.exported", by=by_request(request), subject=found.subject, subject_label=found.name)
    name = f"footnote-evaluation-{found.created_at:%Y-%m-%d-%H%M}.csv"
    return streamed(request, results_csv(found), content_type="text/csv; charset=utf-8", filename=name)


@admin_only
@require_safe
def evaluation_compare(request: SignedInRequest) -> HttpResponse:
    """Show two runs side by side, the older one first, with the questions that ended otherwise."""
    chosen = {_uuid(value) for value in request.GET.getlist("run")}
    runs = list(EvaluationRun.objects.filter(public_id__in=chosen).order_by("pk")[:3])
    if len(runs) != 2:
        messages.info(request, "Choose two runs to see them side by side.")
        return redirect("assistant:evaluation")
    comparison = compare(*runs)
    firsts = _by_question([q.first for q in comparison.different if q.first], request.viewer)
    seconds = _by_question([q.second for q in comparison.different if q.second], request.viewer)
    context = {
        "first": runs[0],
        "second": runs[1],
        "figures": comparison.figures,
        "alike": comparison.alike,
        "different": [
            ShownComparison(q, firsts.get(q.either.question_id), seconds.get(q.either.question_id))
            for q in comparison.different
        ],
        **counts(),
    }
    return render(request, "assistant/evaluation_compare.html", context)


def _line(run: EvaluationRun) -> RunLine:
    values = {measure.key: shown(measure, run.figures.get(measure.key)) for measure in MEASURES}
    return RunLine(run, values["right"], values["hit"], values["p50_ms"])


def _count(results: QuerySet[EvaluationResult], narrowed: Q) -> int:
    return results.filter(narrowed).count()


def _by_question(results: list[EvaluationResult], viewer: Viewer) -> dict[int, ShownResult]:
    return {entry.result.question_id: entry for entry in shown_results(results, viewer)}


def _finished_before(run: EvaluationRun) -> EvaluationRun | None:
    return EvaluationRun.objects.filter(state=EvaluationRun.State.FINISHED, pk__lt=run.pk).first()


def _run(public_id: UUID) -> EvaluationRun:
    return get_object_or_404(EvaluationRun.objects.select_related("requested_by"), public_id=public_id)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
