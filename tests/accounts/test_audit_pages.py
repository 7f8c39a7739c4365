"""The audit's own pages: what auditors see, take away and verify."""

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.audit import By, record, verify_chain
from accounts.models import AuditEvent, AuditHead
from accounts.triggers import lift
from tests.world import World

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def auditor(world: World, client: Client) -> Client:
    client.force_login(world.dana)
    return client


def page(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def some_events(world: World, count: int) -> None:
    for n in range(count):
        by = By.user(world.alice if n % 2 else world.bob, "10.0.0.1")
        record(
            "question.asked" if n % 3 else "document.opened",
            by=by,
            subject=f"thing:{n}",
            subject_label=f"Thing {n}",
        )


def taken(response: Any) -> bytes:  # Any: the test client's response type says nothing of streaming
    assert isinstance(response, StreamingHttpResponse)
    return response.getvalue()


def positions(shown: str) -> list[int]:
    """Return the positions listed, in the order shown."""
    return [int(part.split("/")[0]) for part in shown.split('href="/audit/events/')[1:] if part[0].isdigit()]


def test_events_are_shown_newest_first_and_paged_by_position(world: World, auditor: Client) -> None:
    some_events(world, 120)
    first = positions(page(auditor, "/audit/events/"))
    assert first == list(range(120, 70, -1))
    assert positions(page(auditor, "/audit/events/?before=71")) == list(range(70, 20, -1))
    assert positions(page(auditor, "/audit/events/?before=21")) == list(range(20, 0, -1))
    assert positions(page(auditor, "/audit/events/?after=20")) == list(range(70, 20, -1))
    assert "before=21" in page(auditor, "/audit/events/?after=20")
    assert "after=70" in page(auditor, "/audit/events/?after=20")
    assert positions(page(auditor, "/audit/events/?before=nonsense")) == [
        121,
        *first[:-1],
    ]  # her own look came on top


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=document.opened", [4, 1]),
        ("type=document", [4, 1]),
        ("type=question", [6, 5, 3, 2]),
        ("actor=alice", [6, 4, 2]),
        ("subject=Thing+4", [5]),
        ("subject=thing:4", [5]),
        ("actor=bob&type=question", [5, 3]),
        ("actor=nobody", []),
    ],
)
def test_events_are_narrowed(world: World, auditor: Client, query: str, found: list[int]) -> None:
    some_events(world, 6)
    shown = page(auditor, f"/audit/events/?{query}", **FRAGMENT)
    assert positions(shown) == found
    assert "<html" not in shown
    assert found or "No event matches" in shown


def test_events_are_narrowed_by_actor_id_and_by_day(world: World, auditor: Client) -> None:
    some_events(world, 2)
    assert positions(page(auditor, f"/audit/events/?actor=user:{world.bob.pk}")) == [1]
    today = timezone.localdate()
    for query, count in (
        (f"since={today}", True),
        (f"until={today}", True),
        (f"since={today + timedelta(days=1)}", False),
        (f"until={today - timedelta(days=1)}", False),
    ):
        assert bool(positions(page(auditor, f"/audit/events/?{query}"))) == count


def test_a_filter_that_cannot_be_read_narrows_nothing_and_says_so(world: World, auditor: Client) -> None:
    some_events(world, 1)
    shown = page(auditor, "/audit/events/?since=yesterday&type=made.up")
    assert positions(shown) == [1]
    assert "Enter a valid date" in shown


def test_looking_is_recorded_once_for_each_thing_looked_for(world: World, auditor: Client) -> None:
    for address in (
        "/audit/events/",
        "/audit/events/?before=1",
        "/audit/events/?actor=alice",
        "/audit/events/?actor=alice",
    ):
        page(auditor, address)
    looks = AuditEvent.objects.filter(type="audit.viewed")
    assert [look.details for look in looks] == [{"filter": {}}, {"filter": {"actor": "alice"}}]
    assert {look.actor for look in looks} == {f"user:{world.dana.pk}"}


def test_an_events_page_shows_everything_and_whether_it_is_true(world: World, auditor: Client) -> None:
    some_events(world, 3)
    shown = page(auditor, "/audit/events/2/")
    assert "this event&#x27;s digest is the one it was written with" in shown or "digest is the one" in shown
    assert AuditEvent.objects.get(position=2).digest in shown
    assert AuditEvent.objects.get(position=1).digest in shown
    lift(connection, "accounts_auditevent")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditevent SET reason = 'x' WHERE position = 2")
    assert "was changed after it was written" in page(auditor, "/audit/events/2/")


