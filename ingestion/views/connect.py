"""Connecting a source in three steps: say what and who, see what would come in and who could read it, connect.

Nothing is kept between the steps but what the pages themselves carry, and every step checks all of it again.
"""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.audit import by_request
from accounts.permissions import admin_only
from accounts.requests import SignedInRequest
from ingestion.access import NOBODY
from ingestion.actions import NotPossible, connect_source, request_sync
from ingestion.explain import names_of, principals_by_person, principals_in, rule_in_words
from ingestion.forms import ConnectForm, carried
from ingestion.models import Source
from ingestion.types import SourceError
from ingestion.views.preview import Preview, names_by_person, preview_folder, readers_of_rules


@admin_only
@require_safe
def connect(request: SignedInRequest) -> HttpResponse:
    """Let an admin choose the kind of source to connect."""
    return render(request, "ingestion/connect.html", {"roots": _roots()})


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def connect_kind(request: SignedInRequest, kind: str) -> HttpResponse:
    """Lead through the three steps for one kind of source; the button pressed names the step."""
    if kind not in Source.Kind.values:
        raise Http404
    if request.method != "POST":
        return _form(request, kind, ConnectForm(kind=kind, roots=_roots()))
    form = ConnectForm(request.POST, kind=kind, roots=_roots())
    step = request.POST.get("step", "preview")
    if not form.is_valid():
        return _form(request, kind, form, status=422)
    if step == "change":
        return _form(request, kind, form)
    if Source.objects.current().filter(name__iexact=form.cleaned_data["name"]).exists():
        form.add_error("name", "There is already a source of this name.")
        return _form(request, kind, form, status=422)
    if step == "connect":
        return _connect(request, kind, form)
    return _preview(request, kind, form)


def _roots() -> list[str]:
    return [str(root) for root in settings.SOURCE_ROOTS]


def _form(request: SignedInRequest, kind: str, form: ConnectForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "kind": kind, "is_folder": kind == Source.Kind.FOLDER}
    return render(request, "ingestion/connect_form.html", context, status=status)


def _preview(request: SignedInRequest, kind: str, form: ConnectForm) -> HttpResponse:
    rule = form.rule()
    preview: Preview | None = None
    if kind == Source.Kind.FOLDER:
        try:
            preview = preview_folder(form.cleaned_data["path"], rule)
        except SourceError as error:
            form.add_error("path", str(error))
            return _form(request, kind, form, status=422)
    words = rule_in_words(rule, names_of(principals_in([rule])))
    return render(
        request,
        "ingestion/connect_preview.html",
        {
            "form": form,
            "kind": kind,
            "is_folder": kind == Source.Kind.FOLDER,
            "name": form.cleaned_data["name"],
            "authority": Source.Authority(form.cleaned_data["authority"]).label,
            "preview": preview,
            "rule": words,
            "is_nobody": rule == NOBODY,
            "readers": readers_of_rules([rule], principals_by_person(), names_by_person()),
            "carried": carried(request.POST, form.fields),
        },
    )


def _connect(request: SignedInRequest, kind: str, form: ConnectForm) -> HttpResponse:
    by = by_request(request)
    try:
        source = connect_source(
            by=by,
            kind=kind,
            name=form.cleaned_data["name"],
            path=form.cleaned_data.get("path", ""),
            rule=form.rule(),
            sync_minutes=form.minutes,
            authority=form.cleaned_data["authority"],
        )
    except NotPossible as error:
        form.add_error(None, str(error))
        return _form(request, kind, form, status=422)
    if kind == Source.Kind.UPLOAD:
        messages.success(request, f"{source.name} is connected. Upload the first documents here.")
        return redirect("ingestion:source", source.public_id)
    try:
        run = request_sync(by=by, source=source)
    except NotPossible as error:
        messages.warning(request, f"{source.name} is connected, but its first sync could not start: {error}")
        return redirect("ingestion:source", source.public_id)
    messages.success(request, f"{source.name} is connected. Its first sync has been asked for.")
    return redirect("ingestion:run", run.public_id)
