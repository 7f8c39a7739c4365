"""Groups of people and of groups, for administrators."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actions import (
    add_to_group,
    change_group,
    create_group,
    nest_group,
    remove_from_group,
    remove_group,
    unnest_group,
)
from accounts.audit import by_request
from accounts.errors import ActionRefused
from accounts.events import recent_about_group
from accounts.forms import GroupForm
from accounts.models import Group, User
from accounts.permissions import admin_only
from accounts.reach import people_in
from accounts.requests import SignedInRequest

# Of a very large group this many people are listed; the search finds the rest.
MOST_LISTED = 200
MOST_MATCHES = 8


@admin_only
@require_safe
def groups(request: SignedInRequest) -> HttpResponse:
    """List groups, searched by name or description."""
    words = request.GET.get("q", "").strip()[:200]
    found = Group.objects.annotate(
        direct_people=Count("memberships", filter=Q(memberships__user__is_active=True), distinct=True),
        inner_groups=Count("nested", distinct=True),
        outer_groups=Count("nested_in", distinct=True),
    ).order_by("name")
    for word in words.split()[:8]:
        found = found.filter(Q(name__icontains=word) | Q(description__icontains=word))
    context = {
        "groups": found,
        "q": words,
        "people_count": User.objects.filter(is_active=True).count(),
        "group_count": Group.objects.count(),
    }
    return render(request, "accounts/groups.html#list" if request.htmx else "accounts/groups.html", context)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_group(request: SignedInRequest) -> HttpResponse:
    """Add a group."""
    form = GroupForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_group(by=by_request(request), **form.cleaned_data)
        except ActionRefused as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, f"{made.name} is created. Now put people or groups into it.")
            return redirect("accounts:group", made.public_id)
    return render(request, "accounts/new_group.html", {"form": form})


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def group(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Show a group: its people and groups, where it lies itself, and everyone who is in it in effect."""
    shown = get_object_or_404(Group, public_id=public_id)
    form = GroupForm(
        request.POST if request.method == "POST" else None,
        initial={"name": shown.name, "description": shown.description},
    )
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_group(by=by_request(request), group=shown, **form.cleaned_data)
        except ActionRefused as refusal:
            form.add_error("name", str(refusal))
        else:
            _say(request, changed, f"{shown.name} is changed.")
            return redirect("accounts:group", public_id)
    words = request.GET.get("find", "").strip()[:200]
    if request.htmx and request.htmx.target == "matches":
        context = {"group": shown, "find": words, "matches": _matches(shown, words)}
        return render(request, "accounts/group.html#matches", context)
    reaches = people_in(shown)
    context = {
        "group": shown,
        "form": form,
        "find": words,
        "matches": _matches(shown, words),
        "people": reaches[:MOST_LISTED],
        "unlisted": max(0, len(reaches) - MOST_LISTED),
        "direct": sum(reach.is_direct for reach in reaches),
        "through": sum(not reach.is_direct for reach in reaches),
        "inner": _neighbours(Group.objects.filter(nested_in__parent=shown)),
        "outer": _neighbours(Group.objects.filter(nested__child=shown)),
        "others": Group.objects.exclude(pk=shown.pk).exclude(nested_in__parent=shown),
        "inactive": User.objects.filter(memberships__group=shown, is_active=False),
        "recent": recent_about_group(shown),
    }
    template = "accounts/group.html#body" if request.htmx else "accounts/group.html"
    return render(request, template, context)


@admin_only
@require_POST
def group_people(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Put a person into the group (form value `add`) or take one out (`remove`); both are person ids."""
    shown = get_object_or_404(Group, public_id=public_id)
    by = by_request(request)
    if "remove" in request.POST:
        person = get_object_or_404(User, public_id=_uuid(request.POST["remove"]))
        changed = remove_from_group(by=by, group=shown, person=person)
        _say(request, changed, f"{person.name} is no longer directly in {shown.name}.")
    else:
        person = get_object_or_404(User, public_id=_uuid(request.POST.get("add", "")))
        changed = add_to_group(by=by, group=shown, person=person)
        _say(request, changed, f"{person.name} is in {shown.name} now.")
    return redirect("accounts:group", public_id)


@admin_only
@require_POST
def group_nesting(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Put a group into this one (form value `add`) or take one out (`remove`); both are group ids."""
    shown = get_object_or_404(Group, public_id=public_id)
    by = by_request(request)
    child = get_object_or_404(
        Group, public_id=_uuid(request.POST.get("remove") or request.POST.get("add", ""))
    )
    try:
        if "remove" in request.POST:
            changed = unnest_group(by=by, parent=shown, child=child)
            sentence = f"{child.name} no longer lies in {shown.name}."
        else:
            changed = nest_group(by=by, parent=shown, child=child)
            sentence = f"Everybody in {child.name} is in {shown.name} now."
    except ActionRefused as refusal:
        messages.error(request, str(refusal))
    else:
        _say(request, changed, sentence)
    return redirect("accounts:group", public_id)


@admin_only
@require_POST
def group_removal(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Remove an empty group."""
    shown = get_object_or_404(Group, public_id=public_id)
    try:
        remove_group(by=by_request(request), group=shown)
    except ActionRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("accounts:group", public_id)
    messages.success(request, f"{shown.name} is removed.")
    return redirect("accounts:groups")


def _matches(shown: Group, words: str) -> list[User]:
    """Return active people who match every word and are not in the group directly; nobody without a word."""
    if not words:
        return []
    found = User.objects.filter(is_active=True).exclude(memberships__group=shown)
    for word in words.split()[:8]:
        found = found.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(job_title__icontains=word)
        )
    return list(found.order_by("name")[:MOST_MATCHES])


def _neighbours(found: QuerySet[Group]) -> QuerySet[Group]:
    return found.annotate(direct_people=Count("memberships", distinct=True)).order_by("name")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)  # nobody's


def _say(request: SignedInRequest, changed: bool, sentence: str) -> None:
    if changed:
        messages.success(request, sentence)
    else:
        messages.info(request, "Nothing was changed: it was like this already.")