def test_narrowed_events_are_exported_as_csv_and_the_export_is_recorded(
    world: World, auditor: Client
) -> None:
    some_events(world, 6)
    response = auditor.get("/audit/events/export.csv?type=document.opened")
    rows = list(csv.DictReader(io.StringIO(taken(response).decode())))
    assert [row["position"] for row in rows] == ["1", "4"]
    assert rows[0]["actor_label"] == "Bob <bob@example.org>"
    assert ".csv" in response["Content-Disposition"]
    event = AuditEvent.objects.latest("position")
    assert (event.type, event.details) == (
        "audit.exported",
        {"form": "csv", "filter": {"type": "document.opened"}},
    )


def test_a_cell_that_a_spreadsheet_would_run_is_exported_as_text(world: World, auditor: Client) -> None:
    record("demo.loaded", by=By.system("tests"), subject="demo:1", subject_label="=HYPERLINK('http://evil')")
    (row,) = csv.DictReader(io.StringIO(taken(auditor.get("/audit/events/export.csv?type=demo")).decode()))
    assert row["subject_label"].startswith("'=")


def test_exported_lines_carry_the_digests(world: World, auditor: Client) -> None:
    some_events(world, 3)
    lines = [json.loads(line) for line in taken(auditor.get("/audit/events/export.jsonl")).splitlines()]
    assert [line["digest"] for line in lines][:3] == list(
        AuditEvent.objects.filter(position__lte=3).values_list("digest", flat=True)
    )
    assert lines[-1]["type"] == "audit.exported"


def test_the_integrity_page_knows_nothing_then_verifies_then_remembers(world: World, auditor: Client) -> None:
    some_events(world, 3)
    assert "Not verified yet" in page(auditor, "/audit/integrity/")
    shown = auditor.post("/audit/integrity/verify/", follow=True).content.decode()
    assert "Every digest was derived again, and all agree." in shown
    assert "Intact" in shown
    event = AuditEvent.objects.latest("position")
    assert event.type == "audit.verified"
    assert event.details["reports"][0]["checked"] == 3
    assert AuditHead.objects.get().digest in shown


def test_verifying_by_fragment_gives_the_state_alone(world: World, auditor: Client) -> None:
    shown = auditor.post("/audit/integrity/verify/", headers=FRAGMENT).content.decode()
    assert "<html" not in shown
    assert "Just now every digest was derived again" in shown


def test_a_broken_chain_is_said_to_be_broken_and_where(world: World, auditor: Client) -> None:
    some_events(world, 4)
    lift(connection, "accounts_auditevent")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditevent SET actor_label = 'Mallory' WHERE position = 3")
    shown = auditor.post("/audit/integrity/verify/", follow=True).content.decode()
    assert "Not intact: 2 disagreements, named below." in shown
    assert "Event 3 was changed after it was written" in shown
    assert "possible" in shown


def test_a_head_that_disagrees_shows_without_verifying(world: World, auditor: Client) -> None:
    some_events(world, 2)
    auditor.post("/audit/integrity/verify/")
    AuditHead.objects.update(digest="sha256:0")
    shown = page(auditor, "/audit/integrity/")
    assert "The end of the chain does not agree with its head." in shown


def test_the_bundle_is_downloaded_recorded_and_whole(world: World, auditor: Client) -> None:
    some_events(world, 2)
    response = auditor.get("/audit/integrity/bundle.zip")
    bundle = zipfile.ZipFile(io.BytesIO(taken(response)))
    assert sorted(bundle.namelist()) == ["README.txt", "events.jsonl", "head.json", "verify.py"]
    lines = [json.loads(line) for line in bundle.read("events.jsonl").splitlines()]
    assert lines[-1]["type"] == "audit.exported"
    head = json.loads(bundle.read("head.json"))
    assert (head["position"], head["digest"]) == (3, lines[-1]["digest"])
    assert verify_chain().is_intact


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_downloads_are_sent_in_pieces_under_asgi_too() -> None:
    import asyncio

    from tests.world import make_user

    dana = make_user("dana", is_auditor=True)
    for n in range(5):
        record("demo.loaded", by=By.system("tests"), subject=f"demo:{n}")

    async def download(address: str) -> bytes:
        client = AsyncClient()
        await client.aforce_login(dana)
        response = await client.get(address)
        assert isinstance(response, StreamingHttpResponse)
        assert response.is_async
        whole = b"".join([part async for part in response.streaming_content])
        await sync_to_async(connections.close_all)()  # those of the thread that served the pieces
        return whole

    assert len(asyncio.run(download("/audit/events/export.jsonl")).splitlines()) == 6
    bundle = zipfile.ZipFile(io.BytesIO(asyncio.run(download("/audit/integrity/bundle.zip"))))
    assert len(bundle.read("events.jsonl").splitlines()) == 7
