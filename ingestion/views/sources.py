"""The list of sources, and the page of one source with everything that can be done to it."""

from collections.abc import Callable, Iterable
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.audit import By, by_request
from accounts.permissions import admin_only
from accounts.requests import SignedInRequest
from ingestion.access import Rule, rule_of
from ingestion.actions import (
    NotPossible,
    change_source,
    change_source_access,
    pause_source,
    remove_source,
    request_sync,
    resume_source,
    upload_document,
)
from ingestion.explain import (
    admitted_by,
    names_of,
    people_named,
    policy_in_words,
    principals_by_person,
    principals_in,
    rule_in_words,
)
from ingestion.forms import AccessRuleForm, NameForm, ReasonForm, UploadForm, carried, initial_of
from ingestion.models import AccessPolicy, Document, Source, SyncItem
from ingestion.progress import progress_of
from ingestion.views.health import failing_items, health_of, totals_of

PAGE = 25
SHOWS = {
    "all": "All",
    "dark": "Dark",
    "failed": "Failed",
    "superseded": "Superseded",
}


@admin_only
@require_safe
def sources(request: SignedInRequest) -> HttpResponse:
    """List the sources with their health. The list asks for itself again while something is syncing."""
    healths = health_of(Source.objects.current().select_related("policy"))
    is_busy = any(health.open_run for health in healths)
    context = {"healths": healths, "totals": totals_of(healths), "is_busy": is_busy}
    # A target names the fragment; a whole page taken over by HTMX has none.
    template = "ingestion/sources.html#list" if request.htmx.target == "sources" else "ingestion/sources.html"
    return render(request, template, context)


