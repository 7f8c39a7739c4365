"""The people desk: what administrators see and change."""

import pytest
from django.test import Client

from accounts.models import AuditEvent, Group, GroupNesting, Membership, User
from tests.world import World, make_user

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def admin(world: World, client: Client) -> Client:
    client.force_login(world.adam)
    return client


def page(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def said(client: Client, address: str, form: dict[str, str]) -> str:
    """Post a form and return the page it leads to."""
    response = client.post(address, form, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_people_are_found_by_every_word(world: World, admin: Client) -> None:
    world.alice.job_title = "Head of Finance"
    world.alice.save(update_fields=["job_title"])
    found = page(admin, "/people/?q=finance+ALI")
    assert "alice@example.org" in found
    assert "bob@example.org" not in found
    assert "Nobody found" in page(admin, "/people/?q=finance+bob")


def test_people_are_narrowed_by_role_and_state(world: World, admin: Client) -> None:
    make_user("old", is_active=False)
    for show, names in {"": 5, "admins": 1, "auditors": 1, "inactive": 1, "nonsense": 5}.items():
        assert page(admin, f"/people/?show={show}", **FRAGMENT).count("<tr>") == names + 1
    assert "old@example.org" not in page(admin, "/people/")


def test_a_fragment_request_gets_the_list_alone(world: World, admin: Client) -> None:
    assert "<html" not in page(admin, "/people/?q=bob", **FRAGMENT)
    assert "<html" not in page(admin, "/groups/?q=fin", **FRAGMENT)


def test_a_long_list_has_pages_and_the_search_stays(world: World, admin: Client) -> None:
    for n in range(60):
        make_user(f"person{n:02}")
    first = page(admin, "/people/?q=person")
    assert "person00@" in first
    assert "person59@" not in first
    assert "q=person&amp;page=2" in first
    assert "person59@" in page(admin, "/people/?q=person&page=2")


def test_a_person_is_added_and_can_sign_in(world: World, admin: Client) -> None:
    form = {
        "name": "Eve",
        "email": "Eve@example.org",
        "password": "a long first password",
        "is_auditor": "on",
    }
    assert "Eve can sign in now." in said(admin, "/people/new/", form)
    eve = User.objects.get(email="eve@example.org")
    assert (eve.is_admin, eve.is_auditor) == (False, True)
    assert Client().login(username="eve@example.org", password="a long first password")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"email": "ALICE@example.org"}, "exists already"),
        ({"password": "short"}, "too short"),
        ({"name": ""}, "This field is required"),
        ({"email": "eve"}, "valid email"),
    ],
)
def test_a_person_that_cannot_be_added_says_why(
    world: World, admin: Client, change: dict[str, str], words: str
) -> None:
    form = {"name": "Eve", "email": "eve@example.org", "password": "a long first password"}
    assert words in said(admin, "/people/new/", form | change)
    assert not AuditEvent.objects.exists()


def test_a_persons_page_shows_groups_with_paths_and_what_changed(world: World, admin: Client) -> None:
    address = f"/people/{world.charlie.public_id}/"
    assert "In no group" in page(admin, address)
    said(admin, f"{address}groups/", {"add": str(world.groups["Finance Leads"].public_id)})
    said(admin, address, {"name": "Charlie", "job_title": "Controller", "is_auditor": "on"})
    shown = page(admin, address)
    assert "through Finance Leads → Finance → Staff" in shown
    assert "Added Charlie to Finance Leads." in shown
    assert "auditor: no → yes" in shown
    assert "Adam ·" in shown


def test_roles_are_given_and_taken(world: World, admin: Client) -> None:
    address = f"/people/{world.bob.public_id}/"
    assert "Bob is changed." in said(admin, address, {"name": "Bob", "is_admin": "on"})
    assert User.objects.get(pk=world.bob.pk).is_admin
    assert "Nothing was changed" in said(admin, address, {"name": "Bob", "is_admin": "on"})
    said(admin, address, {"name": "Bob"})
    assert not User.objects.get(pk=world.bob.pk).is_admin


def test_the_last_administrator_is_told_so_and_stays(world: World, admin: Client) -> None:
    address = f"/people/{world.adam.public_id}/"
    assert "Adam is the last active administrator" in said(admin, address, {"name": "Adam"})
    assert "Adam is the last active administrator" in said(admin, f"{address}active/", {"active": "0"})
    assert User.objects.get(pk=world.adam.pk).is_admin


def test_a_person_is_deactivated_and_reactivated(world: World, admin: Client) -> None:
    address = f"/people/{world.bob.public_id}/active/"
    assert "deactivated and signed out everywhere" in said(admin, address, {"active": "0"})
    assert "Bob can sign in again." in said(admin, address, {"active": "1"})
    assert list(AuditEvent.objects.values_list("type", flat=True)) == [
        "person.deactivated",
        "person.reactivated",
    ]


def test_a_persons_password_is_set_or_refused_with_the_reason(world: World, admin: Client) -> None:
    address = f"/people/{world.bob.public_id}/password/"
    assert "too short" in said(admin, address, {"password": "short"})
    assert "has a new password" in said(admin, address, {"password": "another long phrase"})
    assert User.objects.get(pk=world.bob.pk).check_password("another long phrase")
    assert "This field is required" in said(admin, address, {"password": ""})


