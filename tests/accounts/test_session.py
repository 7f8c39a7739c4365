"""Signing in and out: one sentence for every failure, a limit on guesses, and nothing that outlives its right."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import throttle
from accounts.actions import change_person, end_sessions, set_password
from accounts.audit import By
from accounts.models import AuditEvent, SignInThrottle, User
from accounts.views.session import NO_MATCH
from tests.world import World

PASSWORD = "correct horse battery"
BY = By.system("tests")


def try_to_sign_in(client: Client, email: str, password: str = PASSWORD, then: str = "/account/") -> str:
    """Post the form; return where it leads, or the page when it leads nowhere."""
    response = client.post("/sign-in/", {"email": email, "password": password, "next": then})
    return response["Location"] if response.status_code == 302 else response.content.decode()


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_the_right_password_signs_in_whatever_the_case_of_the_address(world: World, client: Client) -> None:
    assert try_to_sign_in(client, "ALICE@Example.org") == "/account/"
    assert is_in(client)
    event = AuditEvent.objects.get()
    assert (event.type, event.actor, event.address) == (
        "session.signed_in",
        f"user:{world.alice.pk}",
        "127.0.0.1",
    )


def test_somebody_signed_in_is_led_on_at_once(world: World, client: Client) -> None:
    client.force_login(world.alice)
    assert client.get("/sign-in/?next=/account/")["Location"] == "/account/"
    assert client.get("/sign-in/?next=https://evil.example/")["Location"] == "/"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice@example.org", "wrong"),
        ("nobody@example.org", PASSWORD),
        ("idle@example.org", PASSWORD),
        ("locked@example.org", PASSWORD),
    ],
    ids=["wrong password", "unknown address", "deactivated", "no password set"],
)
def test_every_failure_has_the_same_sentence_and_is_recorded(
    world: World, client: Client, email: str, password: str
) -> None:
    idle = User(email="idle@example.org", name="Idle", is_active=False)
    idle.set_password(PASSWORD)
    idle.save()
    locked = User(email="locked@example.org", name="Locked")
    locked.set_unusable_password()
    locked.save()
    page = try_to_sign_in(client, email, password)
    assert NO_MATCH in page
    assert not is_in(client)
    event = AuditEvent.objects.get()
    assert (event.type, event.actor, event.subject_label) == ("session.refused", "anonymous", email)
    assert PASSWORD not in str(event.__dict__)


def test_an_unknown_address_costs_one_password_check_as_a_known_one_does(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counting(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    for email in ("alice@example.org", "nobody@example.org"):
        hashed.clear()
        try_to_sign_in(client, email, "wrong")
        assert hashed == ["wrong"]


def test_what_is_not_an_address_is_no_attempt(world: World, client: Client) -> None:
    page = try_to_sign_in(client, "my password typed here")
    assert "valid email" in page
    assert not AuditEvent.objects.exists()
    assert not SignInThrottle.objects.exists()


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_sign_in_leads_nowhere_else(world: World, client: Client, then: str) -> None:
    assert try_to_sign_in(client, "alice@example.org", then=then) == "/"


def test_a_session_planted_before_sign_in_is_worth_nothing_after_it(world: World, client: Client) -> None:
    client.get("/sign-in/")
    planted = client.session
    planted["planted"] = 1
    planted.save()
    client.cookies["footnote_session"] = planted.session_key or ""
    try_to_sign_in(client, "alice@example.org")
    assert client.cookies["footnote_session"].value != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()


def test_after_ten_failures_even_the_right_password_waits(world: World, client: Client) -> None:
    for _ in range(throttle.MOST_PER_PERSON):
        assert NO_MATCH in try_to_sign_in(client, "alice@example.org", "wrong")
    response = client.post("/sign-in/", {"email": "Alice@example.org", "password": PASSWORD})
    assert response.status_code == 429
    assert "Too many failed attempts. Try again in 15 minutes." in response.content.decode()
    try_to_sign_in(client, "alice@example.org")
    reasons = list(AuditEvent.objects.values_list("reason", flat=True))
    assert reasons == ["wrong e-mail or password"] * 10 + ["too many failed attempts"]  # once, not once a try


def test_others_and_other_addresses_are_not_held_up(world: World, client: Client) -> None:
    for _ in range(throttle.MOST_PER_PERSON + 1):
        try_to_sign_in(client, "alice@example.org", "wrong")
    elsewhere = Client(REMOTE_ADDR="10.0.0.9")
    assert try_to_sign_in(elsewhere, "alice@example.org") == "/account/"
    assert try_to_sign_in(client, "bob@example.org") == "/account/"


def test_one_address_cannot_try_everybody(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "MOST_PER_ADDRESS", 3)
    for n in range(3):
        assert NO_MATCH in try_to_sign_in(client, f"p{n}@example.org", "wrong")
    assert "Too many failed attempts" in try_to_sign_in(client, "bob@example.org")


def test_after_the_window_the_count_begins_anew(world: World, client: Client) -> None:
    for _ in range(throttle.MOST_PER_PERSON + 1):
        try_to_sign_in(client, "alice@example.org", "wrong")
    SignInThrottle.objects.update(since=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert try_to_sign_in(client, "alice@example.org") == "/account/"


def test_a_success_forgives_the_failures_before_it(world: World, client: Client) -> None:
    for _ in range(throttle.MOST_PER_PERSON - 1):
        try_to_sign_in(client, "alice@example.org", "wrong")
    assert try_to_sign_in(client, "alice@example.org") == "/account/"
    client.post("/sign-out/")
    assert NO_MATCH in try_to_sign_in(client, "alice@example.org", "wrong")
    assert try_to_sign_in(client, "alice@example.org") == "/account/"


def test_signing_out_ends_the_session_and_is_recorded(world: World, client: Client) -> None:
    try_to_sign_in(client, "alice@example.org")
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert not is_in(client)
    assert AuditEvent.objects.latest("position").type == "session.signed_out"
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert AuditEvent.objects.count() == 2
    assert client.get("/sign-out/").status_code == 405
    assert client.delete("/sign-in/").status_code == 405


def test_deactivating_ends_sessions_and_none_revives_with_the_account(world: World, client: Client) -> None:
    client.force_login(world.bob)
    assert is_in(client)
    change_person(by=BY, person=world.bob, is_active=False)
    assert not is_in(client)
    change_person(by=BY, person=world.bob, is_active=True)
    assert not is_in(client)


def test_a_new_password_or_the_end_of_sessions_signs_out_everywhere(world: World) -> None:
    endings: list[Callable[[], None]] = [
        lambda: end_sessions(by=BY, person=world.bob),
        lambda: set_password(by=BY, person=world.bob, password="another long password"),
    ]
    for end in endings:
        laptop, phone = Client(), Client()
        world.bob.refresh_from_db()
        laptop.force_login(world.bob)
        phone.force_login(world.bob)
        end()
        assert not is_in(laptop)
        assert not is_in(phone)


def test_a_lost_role_is_lost_on_the_next_request(world: World, client: Client) -> None:
    change_person(by=BY, person=world.bob, is_admin=True)
    client.force_login(world.bob)
    assert client.get("/people/").status_code == 200
    change_person(by=BY, person=world.bob, is_admin=False)
    assert client.get("/people/").status_code == 404


def test_a_person_changes_their_own_password_and_stays_signed_in_here_only(
    world: World, client: Client
) -> None:
    client.force_login(world.alice)
    phone = Client()
    phone.force_login(world.alice)
    form = {"current": PASSWORD, "password": "a much better phrase", "again": "a much better phrase"}
    assert client.post("/account/", form)["Location"] == "/account/"
    assert is_in(client)
    assert not is_in(phone)
    assert User.objects.get(pk=world.alice.pk).check_password("a much better phrase")
    event = AuditEvent.objects.get()
    assert (event.type, event.details) == ("person.password_set", {"own": True})


@pytest.mark.parametrize(
    ("current", "password", "again", "words"),
    [
        ("wrong", "a much better phrase", "a much better phrase", "This is not your current password."),
        (
            PASSWORD,
            "a much better phrase",
            "a much better phrasing",
            "This differs from the new password above.",
        ),
        (PASSWORD, "short", "short", "too short"),
    ],
)
def test_a_password_change_that_is_wrong_says_why(
    world: World, client: Client, current: str, password: str, again: str, words: str
) -> None:
    client.force_login(world.alice)
    page = client.post(
        "/account/", {"current": current, "password": password, "again": again}
    ).content.decode()
    assert words in page
    assert not AuditEvent.objects.exists()


def test_guessing_the_current_password_is_limited_too(world: World, client: Client) -> None:
    client.force_login(world.alice)
    form = {"current": "wrong", "password": "a much better phrase", "again": "a much better phrase"}
    for _ in range(throttle.MOST_PER_PERSON):
        client.post("/account/", form)
    assert (
        "Too many failed attempts" in client.post("/account/", form | {"current": PASSWORD}).content.decode()
    )


def test_the_account_page_shows_groups_with_the_path(world: World, client: Client) -> None:
    client.force_login(world.alice)
    page = client.get("/account/").content.decode()
    assert "through Finance Leads → Finance → Staff" in page


def test_a_deactivated_person_mid_fragment_is_sent_to_sign_in_as_a_whole_page(
    world: World, client: Client
) -> None:
    client.force_login(world.adam)
    change_person(by=BY, person=world.bob, is_admin=True)
    change_person(by=BY, person=world.adam, is_active=False)
    response = client.get(
        "/people/?q=a", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/people/"}
    )
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fpeople%2F"
    assert response.content == b""
