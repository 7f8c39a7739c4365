"""The same chorus for every page of this app: works, strangers find nothing, the anonymous sign in, wrong methods are refused."""

from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.audit import By, record
from accounts.models import User
from tests.world import World


@dataclass(frozen=True)
class Page:
    """One address: whose it is, what is sent to it and what comes back."""

    name: str
    role: str
    method: str = "get"
    of: str = ""
    status: int = 200
    sent: tuple[tuple[str, str], ...] = ()
    both: bool = False


PAGES = [
    Page("account", "anybody", both=True),
    Page("people", "adam"),
    Page("new_person", "adam", both=True),
    Page("person", "adam", of="person", both=True),
    Page(
        "person_password",
        "adam",
        "post",
        of="person",
        status=302,
        sent=(("password", "a new long password"),),
    ),
    Page("person_active", "adam", "post", of="person", status=302, sent=(("active", "0"),)),
    Page("person_sessions", "adam", "post", of="person", status=302),
    Page("person_groups", "adam", "post", of="person", status=302, sent=(("add", "group"),)),
    Page("groups", "adam"),
    Page("new_group", "adam", both=True),
    Page("group", "adam", of="group", both=True),
    Page("group_people", "adam", "post", of="group", status=302, sent=(("add", "person"),)),
    Page("group_nesting", "adam", "post", of="group", status=302, sent=(("add", "other"),)),
    Page("group_removal", "adam", "post", of="group", status=302),
    Page("events", "dana"),
    Page("event", "dana", of="event"),
    Page("events_export", "dana", of="form"),
    Page("integrity", "dana"),
    Page("verify", "dana", "post", status=302),
    Page("bundle", "dana"),
]
EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def address(page: Page, world: World) -> str:
    arguments: dict[str, list[object]] = {
        "": [],
        "person": [world.bob.public_id],
        "group": [world.groups["Budget"].public_id],
        "event": [1],
        "form": ["csv"],
    }
    return reverse(f"accounts:{page.name}", args=arguments[page.of])


def sent(page: Page, world: World) -> dict[str, str]:
    ids = {
        "group": str(world.groups["Engineering"].public_id),
        "other": str(world.groups["Engineering"].public_id),
        "person": str(world.charlie.public_id),
    }
    return {name: ids.get(value, value) for name, value in page.sent}


@pytest.fixture(autouse=True)
def one_event(db: None) -> None:
    record("demo.loaded", by=By.system("tests"), subject="demo:1")


def sign_in(client: Client, name: str) -> None:
    client.force_login(User.objects.get(email=f"{name}@example.org"))


@EVERY
def test_it_works_for_whom_it_is_meant(world: World, client: Client, page: Page) -> None:
    sign_in(client, "charlie" if page.role == "anybody" else page.role)
    response = getattr(client, page.method)(address(page, world), sent(page, world))
    assert response.status_code == page.status
    if page.status == 302:
        assert client.get(response["Location"]).status_code == 200


@EVERY
def test_everybody_else_finds_nothing_there(world: World, client: Client, page: Page) -> None:
    if page.role == "anybody":
        return
    for name in {"alice", "bob", "charlie", "dana", "adam"} - {page.role}:
        sign_in(client, name)
        response = getattr(client, page.method)(address(page, world), sent(page, world))
        assert response.status_code == 404, name


@EVERY
def test_the_anonymous_are_sent_to_sign_in(world: World, client: Client, page: Page) -> None:
    response = getattr(client, page.method)(address(page, world), sent(page, world))
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


@EVERY
def test_a_wrong_method_is_refused(world: World, client: Client, page: Page) -> None:
    sign_in(client, "charlie" if page.role == "anybody" else page.role)
    wrong = "delete" if page.both else "get" if page.method == "post" else "post"
    assert getattr(client, wrong)(address(page, world)).status_code == 405


@EVERY
def test_things_that_do_not_exist_are_not_found(world: World, client: Client, page: Page) -> None:
    if not page.of:
        return
    sign_in(client, page.role)
    nothing = {
        "person": "00000000-0000-0000-0000-000000000007",
        "group": "00000000-0000-0000-0000-000000000007",
        "event": 10**30,
        "form": "exe",
    }
    missing = reverse(f"accounts:{page.name}", args=[nothing[page.of]])
    assert getattr(client, page.method)(missing, sent(page, world)).status_code == 404


@EVERY
def test_a_form_without_the_sites_own_token_is_refused(world: World, page: Page) -> None:
    if page.method != "post" and not page.both:
        return
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, "charlie" if page.role == "anybody" else page.role)
    assert strict.post(address(page, world), sent(page, world)).status_code == 403


def test_every_address_of_this_app_is_sung_here() -> None:
    names = {key for key in get_resolver("accounts.urls").reverse_dict if isinstance(key, str)}
    assert names == {page.name for page in PAGES} | {"sign_in", "sign_out"}