def test_a_person_is_put_into_a_group_and_taken_out(world: World, admin: Client) -> None:
    address = f"/people/{world.charlie.public_id}/groups/"
    group = str(world.groups["Budget"].public_id)
    assert "Charlie is in Budget now." in said(admin, address, {"add": group})
    assert "Nothing was changed" in said(admin, address, {"add": group})
    assert "no longer directly in Budget" in said(admin, address, {"remove": group})
    assert not Membership.objects.filter(user=world.charlie).exists()
    for wrong in ({}, {"add": "x"}, {"remove": ""}):
        assert admin.post(address, wrong).status_code == 404


def test_groups_are_listed_and_searched(world: World, admin: Client) -> None:
    assert page(admin, "/groups/", **FRAGMENT).count("<tr>") == 6
    assert page(admin, "/groups/?q=fin", **FRAGMENT).count("<tr>") == 3
    assert "No group found" in page(admin, "/groups/?q=zzz")
    GroupNesting.objects.all().delete()
    Group.objects.all().delete()
    assert "No groups yet" in page(admin, "/groups/")


def test_a_group_is_added_renamed_and_removed(world: World, admin: Client) -> None:
    assert "Legal is created" in said(admin, "/groups/new/", {"name": "Legal", "description": "Counsel"})
    group = Group.objects.get(name="Legal")
    address = f"/groups/{group.public_id}/"
    assert "Law is changed." in said(admin, address, {"name": "Law", "description": "Counsel"})
    assert "Nothing was changed" in said(admin, address, {"name": "Law", "description": "Counsel"})
    assert "exists already" in said(admin, address, {"name": "staff"})
    assert "exists already" in said(admin, "/groups/new/", {"name": "STAFF"})
    assert "Law is removed." in said(admin, f"{address}remove/", {})
    assert not Group.objects.filter(pk=group.pk).exists()


def test_a_group_with_people_is_not_removed_and_the_page_says_why(world: World, admin: Client) -> None:
    address = f"/groups/{world.groups['Budget'].public_id}/remove/"
    assert "still holds 2 people" in said(admin, address, {})
    assert Group.objects.filter(name="Budget").exists()


def test_a_groups_page_shows_everybody_in_it_in_effect(world: World, admin: Client) -> None:
    world.bob.is_active = False
    world.bob.save(update_fields=["is_active"])
    Membership.objects.create(user=world.bob, group=world.groups["Staff"])
    shown = page(admin, f"/groups/{world.groups['Staff'].public_id}/")
    assert "through Finance Leads → Finance → Staff" in shown
    assert "0 directly, 1 through nested groups" in shown
    assert "Deactivated, and therefore without access" in shown
    inner = page(admin, f"/groups/{world.groups['Finance'].public_id}/")
    assert "Finance lies in" in inner


def test_people_to_put_in_are_found_by_typing_and_without_script(world: World, admin: Client) -> None:
    address = f"/groups/{world.groups['Budget'].public_id}/"
    typed = page(admin, f"{address}?find=charl", **FRAGMENT, **{"HX-Target": "matches"})
    assert "Put Charlie into Budget" in typed
    assert "Name and description" not in typed
    assert "Put Charlie into Budget" in page(admin, f"{address}?find=charl")
    assert "Nobody else matches" in page(admin, f"{address}?find=alice")  # she is in it already
    assert "Put Charlie" not in page(admin, address)


def test_a_fragment_post_comes_back_as_the_group_alone_with_its_message(world: World, admin: Client) -> None:
    address = f"/groups/{world.groups['Budget'].public_id}/people/"
    response = admin.post(address, {"add": str(world.charlie.public_id)}, follow=True, headers=FRAGMENT)
    shown = response.content.decode()
    assert "<html" not in shown
    assert "Charlie is in Budget now." in shown


def test_people_and_groups_are_put_in_and_taken_out(world: World, admin: Client) -> None:
    address = f"/groups/{world.groups['Budget'].public_id}/"
    charlie, engineering = str(world.charlie.public_id), str(world.groups["Engineering"].public_id)
    assert "Charlie is in Budget now." in said(admin, f"{address}people/", {"add": charlie})
    assert "no longer directly in Budget" in said(admin, f"{address}people/", {"remove": charlie})
    assert "Everybody in Engineering is in Budget now." in said(
        admin, f"{address}groups/", {"add": engineering}
    )
    assert "no longer lies in Budget" in said(admin, f"{address}groups/", {"remove": engineering})
    for part in ("people", "groups"):
        for wrong in ({}, {"add": "x"}, {"remove": "x"}):
            assert admin.post(f"{address}{part}/", wrong).status_code == 404


def test_a_circle_is_refused_with_the_path(world: World, admin: Client) -> None:
    address = f"/groups/{world.groups['Finance Leads'].public_id}/groups/"
    shown = said(admin, address, {"add": str(world.groups["Staff"].public_id)})
    assert "Finance Leads → Finance → Staff" in shown
    assert GroupNesting.objects.count() == 3


def test_names_are_shown_as_text_and_never_as_markup(world: World, admin: Client) -> None:
    world.bob.name = "<script>alert(1)</script>"
    world.bob.save(update_fields=["name"])
    for address in (
        "/people/",
        f"/people/{world.bob.public_id}/",
        f"/groups/{world.groups['Budget'].public_id}/",
    ):
        assert "<script>alert" not in page(admin, address)
