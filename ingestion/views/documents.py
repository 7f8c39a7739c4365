"""An admin's page of one document: versions, rule, who can read it and why. It never holds the document's text."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.audit import by_request, record
from accounts.models import User
from accounts.permissions import admin_only
from accounts.requests import SignedInRequest
from ingestion.access import rule_of
from ingestion.actions import NotPossible, change_document_access, remove_document
from ingestion.explain import Explanation, explain_user, policy_in_words, readers_of
from ingestion.forms import AccessRuleForm, ReasonForm, initial_of
from ingestion.models import Document, Source, SyncItem

SUGGESTED = 200
MATCHES = 12


@admin_only
@require_safe
def document_admin(request: SignedInRequest, document_id: UUID) -> HttpResponse:
    """Show what an admin may know of a document: everything about it but its text."""
    found = administered(document_id)
    # Text is deferred: this page must not hold what the admin may have no right to read.
    versions = found.versions.defer("text", "sections").annotate(chunk_count=Count("chunks"))
    can_read = Document.objects.visible_to(request.viewer).filter(pk=found.pk).exists()
    context = {
        "document": found,
        "source": found.source,
        "versions": versions.order_by("-number"),
        "rule": policy_in_words(found.policy),
        "source_rule": policy_in_words(found.source.policy),
        "readers": readers_of(found),
        "can_read": can_read,
        "items": SyncItem.objects.filter(run__source=found.source, external_id=found.external_id)
        .select_related("run")
        .order_by("-id")[:5],
        "suggested": User.objects.filter(is_active=True).order_by("name")[:SUGGESTED],
        "is_upload": found.source.kind == Source.Kind.UPLOAD,
    }
    return render(request, "ingestion/document_admin.html", context)


@admin_only
@require_safe
def explain(request: SignedInRequest, document_id: UUID) -> HttpResponse:
    """Explain why a person, given by name or address, can or cannot read a document. Recorded in the audit trail."""
    found = administered(document_id)
    words = " ".join(request.GET.get("person", "").split())[:200]
    matches = _people(words)
    explanation: Explanation | None = None
    if len(matches) == 1:
        explanation = explain_user(matches[0], found)
        if request.method == "GET":
            record(
                "document.access_explained",
                by=by_request(request),
                subject=f"document:{found.public_id}",
                subject_label=found.title,
                details={"person": f"user:{matches[0].pk}", "allowed": explanation.allowed},
            )
    context = {
        "document": found,
        "source": found.source,
        "words": words,
        "person": matches[0] if len(matches) == 1 else None,
        "matches": matches[:MATCHES] if len(matches) > 1 else [],
        "explanation": explanation,
        "suggested": User.objects.filter(is_active=True).order_by("name")[:SUGGESTED],
    }
    is_fragment = request.htmx.target == "explanation"
    return render(request, f"ingestion/explain.html{'#answer' if is_fragment else ''}", context)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def document_access(request: SignedInRequest, document_id: UUID) -> HttpResponse:
    """Change who may read an uploaded document."""
    found = administered(document_id)
    initial = initial_of(rule_of(found.policy))
    if request.method == "POST":
        form, reason = AccessRuleForm(request.POST), ReasonForm(request.POST)
        if form.is_valid() and reason.is_valid():
            try:
                change_document_access(
                    by=by_request(request),
                    document=found,
                    rule=form.rule(),
                    reason=reason.cleaned_data["reason"],
                )
                messages.success(request, f"Who may read {found.title} has changed. It holds from now on.")
                return redirect("ingestion:document_admin", found.public_id)
            except NotPossible as error:
                form.add_error(None, str(error))
    else:
        form, reason = AccessRuleForm(initial=initial or {}), ReasonForm()
    context = {
        "document": found,
        "source": found.source,
        "form": form,
        "reason": reason,
        "has_initial": initial is not None,
        "rule": policy_in_words(found.policy),
        "source_rule": policy_in_words(found.source.policy),
    }
    return render(request, "ingestion/document_access.html", context, status=422 if form.is_bound else 200)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def document_remove(request: SignedInRequest, document_id: UUID) -> HttpResponse:
    """Ask once more and remove an uploaded document."""
    found = administered(document_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            remove_document(by=by_request(request), document=found, reason=form.cleaned_data["reason"])
            messages.success(request, f"{found.title} is removed. It is gone for every reader.")
            return redirect("ingestion:source", found.source.public_id)
        except NotPossible as error:
            form.add_error(None, str(error))
    context = {"document": found, "source": found.source, "form": form, "readers": readers_of(found)}
    return render(request, "ingestion/document_remove.html", context, status=422 if form.errors else 200)


def administered(document_id: UUID) -> Document:
    """Return a current document for administration, without its text, or raise 404."""
    found: Document = get_object_or_404(
        Document.objects.current().select_related("source__policy", "policy"), public_id=document_id
    )
    return found


def _people(words: str) -> list[User]:
    """Return the people meant by a name or an address: the one of that exact address, else all that match."""
    if not words:
        return []
    # A suggestion reads "Alice Meyer <alice@example.org>".
    address = words.rpartition("<")[2].rstrip(">").strip()
    exact = User.objects.filter(email__iexact=address)
    if found := list(exact):
        return found
    by_name = list(User.objects.filter(name__iexact=words).order_by("email"))
    if len(by_name) == 1:
        return by_name
    matching = User.objects.filter(Q(name__icontains=words) | Q(email__icontains=words))
    return list(matching.order_by("name", "email")[: MATCHES + 1])
