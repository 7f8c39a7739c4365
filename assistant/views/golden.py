"""The golden questions, for administrators: the list, one question, import and export.

Administering them lets nobody read a document: expected documents are picked among those the administrator may read,
and of those that somebody else picked only the readable ones show their titles.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.audit import by_request, record
from accounts.models import User
from accounts.permissions import admin_only
from accounts.requests import SignedInRequest
from accounts.streaming import streamed
from assistant.golden.actions import (
    add_golden_question,
    change_golden_question,
    import_golden_questions,
    remove_golden_question,
)
from assistant.golden.forms import GoldenQuestionForm, ImportForm
from assistant.golden.importing import COLUMNS, MOST_BYTES, NotReadable, Read, questions_csv, read_file
from assistant.golden.models import EvaluationRun, GoldenQuestion
from assistant.golden.showing import ShownDocument, Titles, find_documents
from assistant.golden.types import Entry, NotPossible

PAGE = 50
MOST_NAMED = 50
# Far more than a good answer rests on; it only bounds what one form can send.
MOST_DOCUMENTS = 20


@dataclass(frozen=True)
class ShownQuestion:
    """A golden question with its documents as the administrator may see them."""

    question: GoldenQuestion
    documents: tuple[ShownDocument, ...]


@admin_only
@require_safe
def golden_questions(request: SignedInRequest) -> HttpResponse:
    """List the golden questions, searched by their words or by who asks them."""
    query = request.GET.get("q", "").strip()[:200]
    found = _active()
    for word in query.split()[:8]:
        found = found.filter(
            Q(text__icontains=word) | Q(asker__name__icontains=word) | Q(asker__email__icontains=word)
        )
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    titles = Titles((name for question in page for name in question.documents), request.viewer)
    context = {
        "page": page,
        "shown": [ShownQuestion(question, titles.of_all(question.documents)) for question in page],
        "query": query,
        **counts(),
    }
    template = "assistant/golden_questions.html"
    return render(request, f"{template}#list" if request.htmx else template, context)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def golden_new(request: SignedInRequest) -> HttpResponse:
    """Add a golden question."""
    return _edit(request, None)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def golden_question(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Show a golden question and change it."""
    return _edit(request, get_object_or_404(_active(), public_id=question))


@admin_only
@require_POST
def golden_remove(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Remove a golden question."""
    found = get_object_or_404(_active(), public_id=question)
    try:
        remove_golden_question(by=by_request(request), question=found)
    except NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The golden question is removed. Runs that asked it keep what came of it.")
    return redirect("assistant:golden_questions")


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def golden_import(request: SignedInRequest) -> HttpResponse:
    """Take in a file of golden questions, all of it or, when a line is wrong, nothing."""
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    read: Read | None = None
    if request.method == "POST" and form.is_valid():
        try:
            # One byte more than is taken tells a file that is too large from one that just fits.
            read = read_file(form.cleaned_data["file"].read(MOST_BYTES + 1), request.viewer)
            if not read.errors:
                added = import_golden_questions(
                    by=by_request(request), user=request.user, viewer=request.viewer, entries=read.entries
                )
                known = len(read.entries) - added
                more = f" {known} were there already." if known else ""
                messages.success(
                    request, f"{added} golden question{'' if added == 1 else 's'} imported.{more}"
                )
                return redirect("assistant:golden_questions")
        except (NotReadable, NotPossible) as error:
            form.add_error("file", str(error))
    context = {"form": form, "read": read, "columns": COLUMNS, "most_named": MOST_NAMED}
    status = 422 if request.method == "POST" else 200
    return render(request, "assistant/golden_import.html", context, status=status)


@admin_only
@require_safe
def golden_export(request: SignedInRequest) -> StreamingHttpResponse:
    """Send the golden questions as CSV, as they can be taken in again."""
    record(
        "golden_question.exported",
        by=by_request(request),
        subject="golden_questions:all",
        details={"questions": _active().count()},
    )
    name = f"footnote-golden-questions-{timezone.now():%Y-%m-%d-%H%M}.csv"
    return streamed(
        request,
        questions_csv(_active(), request.viewer),
        content_type="text/csv; charset=utf-8",
        filename=name,
    )


def counts() -> dict[str, int]:
    """Return what stands beside the tabs of the Evaluation desk."""
    return {
        "question_count": GoldenQuestion.objects.filter(is_active=True).count(),
        "run_count": EvaluationRun.objects.count(),
    }


def _active() -> QuerySet[GoldenQuestion]:
    return GoldenQuestion.objects.filter(is_active=True).select_related("asker").order_by("pk")


def _edit(request: SignedInRequest, question: GoldenQuestion | None) -> HttpResponse:
    is_sent = request.method == "POST"
    # Looking for documents shows the page again with what was typed so far, and judges none of it.
    looks = is_sent and "find" in request.POST
    chosen = (
        _picked(request.POST.getlist("documents"))
        if is_sent
        else _picked(question.documents if question else [])
    )
    form = (
        GoldenQuestionForm(request.POST)
        if is_sent and not looks
        else GoldenQuestionForm(initial=request.POST.dict() if looks else _initial(question))
    )
    if is_sent and not looks and form.is_valid():
        try:
            _keep(request, question, form.entry(chosen))
        except NotPossible as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The golden question is kept.")
            return redirect("assistant:golden_questions")
    query = request.POST.get("q", "").strip()[:200]
    context = {
        "question": question,
        "form": form,
        "query": query,
        "chosen": Titles(chosen, request.viewer).of_all(chosen),
        "found": find_documents(query, request.viewer, but=chosen) if looks else (),
        "looked": looks,
        "people": User.objects.filter(is_active=True).order_by("name")[:MOST_NAMED],
    }
    template = "assistant/golden_question.html"
    if looks and request.htmx:
        return render(request, f"{template}#documents", context)
    return render(request, template, context, status=422 if is_sent and not looks else 200)


def _picked(values: Iterable[str]) -> tuple[str, ...]:
    """Return the ids among values that a form sent, each once."""
    ids = []
    for value in values:
        try:
            ids.append(str(UUID(value)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(ids))[:MOST_DOCUMENTS]


def _initial(question: GoldenQuestion | None) -> dict[str, str]:
    if question is None:
        return {}
    return {
        "text": question.text,
        "asker": question.asker.email,
        "expected_outcome": question.expected_outcome,
        "words": question.words,
    }


def _keep(request: SignedInRequest, question: GoldenQuestion | None, entry: Entry) -> None:
    by = by_request(request)
    if question is None:
        add_golden_question(by=by, user=request.user, viewer=request.viewer, entry=entry)
    else:
        change_golden_question(by=by, viewer=request.viewer, question=question, entry=entry)
