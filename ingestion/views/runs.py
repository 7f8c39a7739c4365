"""The page of one sync: how far it is, what became of each document and why, and what can be done about it."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.audit import by_request
from accounts.permissions import admin_only
from accounts.requests import SignedInRequest
from ingestion.actions import NotPossible, cancel_sync, pause_sync, resume_sync, retry_failed, retry_item
from ingestion.models import SyncItem, SyncRun
from ingestion.progress import progress_of
from ingestion.views.health import duration_words, pace_words

PAGE = 50
Outcome = SyncItem.Outcome
RANK = Case(
    When(outcome=Outcome.FAILED, then=0),
    When(outcome=Outcome.SKIPPED, then=1),
    When(outcome=Outcome.WAITING, version__isnull=False, then=2),
    When(outcome=Outcome.WAITING, then=6),
    When(outcome=Outcome.UNCHANGED, then=5),
    When(outcome=Outcome.REMOVED, then=4),
    default=3,
    output_field=IntegerField(),
)


@admin_only
@require_safe
def run(request: SignedInRequest, run_id: UUID) -> HttpResponse:
    """Show a run. Its live part asks for itself again while the run is open, and stops by itself."""
    found = _run(run_id)
    progress = progress_of(found)
    outcome = request.GET.get("outcome", "")
    if outcome not in SyncItem.Outcome.values:
        outcome = ""
    # What needs somebody comes first, then what is on its way, then what is done, then what waits.
    items = found.items.select_related("document").order_by(RANK, "id")
    page = Paginator(items.filter(outcome=outcome) if outcome else items, PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "run": found,
        "source": found.source,
        "progress": progress,
        "pace": pace_words(progress),
        "took": _took(found),
        "page": page,
        "outcome": outcome,
        "outcomes": [
            (value, label.capitalize(), getattr(progress, value)) for value, label in SyncItem.Outcome.choices
        ],
        "is_open": found.state in SyncRun.OPEN,
        "is_moving": found.state in {SyncRun.State.QUEUED, SyncRun.State.RUNNING},
    }
    template = "ingestion/run.html#live" if request.htmx.target == "live" else "ingestion/run.html"
    return render(request, template, context)


@admin_only
@require_POST
def run_pause(request: SignedInRequest, run_id: UUID) -> HttpResponse:
    """Pause a run after the documents it is at."""
    return _done(request, run_id, pause_sync)


@admin_only
@require_POST
def run_resume(request: SignedInRequest, run_id: UUID) -> HttpResponse:
    """Let a paused run go on."""
    return _done(request, run_id, resume_sync)


@admin_only
@require_POST
def run_cancel(request: SignedInRequest, run_id: UUID) -> HttpResponse:
    """Cancel an open run."""
    return _done(request, run_id, cancel_sync)


@admin_only
@require_POST
def run_retry(request: SignedInRequest, run_id: UUID) -> HttpResponse:
    """Read everything again that failed in a run."""
    return _done(request, run_id, retry_failed)


@admin_only
@require_POST
def item_retry(request: SignedInRequest, run_id: UUID, item_id: int) -> HttpResponse:
    """Read one document of a run again."""
    item = get_object_or_404(_run(run_id).items, pk=item_id)
    return _done(request, run_id, lambda by, run: retry_item(by=by, item=item))  # noqa: ARG005


def _took(run: SyncRun) -> str:
    """Return how long a finished run took from its start, or "" while it is open or when it never started."""
    if run.finished_at is None or run.started_at is None:
        return ""
    return duration_words((run.finished_at - run.started_at).total_seconds())


def _run(run_id: UUID) -> SyncRun:
    return get_object_or_404(
        SyncRun.objects.filter(source__removed_at__isnull=True).select_related("source", "requested_by"),
        public_id=run_id,
    )


def _done(request: SignedInRequest, run_id: UUID, action: Callable[..., SyncRun]) -> HttpResponse:
    """Do something to a run and go to the run that it left: the same one, or the new one of a retry."""
    found = _run(run_id)
    try:
        found = action(by=by_request(request), run=found)
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect("ingestion:run", found.public_id)
