"""Puts the viewer on each request of a signed-in person."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.viewer import viewer_of


class ViewerMiddleware:
    """Set `request.viewer`, read from the database for this one request, when somebody is signed in.

    An anonymous request gets no such attribute at all: code that forgot to demand sign-in fails loudly instead of
    reading documents as a default somebody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            request.viewer = viewer_of(request.user)  # type: ignore[attr-defined]
        return self.get_response(request)
