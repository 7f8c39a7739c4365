"""The tasks: light to import, and what the schedule finds due."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingestion import actions, pipeline, schedule, tasks
from ingestion.models import Document, SyncRun
from ingestion.outbox import STALE_SECONDS
from tests.fresh import printed_by
from tests.ingestion.installation import BY, Installation, installation

__all__ = ["installation"]  # a fixture: pytest finds it by name


@pytest.mark.slow
def test_naming_the_tasks_loads_nothing_heavy() -> None:
    printed_by(
        "import django; django.setup()\n"
        "import sys, ingestion.tasks, ingestion.actions\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'llama_index', 'qdrant_edge', 'qdrant_client',"
        " 'kreuzberg', 'pypdfium2', 'nltk'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )


def test_a_task_carries_out_a_run(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    run = actions.request_sync(by=BY, source=installation.connect())
    tasks.run_sync(run.pk)
    run.refresh_from_db()
    assert run.state == SyncRun.State.FINISHED


def test_a_run_is_sent_for_when_the_transaction_is_through(
    installation: Installation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    source = installation.connect()
    with django_capture_on_commit_callbacks() as sent:
        actions.request_sync(by=BY, source=source)
    assert len(sent) == 1


def test_a_process_that_stops_gives_its_run_back(installation: Installation) -> None:
    for number in range(3):
        installation.write(f"{number}.md", f"Text {number}.")
    run = actions.request_sync(by=BY, source=installation.connect())
    pipeline.stopping.set()
    tasks.run_sync(run.pk)
    run.refresh_from_db()
    assert run.state == SyncRun.State.QUEUED
    pipeline.stopping.clear()
    tasks.run_sync(run.pk)
    assert Document.objects.count() == 3


def test_a_source_is_due_when_its_last_run_is_older_than_its_schedule(installation: Installation) -> None:
    source = actions.change_source(
        by=BY, source=installation.connect(), name="Shelf", sync_minutes=60, authority=0
    )
    runs = schedule.start_due()
    assert len(runs) == 1
    assert schedule.start_due() == runs  # waiting, so it is sent for again, and no other is made
    pipeline.carry_out(runs[0])
    assert schedule.start_due() == []
    SyncRun.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert len(schedule.start_due()) == 1
    assert source.runs.count() == 2


def test_sources_by_hand_paused_or_removed_are_never_due(installation: Installation) -> None:
    source = installation.connect()
    assert schedule.start_due() == []
    actions.change_source(by=BY, source=source, name="Shelf", sync_minutes=1, authority=0)
    actions.pause_source(by=BY, source=source)
    assert schedule.start_due() == []
    actions.remove_source(by=BY, source=source)
    assert schedule.start_due() == []


def test_a_run_that_was_cut_off_is_taken_up_again(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    run = actions.request_sync(by=BY, source=installation.connect())
    now = timezone.now()
    SyncRun.objects.update(state=SyncRun.State.RUNNING, heartbeat_at=now)
    assert schedule.start_due() == []  # somebody is at it
    assert list(pipeline.sync(run.pk)) == []
    SyncRun.objects.update(heartbeat_at=now - timedelta(seconds=STALE_SECONDS + 1))
    assert schedule.start_due() == [run.pk]
    SyncRun.objects.update(heartbeat_at=now)
    assert schedule.take_up_after_restart() == 1
    assert schedule.start_due() == [run.pk]
    assert pipeline.carry_out(run.pk).state == SyncRun.State.FINISHED
