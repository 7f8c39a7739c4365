"""The record itself, for auditors: its events, whether it is intact, and taking it away to check elsewhere."""

import json
from urllib.parse import urlencode

from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.audit import by_request, record
from accounts.bundle import bundle_name, bundle_pieces
from accounts.canonical import digest_of
from accounts.chain import GENESIS, event_fields
from accounts.events import EventFilter, csv_lines, jsonl_lines, line_of, page_of
from accounts.forms import EventFilterForm
from accounts.models import AuditEvent, AuditHead
from accounts.permissions import auditor_only
from accounts.requests import SignedInRequest
from accounts.streaming import streamed
from accounts.triggers import is_protected
from accounts.verification import last_verification, verify_and_record

_EXPORTS = {"csv": ("text/csv; charset=utf-8", csv_lines), "jsonl": ("application/x-ndjson", jsonl_lines)}


@auditor_only
@require_safe
def events(request: SignedInRequest) -> HttpResponse:
    """List audit events, newest first, narrowed by type, actor, subject and time."""
    form = EventFilterForm(request.GET)
    chosen = _filter(form)
    page = page_of(chosen.events(), before=_position(request, "before"), after=_position(request, "after"))
    _record_look(request, chosen)
    context = {
        "form": form,
        "page": page,
        "query": urlencode(chosen.as_details()),
        "is_narrowed": bool(chosen.as_details()),
        "head": _head(),
    }
    return render(request, "accounts/events.html#list" if request.htmx else "accounts/events.html", context)


@auditor_only
@require_safe
def event(request: SignedInRequest, position: int) -> HttpResponse:
    """Show one event with everything its digest covers."""
    shown = get_object_or_404(AuditEvent, position=position)
    fields = event_fields(shown)
    context = {
        "line": line_of(shown),
        "event": shown,
        "details": json.dumps(shown.details, indent=2, ensure_ascii=False, sort_keys=True),
        "is_true": digest_of(fields) == shown.digest,
        "before": AuditEvent.objects.filter(position=position - 1).first(),
        "after": AuditEvent.objects.filter(position=position + 1).first(),
    }
    return render(request, "accounts/event.html", context)


@auditor_only
@require_safe
def events_export(request: SignedInRequest, form: str) -> StreamingHttpResponse:
    """Send the narrowed events, oldest first, as CSV or as one JSON object a line."""
    if form not in _EXPORTS:
        raise Http404
    chosen = _filter(EventFilterForm(request.GET))
    content_type, lines = _EXPORTS[form]
    record(
        "audit.exported",
        by=by_request(request),
        subject="audit:events",
        details={"form": form, "filter": chosen.as_details()},
    )
    name = bundle_name().replace("audit", "events").replace(".zip", f".{form}")
    return streamed(request, lines(chosen.events()), content_type=content_type, filename=name)


@auditor_only
@require_safe
def integrity(request: SignedInRequest) -> HttpResponse:
    """Show whether the chain is intact: its end, its protection, and the last verification."""
    return render(request, "accounts/integrity.html", _state())


@auditor_only
@require_POST
def verify(request: SignedInRequest) -> HttpResponse:
    """Verify every record now."""
    reports = verify_and_record(by=by_request(request))
    if request.htmx:
        return render(
            request, "accounts/integrity.html#state", _state() | {"reports": reports, "is_fresh": True}
        )
    found = sum(report.found for report in reports)
    if found:
        messages.error(request, f"Not intact: {found} disagreement{'' if found == 1 else 's'}, named below.")
    else:
        messages.success(request, "Every digest was derived again, and all agree.")
    return redirect("accounts:integrity")


@auditor_only
@require_safe
def bundle(request: SignedInRequest) -> StreamingHttpResponse:
    """Send the whole chain as a zip that can be checked without the product."""
    record("audit.exported", by=by_request(request), subject="audit:bundle", details={"form": "bundle"})
    return streamed(request, bundle_pieces(), content_type="application/zip", filename=bundle_name())


def _state() -> dict[str, object]:
    head = _head()
    last = AuditEvent.objects.order_by("-position").first()
    end = (last.position, last.digest) if last else (0, GENESIS)
    checked = last_verification()
    return {
        "head": head,
        "ends_true": head is not None and (head.position, head.digest) == end,
        "is_protected": is_protected(connection, AuditEvent._meta.db_table),
        "first": AuditEvent.objects.order_by("position").first(),
        "last": last,
        "checked": checked,
        "since_checked": end[0] - checked.position - 1 if checked else end[0],
    }


def _head() -> AuditHead | None:
    return AuditHead.objects.filter(pk=1).first()


def _filter(form: EventFilterForm) -> EventFilter:
    if not form.is_valid():
        # A field that cannot be read narrows nothing; the form says so beside it.
        return EventFilter(**{name: value for name, value in form.cleaned_data.items() if value})
    return EventFilter(**form.cleaned_data)


def _position(request: SignedInRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def _record_look(request: SignedInRequest, chosen: EventFilter) -> None:
    """Record that the auditor looked, once for each thing looked for in a row: paging and reloading add nothing."""
    looked = digest_of(chosen.as_details())
    if request.session.get("audit_looked") == looked:
        return
    request.session["audit_looked"] = looked
    record(
        "audit.viewed",
        by=by_request(request),
        subject="audit:events",
        details={"filter": chosen.as_details()},
    )
