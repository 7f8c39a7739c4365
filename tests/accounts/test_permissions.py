"""Who gets through the door of a page, and what those who do not are told."""

import asyncio
import json

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from accounts.permissions import admin_only, auditor_only, safe_next, signed_in
from tests.world import World


@signed_in
def anybody(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@admin_only
def admins(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@auditor_only
def auditors(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@admin_only
async def admins_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


def asked(
    user: User | AnonymousUser, path: str = "/x/?a=1", method: str = "get", **headers: str
) -> HttpRequest:
    request: HttpRequest = getattr(RequestFactory(), method)(path, headers=headers)
    request.user = user
    request.htmx = HtmxDetails(request)  # type: ignore[attr-defined]
    return request


TRUTH = {
    "alice": {anybody: True, admins: False, auditors: False},
    "adam": {anybody: True, admins: True, auditors: False},
    "dana": {anybody: True, admins: False, auditors: True},
}


@pytest.mark.parametrize("name", TRUTH)
def test_roles_open_their_own_pages_and_no_others(world: World, name: str) -> None:
    user = User.objects.get(email=f"{name}@example.org")
    for view, allowed in TRUTH[name].items():
        if allowed:
            assert view(asked(user)).status_code == 200
        else:
            with pytest.raises(Http404):
                view(asked(user))


@pytest.mark.parametrize("view", [anybody, admins, auditors])
def test_the_anonymous_are_sent_to_sign_in_and_back(view: object) -> None:
    response = call(view, asked(AnonymousUser()))
    assert response.status_code == 302
    assert response["Location"] == "/sign-in/?next=%2Fx%2F%3Fa%3D1"


def test_a_fragment_request_sends_the_whole_page_to_sign_in() -> None:
    request = asked(
        AnonymousUser(), **{"HX-Request": "true", "HX-Current-URL": "http://testserver/groups/?q=1"}
    )
    response = anybody(request)
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fgroups%2F%3Fq%3D1"
    assert "Location" not in response


def test_an_event_stream_and_a_json_request_get_401_and_a_sentence() -> None:
    for accepted in ("text/event-stream", "application/json"):
        response = anybody(asked(AnonymousUser(), accept=accepted))
        assert isinstance(response, HttpResponse)
        assert response.status_code == 401
        assert json.loads(response.content) == {"detail": "Your session has ended. Sign in again."}


def test_after_a_form_that_came_too_late_sign_in_leads_back_to_its_page_and_never_elsewhere() -> None:
    back = anybody(asked(AnonymousUser(), method="post", referer="http://testserver/people/1/"))
    assert back["Location"] == "/sign-in/?next=%2Fpeople%2F1%2F"
    elsewhere = anybody(asked(AnonymousUser(), method="post", referer="http://evil.example/people/1/"))
    assert elsewhere["Location"] == "/sign-in/"


@pytest.mark.parametrize(
    ("then", "kept"),
    [
        ("/people/?q=a", True),
        ("http://testserver/people/", True),
        ("https://evil.example/", False),
        ("//evil.example/", False),
        ("/\\evil.example/", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_site_are_followed(then: str, kept: bool) -> None:
    assert safe_next(asked(AnonymousUser()), then) == (then if kept else "")


def test_async_views_are_guarded_alike(world: World) -> None:
    assert asyncio.run(awaited(asked(world.adam))).status_code == 200
    assert asyncio.run(awaited(asked(AnonymousUser()))).status_code == 302
    with pytest.raises(Http404):
        asyncio.run(awaited(asked(world.alice)))


async def awaited(request: HttpRequest) -> HttpResponse:
    return await admins_async(request)


def call(view: object, request: HttpRequest) -> HttpResponseBase:
    assert callable(view)
    response = view(request)
    assert isinstance(response, HttpResponseBase)
    return response
