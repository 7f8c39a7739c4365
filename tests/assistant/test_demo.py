"""The demo organisation: loaded once, unchanged by a second time, and never mixed with a real one."""

import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.actions import create_group
from accounts.audit import By
from accounts.models import AuditEvent, Group, User
from accounts.viewer import viewer_of
from assistant import demo
from ingestion.models import Document, Source, SyncRun
from tests.ingestion.installation import assert_index_is_clean, make_installation
from tests.world import make_user


@pytest.fixture
def empty(db: None, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """An installation into which the demo may be loaded."""
    for _ in make_installation(settings, tmp_path):
        settings.SOURCE_ROOTS = [demo.CORPUS]
        yield


def readable(email: str) -> set[str]:
    """Return the documents that somebody may read."""
    viewer = viewer_of(User.objects.get(email=email))
    return set(Document.objects.visible_to(viewer).values_list("external_id", flat=True))


@pytest.mark.slow
def test_the_demo_loads_once_and_a_second_time_changes_nothing(empty: None) -> None:
    said: list[str] = []
    assert demo.load(said.append)
    files = [
        os.path.relpath(Path(folder, name), demo.CORPUS)
        for folder, _, names in os.walk(demo.CORPUS)
        for name in names
        if name != "access.yaml"
    ]
    assert set(Document.objects.values_list("external_id", flat=True)) == set(files)
    assert not Document.objects.dark().exists()
    run = SyncRun.objects.get()
    assert set(run.items.values_list("outcome", flat=True)) == {"done"}
    assert AuditEvent.objects.filter(type="demo.loaded").count() == 1
    assert said[-2].startswith(f"{len(files)} documents: {len(files)} read")
    assert said[-1] == "15 golden questions are kept."
    assert_index_is_clean()

    events = AuditEvent.objects.count()
    assert not demo.load(said.append)
    assert (AuditEvent.objects.count(), SyncRun.objects.count(), Source.objects.count()) == (events, 1, 1)

    charlie, dana = readable("charlie@halden.example"), readable("dana@halden.example")
    assert charlie < dana < readable("alice@halden.example") | dana
    assert dana == readable("adam@halden.example")
    assert not any(name.startswith("finance/board/") for name in readable("bob@halden.example"))
    people = {person.email: person for person in demo.who_can_sign_in()}
    assert len(people) == 5
    assert f"reads {len(charlie)} of {len(files)} documents" in people["charlie@halden.example"].reads
    assert User.objects.get(email="alice@halden.example").check_password(demo.PASSWORD)


def test_the_demo_is_not_mixed_with_groups_that_somebody_made(empty: None) -> None:
    create_group(by=By.system("tests"), name="Finance")
    with pytest.raises(demo.DemoRefused, match="a group called Finance"):
        demo.load(lambda line: None)
    assert not User.objects.exists()
    assert Group.objects.count() == 1


@pytest.mark.slow
def test_once_means_into_a_new_installation_only(empty: None) -> None:
    assert demo.is_wanted()
    call_command("demo", "--once", stdout=StringIO())
    assert demo.is_loaded()
    assert not demo.is_wanted()
    said = StringIO()
    call_command("demo", "--once", stdout=said)
    assert said.getvalue() == ""


def test_the_demo_is_not_wanted_where_somebody_works_already(empty: None) -> None:
    make_user("alice")
    assert not demo.is_wanted()
    call_command("demo", "--once", stdout=StringIO())
    assert not Source.objects.exists()


def test_without_the_demo_nobody_is_named(empty: None) -> None:
    assert demo.who_can_sign_in() == []
    assert not demo.is_loaded()
