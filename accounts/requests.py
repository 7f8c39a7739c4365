"""The request as views behind sign-in see it."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from accounts.viewer import Viewer


class SignedInRequest(HttpRequest):
    """A request whose middleware has found a signed-in person. For annotations; never instantiated."""

    user: User
    viewer: Viewer
    htmx: HtmxDetails
