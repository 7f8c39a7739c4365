"""Who may open a page at all. Which rows it then holds is decided by the queryset that fetches them.

Refusal looks like absence: who lacks the role gets the 404 that an address nobody ever made would give.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User

# Any: a view may be plain or async, and may narrow its request (SignedInRequest); it comes out as it went in.
V = TypeVar("V", bound=Callable[..., Any])
Demand = Callable[[HttpRequest], HttpResponseBase | None]

SESSION_ENDED = "Your session has ended. Sign in again."


def signed_in(view: V) -> V:
    """Let only signed-in people through; send everybody else to the sign-in page and back afterwards.

    A request by HTMX is answered with HX-Redirect, so that the whole page goes and not a fragment of it; an event
    stream or a request for JSON with 401 and a sentence. Works on plain and on async views.
    """
    return _demanding(_sign_in_first, view)


def admin_only(view: V) -> V:
    """Let only administrators through; other signed-in people get a 404."""
    return _demanding(_admin, view)


def auditor_only(view: V) -> V:
    """Let only auditors through; other signed-in people get a 404."""
    return _demanding(_auditor, view)


def _demanding(demand: Demand, view: V) -> V:
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # Any: as V
            # The viewer middleware has already read the user, so nothing here touches the database.
            return demand(request) or await view(request, *args, **kwargs)

        return cast(V, guarded_async)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # Any: as V
        return demand(request) or view(request, *args, **kwargs)

    return cast(V, guarded)


def _sign_in_first(request: HttpRequest) -> HttpResponseBase | None:
    if request.user.is_authenticated:
        return None
    if getattr(request, "htmx", False):
        response = HttpResponse(status=200)
        response["HX-Redirect"] = sign_in_url(_page_behind(request))
        return response
    if _wants_no_page(request):
        return JsonResponse({"detail": SESSION_ENDED}, status=401)
    return HttpResponseRedirect(sign_in_url(_page_behind(request)))


def _admin(request: HttpRequest) -> HttpResponseBase | None:
    refusal = _sign_in_first(request)
    if refusal is None and not (isinstance(request.user, User) and request.user.is_admin):
        raise Http404
    return refusal


def _auditor(request: HttpRequest) -> HttpResponseBase | None:
    refusal = _sign_in_first(request)
    if refusal is None and not (isinstance(request.user, User) and request.user.is_auditor):
        raise Http404
    return refusal


def sign_in_url(then: str) -> str:
    """Return the address of the sign-in page that leads on to `then`."""
    query = urlencode({"next": then}) if then and then != "/" else ""
    return reverse("accounts:sign_in") + (f"?{query}" if query else "")


def safe_next(request: HttpRequest, then: str) -> str:
    """Return `then` when it is an address of this site, "" otherwise: nobody is sent elsewhere by a link."""
    fine = url_has_allowed_host_and_scheme(
        then, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return then if fine else ""


def _wants_no_page(request: HttpRequest) -> bool:
    accepted = request.headers.get("Accept", "")
    return "text/event-stream" in accepted or ("application/json" in accepted and "text/html" not in accepted)


def _page_behind(request: HttpRequest) -> str:
    """Return the page to come back to: the address itself when it was read, the page with the form otherwise."""
    if getattr(request, "htmx", False):
        seen = request.headers.get("HX-Current-URL", "")
    elif request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    else:
        seen = request.headers.get("Referer", "")
    if not safe_next(request, seen):
        return ""
    parts = urlsplit(seen)
    return parts.path + (f"?{parts.query}" if parts.query else "")