@admin_only
@require_safe
def source(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Show one source: its health, its runs, its documents, and who may read."""
    found = current_source(source_id)
    if request.htmx.target == "now":
        context = _now(found)
        response = render(request, "ingestion/source.html#now", context)
        if not context["is_busy"]:
            # The run that was followed has ended: let the table of documents fetch itself once more.
            response["HX-Trigger"] = "synced"
        return response
    fragment = "#documents" if request.htmx.target == "documents" else ""
    return render(request, f"ingestion/source.html{fragment}", _source_context(request, found))


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def source_upload(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Take files into an upload source, each of them read by the same run."""
    found = current_source(source_id, kind=Source.Kind.UPLOAD)
    if request.method != "POST":
        return render(request, "ingestion/upload.html", _upload_context(found, UploadForm()))
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "ingestion/upload.html", _upload_context(found, form), status=422)
    taken, refused = _upload(by_request(request), found, form.cleaned_data["documents"], form.rule())
    for name, reason in refused:
        messages.error(request, f"{name} was not taken: {reason}")
    if not taken:
        return render(request, "ingestion/upload.html", _upload_context(found, form), status=422)
    count = len(taken)
    messages.success(
        request, f"{count} {'file has' if count == 1 else 'files have'} arrived and will be read now."
    )
    return redirect("ingestion:run", taken[-1].run.public_id)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def source_access(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Change who may read a source's documents, with what that would mean shown before."""
    found = current_source(source_id)
    before = rule_of(found.policy)
    initial = initial_of(before)
    if request.method == "POST":
        form = AccessRuleForm(request.POST)
        reason = ReasonForm(request.POST)
        if form.is_valid() and reason.is_valid():
            if request.POST.get("step") != "change":
                return render(request, "ingestion/access_preview.html", _change(request, found, before, form))
            change_source_access(
                by=by_request(request), source=found, rule=form.rule(), reason=reason.cleaned_data["reason"]
            )
            messages.success(request, f"Who may read {found.name} has changed. It holds from now on.")
            return redirect("ingestion:source", found.public_id)
    else:
        form, reason = AccessRuleForm(initial=initial or {}), ReasonForm()
    context = {
        "source": found,
        "form": form,
        "reason": reason,
        "has_initial": initial is not None,
        "rule": policy_in_words(found.policy),
    }
    return render(request, "ingestion/access.html", context, status=422 if form.is_bound else 200)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def source_settings(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Change a source's name, its schedule and how much its word counts."""
    found = current_source(source_id)
    if request.method == "POST":
        form = NameForm(request.POST, kind=found.kind)
        if form.is_valid():
            try:
                change_source(
                    by=by_request(request),
                    source=found,
                    name=form.cleaned_data["name"],
                    sync_minutes=form.minutes,
                    authority=form.cleaned_data["authority"],
                )
                messages.success(request, "The change has been kept.")
                return redirect("ingestion:source", found.public_id)
            except NotPossible as error:
                form.add_error("name", str(error))
    else:
        initial = {"name": found.name, "sync_minutes": found.sync_minutes, "authority": found.authority}
        form = NameForm(initial=initial, kind=found.kind)
    context = {"source": found, "form": form}
    return render(request, "ingestion/source_settings.html", context, status=422 if form.is_bound else 200)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def source_remove(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Ask once more, with what would be lost, and remove a source."""
    found = current_source(source_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        remove_source(by=by_request(request), source=found, reason=form.cleaned_data["reason"])
        messages.success(request, f"{found.name} is removed. Its documents are gone for every reader.")
        return redirect("ingestion:sources")
    count = Document.objects.current().filter(source=found).count()
    return render(
        request, "ingestion/source_remove.html", {"source": found, "form": form, "documents": count}
    )


@admin_only
@require_POST
def source_sync(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Ask for a sync now and go to its page."""
    found = current_source(source_id)
    try:
        run = request_sync(by=by_request(request), source=found)
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect("ingestion:source", found.public_id)
    return redirect("ingestion:run", run.public_id)


@admin_only
@require_POST
def source_pause(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Pause a source, its open run included."""
    return _done(request, source_id, pause_source, "{} is paused. Its documents stay readable.")


@admin_only
@require_POST
def source_resume(request: SignedInRequest, source_id: UUID) -> HttpResponse:
    """Let a paused source go on."""
    return _done(request, source_id, resume_source, "{} goes on.")


def current_source(source_id: UUID, kind: str = "") -> Source:
    """Return a source that has not been removed, of this kind when one is given, or raise 404."""
    rows = Source.objects.current().select_related("policy")
    found: Source = get_object_or_404(rows.filter(kind=kind) if kind else rows, public_id=source_id)
    return found


def _done(
    request: SignedInRequest, source_id: UUID, action: Callable[..., Source], sentence: str
) -> HttpResponse:
    found = current_source(source_id)
    try:
        action(by=by_request(request), source=found)
        messages.success(request, sentence.format(found.name))
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect("ingestion:source", found.public_id)


def _upload(
    by: By, source: Source, files: "list[UploadedFile[bytes]]", rule: Rule
) -> tuple[list[SyncItem], list[tuple[str, str]]]:
    """Take each file by itself: one that is refused does not keep the others out."""
    taken, refused = [], []
    for file in files:
        try:
            taken.append(upload_document(by=by, source=source, name=file.name or "", file=file, rule=rule))
        except NotPossible as error:
            refused.append((file.name or "A file without a name", str(error)))
    return taken, refused


def _upload_context(source: Source, form: UploadForm) -> dict[str, object]:
    return {"source": source, "form": form, "rule": policy_in_words(source.policy)}


def _now(source: Source) -> dict[str, object]:
    """Return what the part of the page shows that follows a sync."""
    (health,) = health_of([source])
    return {"source": source, "health": health, "is_busy": health.open_run is not None}


def _source_context(request: SignedInRequest, source: Source) -> dict[str, object]:
    (health,) = health_of([source])
    show = request.GET.get("show", "all")
    show = show if show in SHOWS else "all"
    words = " ".join(request.GET.get("q", "").split())[:200]
    rule = rule_of(source.policy)
    readers = people_named(admitted_by([rule], principals_by_person()))
    all_documents = Document.objects.current().filter(source=source)
    documents = _shown(source, all_documents, show)
    if words:
        documents = documents.filter(Q(title__icontains=words) | Q(external_id__icontains=words))
    page = Paginator(
        documents.select_related("policy", "source__policy", "current_version").order_by("title", "id"), PAGE
    ).get_page(request.GET.get("page"))
    return {
        "source": source,
        "health": health,
        "is_busy": health.open_run is not None,
        "rule": rule_in_words(rule, names_of(principals_in([rule]))),
        "readers": readers,
        "runs": [(run, progress_of(run)) for run in source.runs.select_related("requested_by")[:6]],
        "page": page,
        "rows": _with_words(page.object_list, rule),
        "shows": [
            # What failed before it became a document counts as well; the table above the documents lists it.
            (key, label, health.failing if key == "failed" else _shown(source, all_documents, key).count())
            for key, label in SHOWS.items()
        ],
        "show": show,
        "words": words,
        "failing": _failing_without_document(source) if show == "failed" else [],
        "dark_reasons": _dark_reasons(source),
    }


def _shown(source: Source, documents: QuerySet[Document], show: str) -> QuerySet[Document]:
    if show == "dark":
        return documents.filter(pk__in=Document.objects.dark().filter(source=source).values("pk"))
    if show == "failed":
        return documents.filter(
            external_id__in=failing_items().filter(run__source=source).values("external_id")
        )
    if show == "superseded":
        return documents.filter(is_superseded=True)
    return documents


def _failing_without_document(source: Source) -> list[SyncItem]:
    """Return what failed and never became a document: it has no row in the table but is shown beside it."""
    known = Document.objects.current().filter(source=source).values("external_id")
    return list(
        failing_items().filter(run__source=source).exclude(external_id__in=known).select_related("run")[:PAGE]
    )


def _with_words(documents: Iterable[Document], source_rule: Rule) -> list[tuple[Document, str, int]]:
    """Return documents with their own rule in words and how many people can read them.

    A page shows few distinct rules; each is read and weighed once.
    """
    listed = list(documents)
    policies = AccessPolicy.objects.filter(pk__in={d.policy_id for d in listed}).prefetch_related(
        "clauses", "denials"
    )
    rules = {policy.pk: rule_of(policy) for policy in policies}
    name_of = names_of(principals_in(rules.values()))
    words = {pk: rule_in_words(rule, name_of).summary for pk, rule in rules.items()}
    people = principals_by_person()
    counts = {pk: len(admitted_by([source_rule, rule], people)) for pk, rule in rules.items()}
    return [
        (
            document,
            words[document.policy_id],
            counts[document.policy_id] if document.current_version_id else 0,
        )
        for document in listed
    ]


def _dark_reasons(source: Source) -> list[str]:
    """Return the distinct reasons for which documents of a source are dark, at most five."""
    if source.policy.is_dark:
        return ["The rule of the source itself could not be read. Choose who may read it."]
    notes = Document.objects.dark().filter(source=source).exclude(policy_note="").order_by("policy_note")
    return list(notes.values_list("policy_note", flat=True).distinct()[:5])


def _change(
    request: SignedInRequest, source: Source, before: Rule, form: AccessRuleForm
) -> dict[str, object]:
    """Return who would gain and who would lose what a source shows, before it is changed."""
    after = form.rule()
    people = principals_by_person()
    could, will = set(admitted_by([before], people)), set(admitted_by([after], people))
    name_of = names_of(principals_in([before, after]))
    return {
        "source": source,
        "before": rule_in_words(before, name_of),
        "after": rule_in_words(after, name_of),
        "gaining": people_named(will - could),
        "losing": people_named(could - will),
        "count_before": len(could),
        "count_after": len(will),
        "carried": carried(request.POST, [*form.fields, "reason"]),
    }
