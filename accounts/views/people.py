"""The people of the organisation, for administrators."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actions import (
    add_to_group,
    change_person,
    create_person,
    end_sessions,
    remove_from_group,
    set_password,
)
from accounts.audit import by_request
from accounts.errors import ActionRefused, PasswordRefused
from accounts.events import recent_about_person
from accounts.forms import NewPersonForm, PasswordForm, PeopleFilterForm, PersonForm
from accounts.models import Group, User
from accounts.permissions import admin_only
from accounts.reach import groups_of
from accounts.requests import SignedInRequest

PER_PAGE = 50


@admin_only
@require_safe
def people(request: SignedInRequest) -> HttpResponse:
    """List people, searched by name, address or job title."""
    form = PeopleFilterForm(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {}
    found = _narrowed(wanted.get("q", ""), wanted.get("show", "")).annotate(
        direct_groups=Count("memberships")
    )
    page = Paginator(found.order_by("name", "pk"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "is_narrowed": any(wanted.values()),
        "people_count": User.objects.filter(is_active=True).count(),
        "group_count": Group.objects.count(),
    }
    template = "accounts/people.html#list" if request.htmx else "accounts/people.html"
    return render(request, template, context)


def _narrowed(words: str, show: str) -> QuerySet[User]:
    found = User.objects.filter(is_active=show != "inactive")
    if show == "admins":
        found = found.filter(is_admin=True)
    if show == "auditors":
        found = found.filter(is_auditor=True)
    for word in words.split()[:8]:
        found = found.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(job_title__icontains=word)
        )
    return found


@sensitive_post_parameters("password")
@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_person(request: SignedInRequest) -> HttpResponse:
    """Add a person."""
    form = NewPersonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            person = create_person(by=by_request(request), **form.cleaned_data)
        except PasswordRefused as refusal:
            form.add_error("password", str(refusal))
        except ActionRefused as refusal:
            form.add_error("email", str(refusal))
        else:
            messages.success(request, f"{person.name} can sign in now.")
            return redirect("accounts:person", person.public_id)
    return render(request, "accounts/new_person.html", {"form": form})


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def person(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Show a person: particulars, roles, groups with the path to each, and what changed lately."""
    shown = get_object_or_404(User, public_id=public_id)
    form = PersonForm(request.POST if request.method == "POST" else None, initial=_particulars(shown))
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_person(by=by_request(request), person=shown, **form.cleaned_data)
        except ActionRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            _say(request, changed, f"{shown.name} is changed.")
            return redirect("accounts:person", public_id)
    return _page(request, shown, form=form)


@sensitive_post_parameters("password")
@admin_only
@require_POST
def person_password(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Set a person's password."""
    shown = get_object_or_404(User, public_id=public_id)
    form = PasswordForm(request.POST)
    if form.is_valid():
        try:
            set_password(by=by_request(request), person=shown, password=form.cleaned_data["password"])
        except PasswordRefused as refusal:
            form.add_error("password", str(refusal))
        else:
            messages.success(request, f"{shown.name} has a new password and is signed out everywhere.")
            return redirect("accounts:person", public_id)
    return _page(request, shown, password_form=form)


@admin_only
@require_POST
def person_active(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Deactivate or reactivate a person: form value `active` is 1 or 0."""
    shown = get_object_or_404(User, public_id=public_id)
    active = request.POST.get("active") == "1"
    try:
        changed = change_person(by=by_request(request), person=shown, is_active=active)
    except ActionRefused as refusal:
        messages.error(request, str(refusal))
    else:
        done = "can sign in again." if active else "is deactivated and signed out everywhere."
        _say(request, changed, f"{shown.name} {done}")
    return redirect("accounts:person", public_id)


@admin_only
@require_POST
def person_sessions(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Sign a person out everywhere."""
    shown = get_object_or_404(User, public_id=public_id)
    end_sessions(by=by_request(request), person=shown)
    messages.success(request, f"{shown.name} is signed out everywhere.")
    return redirect("accounts:person", public_id)


@admin_only
@require_POST
def person_groups(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Put a person into a group (form value `add`) or take them out of one (`remove`); both are group ids."""
    shown = get_object_or_404(User, public_id=public_id)
    by = by_request(request)
    if "remove" in request.POST:
        group = _group(request.POST["remove"])
        changed = remove_from_group(by=by, group=group, person=shown)
        _say(request, changed, f"{shown.name} is no longer directly in {group.name}.")
    else:
        group = _group(request.POST.get("add", ""))
        changed = add_to_group(by=by, group=group, person=shown)
        _say(request, changed, f"{shown.name} is in {group.name} now.")
    return redirect("accounts:person", public_id)


def _group(public_id: str) -> Group:
    try:
        wanted = UUID(public_id)
    except ValueError:
        wanted = UUID(int=0)
    return get_object_or_404(Group, public_id=wanted)


def _page(
    request: SignedInRequest,
    shown: User,
    *,
    form: PersonForm | None = None,
    password_form: PasswordForm | None = None,
) -> HttpResponse:
    context = {
        "person": shown,
        "form": form or PersonForm(initial=_particulars(shown)),
        "password_form": password_form or PasswordForm(),
        "reaches": groups_of(shown),
        "other_groups": Group.objects.exclude(memberships__user=shown),
        "recent": recent_about_person(shown),
    }
    return render(request, "accounts/person.html", context)


def _particulars(shown: User) -> dict[str, object]:
    return {name: getattr(shown, name) for name in ("name", "job_title", "is_admin", "is_auditor")}


def _say(request: SignedInRequest, changed: bool, sentence: str) -> None:
    if changed:
        messages.success(request, sentence)
    else:
        messages.info(request, "Nothing was changed: it was like this already.")
