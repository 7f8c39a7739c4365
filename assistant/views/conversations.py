"""A person's own conversations: the list, its search, renaming and deleting."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateformat import format as written
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import by_request
from accounts.models import User
from accounts.permissions import signed_in
from accounts.requests import SignedInRequest
from assistant import actions
from assistant.models import Conversation
from assistant.types import NotAskable
from assistant.views.turns import own_conversation

SHOWN_BESIDE = 60
SHOWN_AT_MOST = 500


@dataclass(frozen=True)
class When:
    """Conversations of one stretch of time."""

    name: str
    conversations: tuple[Conversation, ...]


def listing(
    user: User, query: str = "", limit: int = SHOWN_BESIDE, current: UUID | None = None
) -> dict[str, object]:
    """Return the context of the list: the person's conversations by time, newest first."""
    own = Conversation.objects.filter(owner=user, removed_at__isnull=True)
    if query:
        asked = own.filter(questions__text__icontains=query).values("pk")
        own = own.filter(Q(title__icontains=query) | Q(pk__in=asked))
    found = list(own.order_by("-updated_at", "-pk")[: limit + 1])
    return {
        "groups": by_time(found[:limit], timezone.localdate()),
        "has_older": len(found) > limit and limit == SHOWN_BESIDE,
        "query": query,
        "current_id": current,
    }


def by_time(conversations: Sequence[Conversation], today: date) -> list[When]:
    """Group conversations, given newest first, under Today, Yesterday, This week, and then by month."""
    groups: dict[str, list[Conversation]] = {}
    for conversation in conversations:
        day = timezone.localtime(conversation.updated_at).date()
        groups.setdefault(_name_of(day, today), []).append(conversation)
    return [When(name, tuple(held)) for name, held in groups.items()]


def _name_of(day: date, today: date) -> str:
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if day > today - timedelta(days=7):
        return "Last 7 days"
    return written(day, "F" if day.year == today.year else "F Y")


@signed_in
@never_cache
@require_GET
def conversations(request: SignedInRequest) -> HttpResponse:
    """List or search the person's own conversations."""
    query = request.GET.get("q", "").strip()[:200]
    if not request.htmx:
        context = listing(request.user, query, SHOWN_AT_MOST)
        return render(request, "assistant/conversations.html", context)
    try:
        current = UUID(request.GET.get("current", ""))
    except ValueError:
        current = None
    return render(request, "assistant/_conversations.html", listing(request.user, query, current=current))


@signed_in
@never_cache
@require_http_methods(["GET", "POST"])
def conversation_settings(request: SignedInRequest, conversation: UUID) -> HttpResponse:
    """Show the form that renames or deletes a conversation, or rename it."""
    found = own_conversation(request.user, conversation)
    title, error = found.title, ""
    if request.method == "POST":
        title = request.POST.get("title", "")
        try:
            actions.rename_conversation(
                by=by_request(request), user=request.user, conversation=found, title=title
            )
        except NotAskable as problem:
            error = str(problem)
        else:
            return redirect("assistant:conversation", found.public_id)
    page = "assistant/conversation_settings.html"
    context = {"conversation": found, "title": title, "rename_error": error}
    return render(
        request, f"{page}#settings" if request.htmx else page, context, status=422 if error else 200
    )


@signed_in
@require_POST
def conversation_removal(request: SignedInRequest, conversation: UUID) -> HttpResponse:
    """Delete a conversation from the person's list."""
    found = own_conversation(request.user, conversation)
    actions.remove_conversation(by=by_request(request), user=request.user, conversation=found)
    messages.success(request, f"“{found.title}” was deleted.")
    return redirect("assistant:ask")
