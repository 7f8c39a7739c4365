"""The page of a sync: true numbers, reasons per document, and the deeds that change its course."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from ingestion.models import Source, SyncItem, SyncRun
from tests.world import World

State, Outcome = SyncRun.State, SyncItem.Outcome

ITEMS = {
    "a.md": (Outcome.DONE, ""),
    "b.md": (Outcome.UNCHANGED, ""),
    "c.exe": (Outcome.SKIPPED, "Files of this kind are not read."),
    "d.pdf": (Outcome.FAILED, "The file is encrypted."),
    "e.pdf": (Outcome.FAILED, "The file <b>is</b> empty."),
    "f.md": (Outcome.REMOVED, ""),
    "g.md": (Outcome.WAITING, ""),
}


@pytest.fixture
def run(world: World) -> SyncRun:
    """A run of a folder with one document of each outcome, two of them failed."""
    source = world.sources["staff"]
    Source.objects.filter(pk=source.pk).update(kind=Source.Kind.FOLDER, path="/srv/nowhere")
    made = SyncRun.objects.create(
        source=source, state=State.RUNNING, is_listed=True, requested_by=world.adam, started_at=timezone.now()
    )
    for name, (outcome, reason) in ITEMS.items():
        SyncItem.objects.create(run=made, external_id=name, outcome=outcome, reason=reason)
    return made


def address(name: str, run: SyncRun, *more: int) -> str:
    return reverse(f"ingestion:{name}", args=[run.public_id, *more])


DEEDS = ["run_pause", "run_resume", "run_cancel", "run_retry"]


def test_only_admins_see_a_run(world: World, client: Client, run: SyncRun) -> None:
    assert client.get(address("run", run)).status_code == 302
    for person in world.people:
        client.force_login(person)
        expected = 200 if person == world.adam else 404
        assert client.get(address("run", run)).status_code == expected
    assert client.post(address("run", run)).status_code in {404, 405}


@pytest.mark.parametrize("name", DEEDS)
def test_only_admins_change_the_course_of_a_run_and_only_by_post(
    world: World, client: Client, run: SyncRun, name: str
) -> None:
    assert client.post(address(name, run))["Location"].startswith("/sign-in/")
    client.force_login(world.bob)
    assert client.post(address(name, run)).status_code == 404
    client.force_login(world.adam)
    assert client.get(address(name, run)).status_code == 405
    run.refresh_from_db()
    assert run.state == State.RUNNING


def test_a_run_shows_true_numbers_and_a_reason_for_each_document(
    world: World, client: Client, run: SyncRun
) -> None:
    client.force_login(world.adam)
    response = client.get(address("run", run))
    progress = response.context["progress"]
    assert (progress.found, progress.finished, progress.failed) == (7, 6, 2)
    html = response.content.decode()
    assert "6 of 7 documents" in html
    assert "The file is encrypted." in html
    assert "The file &lt;b&gt;is&lt;/b&gt; empty." in html
    assert "Asked for by Adam" in html


def test_documents_are_filtered_by_outcome(world: World, client: Client, run: SyncRun) -> None:
    client.force_login(world.adam)
    for outcome in (*Outcome.values, "", "bogus"):
        page = client.get(address("run", run), {"outcome": outcome}).context["page"]
        wanted = {n for n, (o, _) in ITEMS.items() if outcome not in Outcome.values or o == outcome}
        assert {item.external_id for item in page} == wanted


def test_a_run_follows_itself_while_open_and_stops_when_it_has_ended(
    world: World, client: Client, run: SyncRun
) -> None:
    client.force_login(world.adam)
    headers = {"HX-Request": "true", "HX-Target": "live"}
    for state, polls in (
        (State.QUEUED, "every 1s"), (State.RUNNING, "every 1s"), (State.PAUSED, "every 5s"), (State.FINISHED, ""),
        (State.CANCELLED, ""), (State.FAILED, ""),
    ):  # fmt: skip
        SyncRun.objects.filter(pk=run.pk).update(state=state)
        html = client.get(address("run", run) + "?outcome=failed", headers=headers).content.decode()
        assert html.strip().startswith('<div id="live"')
        assert ("hx-trigger" in html) == bool(polls)
        assert polls in html
        if polls:
            assert f'hx-get="{address("run", run)}?outcome=failed"' in html


def test_a_run_is_paused_resumed_and_cancelled(world: World, client: Client, run: SyncRun) -> None:
    client.force_login(world.adam)
    for name, state in (
        ("run_pause", State.PAUSED), ("run_resume", State.QUEUED), ("run_cancel", State.CANCELLED),
        ("run_cancel", State.CANCELLED),
    ):  # fmt: skip
        assert client.post(address(name, run))["Location"] == address("run", run)
        run.refresh_from_db()
        assert run.state == state
    assert "already cancelled" in client.get(address("run", run)).content.decode()
    assert run.items.get(external_id="g.md").outcome == Outcome.SKIPPED


def test_one_document_is_read_again(world: World, client: Client, run: SyncRun) -> None:
    client.force_login(world.adam)
    item = run.items.get(external_id="d.pdf")
    assert client.post(address("item_retry", run, item.pk)).status_code == 302
    item.refresh_from_db()
    assert item.outcome == Outcome.WAITING
    assert run.items.get(external_id="e.pdf").outcome == Outcome.FAILED
    assert AuditEvent.objects.filter(type="sync.item_retried").count() == 1


def test_all_that_failed_is_read_again_in_a_new_run_once_this_one_has_ended(
    world: World, client: Client, run: SyncRun
) -> None:
    SyncRun.objects.filter(pk=run.pk).update(state=State.FINISHED, finished_at=timezone.now())
    client.force_login(world.adam)
    response = client.post(address("run_retry", run))
    again = SyncRun.objects.get(is_partial=True)
    assert response["Location"] == address("run", again)
    assert set(again.items.values_list("external_id", flat=True)) == {"d.pdf", "e.pdf"}


def test_what_went_well_is_not_read_again(world: World, client: Client, run: SyncRun) -> None:
    client.force_login(world.adam)
    client.post(address("item_retry", run, run.items.get(external_id="a.md").pk))
    assert run.items.get(external_id="a.md").outcome == Outcome.DONE
    assert "can be tried again" in client.get(address("run", run)).content.decode()


def test_a_document_of_another_run_and_a_run_of_a_removed_source_are_not_found(
    world: World, client: Client, run: SyncRun
) -> None:
    client.force_login(world.adam)
    other = SyncRun.objects.create(source=world.sources["open"], state=State.FINISHED)
    item = run.items.get(external_id="d.pdf")
    assert client.post(address("item_retry", other, item.pk)).status_code == 404
    assert client.get(reverse("ingestion:run", args=[uuid.uuid4()])).status_code == 404
    Source.objects.filter(pk=run.source_id).update(removed_at=timezone.now())
    assert client.get(address("run", run)).status_code == 404
