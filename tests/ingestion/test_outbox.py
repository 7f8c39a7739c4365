"""The outbox: whatever the rows say is due is delivered, in any order of crashes, and only once in effect."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from ingestion import actions, indexing, outbox, pipeline, purge, storage
from ingestion.index import get_index
from ingestion.models import Chunk, Document, DocumentVersion, SyncItem, SyncRun
from tests import fakes
from tests.ingestion.installation import (
    BY,
    Installation,
    assert_index_is_clean,
    document_of,
    indexed_chunks,
    installation,
    outcomes,
    shown_text,
)

__all__ = ["installation"]  # a fixture: pytest finds it by name

State = DocumentVersion.State


def read_only(installation: Installation, count: int = 3) -> SyncRun:
    """Return a run that was cut off when its documents had been read and none was indexed."""
    for number in range(count):
        installation.write(f"{number}.md", f"# Title {number}\n\nText number {number}.")
    run = actions.request_sync(by=BY, source=installation.connect())
    syncing = pipeline.sync(run.pk)
    while DocumentVersion.objects.filter(state=State.PENDING).count() < 1:
        next(syncing)
    syncing.close()
    return run


def test_what_was_read_and_not_indexed_is_delivered(installation: Installation) -> None:
    read_only(installation)
    pending = DocumentVersion.objects.filter(state=State.PENDING).count()
    assert pending > 0
    assert outbox.deliver().indexed == pending
    assert not DocumentVersion.objects.filter(state=State.PENDING).exists()
    assert SyncItem.objects.filter(outcome="done").count() == pending
    assert_index_is_clean()


def test_delivering_again_does_nothing(installation: Installation) -> None:
    read_only(installation)
    outbox.deliver()
    held = indexed_chunks()
    assert outbox.deliver() == outbox.Delivered()
    assert indexed_chunks() == held


def test_the_outbox_leaves_a_living_run_its_documents(installation: Installation) -> None:
    run = read_only(installation)
    SyncRun.objects.filter(pk=run.pk).update(state=SyncRun.State.RUNNING, heartbeat_at=timezone.now())
    assert outbox.deliver().indexed == 0
    old = timezone.now() - timedelta(seconds=outbox.STALE_SECONDS + 1)
    SyncRun.objects.filter(pk=run.pk).update(heartbeat_at=old)
    assert outbox.deliver().indexed > 0


def test_points_written_before_a_crash_are_written_over(installation: Installation) -> None:
    read_only(installation, 1)
    version = DocumentVersion.objects.get()
    chunks = list(version.chunks.values_list("pk", flat=True))
    get_index().upsert(indexing.points_of(chunks))  # and here the process died
    assert document_of(version.document.source, "0.md").current_version is None
    outbox.deliver()
    assert indexed_chunks() == set(chunks)
    assert_index_is_clean()


def test_vectors_stored_before_a_crash_are_not_made_again(
    installation: Installation, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:CountingEmbedder"
    read_only(installation, 1)
    chunks = list(Chunk.objects.all().select_related("version__document"))
    indexing.embed_missing(chunks)
    fakes.CountingEmbedder.count = 0
    outbox.deliver()
    assert fakes.CountingEmbedder.count == 0
    assert_index_is_clean()


def test_a_version_that_is_overtaken_before_it_is_shown_leaves_the_index_again(
    installation: Installation,
) -> None:
    run = read_only(installation, 1)
    installation.write("0.md", "# Title 0\n\nOther text.")
    first = DocumentVersion.objects.get()
    get_index().upsert(indexing.points_of(list(first.chunks.values_list("pk", flat=True))))
    pipeline.carry_out(run.pk)
    source = first.document.source
    installation.sync(source)
    outbox.deliver()
    assert "Other text" in shown_text(document_of(source, "0.md"))
    assert_index_is_clean()


def test_a_document_removed_while_it_is_embedded_does_not_stay_in_the_index(
    installation: Installation,
) -> None:
    read_only(installation, 1)
    version = DocumentVersion.objects.get()
    under_way = indexing.index_versions([version.pk])
    # Removed between the look and the write: the slowest moment, while the model computes.
    outbox.tombstone(Document.objects.filter(pk=version.document_id))
    for _ in under_way:
        pass
    version.refresh_from_db()
    assert version.state == State.RETIRING
    outbox.deliver()
    assert indexed_chunks() == set()
    assert_index_is_clean()


def test_a_document_that_comes_back_while_its_points_are_deleted_is_indexed_once_more(
    installation: Installation,
) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    document = document_of(source, "a.md")
    outbox.tombstone(Document.objects.filter(pk=document.pk))
    retiring = outbox.retire_versions(DocumentVersion.objects.filter(state=State.RETIRING))
    # The version is indexed again by somebody else before this one's deletion gets through.
    DocumentVersion.objects.update(state=State.INDEXED)
    Document.objects.update(removed_at=None)
    list(retiring)
    outbox.deliver()
    assert len(indexed_chunks()) == 1
    assert_index_is_clean()


def test_a_rule_that_changes_while_a_document_is_indexed_reaches_the_index(
    installation: Installation,
) -> None:
    from ingestion.access import Rule, intern_policy

    read_only(installation, 1)
    version = DocumentVersion.objects.get()
    points = indexing.points_of(list(version.chunks.values_list("pk", flat=True)))
    other = intern_policy(Rule.of({"user:1"}))
    under_way = indexing.index_versions([version.pk])
    next(under_way)
    Document.objects.update(policy=other, needs_index_update=True)
    outbox.deliver()
    get_index().upsert(points)  # a slow writer with the rule of before
    Document.objects.update(needs_index_update=True)
    outbox.deliver()
    assert {entry.policy for entry in get_index().entries()} == {other.pk}
    assert_index_is_clean()


def test_a_superseded_mark_reaches_the_index(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    installation.sync(installation.connect())
    Document.objects.update(is_superseded=True, needs_index_update=True)
    outbox.deliver()
    assert {entry.superseded for entry in get_index().entries()} == {1}
    assert_index_is_clean()


def test_delivery_stops_between_slices_when_asked(installation: Installation) -> None:
    read_only(installation, 3)
    waiting = DocumentVersion.objects.filter(state=State.PENDING).count()
    outbox.deliver(stop=lambda: True)
    outbox.deliver()
    assert not DocumentVersion.objects.filter(state=State.PENDING).exists()
    assert DocumentVersion.objects.filter(state=State.INDEXED).count() == waiting


def test_many_chunks_are_indexed_in_slices_across_documents(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "SLICE_CHUNKS", 3)
    for number in range(4):
        parts = [f"## Part {part}\n\n" + f"Matter {number}.{part} is told here. " * 40 for part in range(3)]
        installation.write(f"{number}.md", f"# Book {number}\n\n" + "\n\n".join(parts))
    source = installation.connect()
    run = installation.sync(source)
    assert set(outcomes(run).values()) == {"done"}
    assert Chunk.objects.count() > 4
    assert_index_is_clean()


def test_what_was_removed_long_ago_is_deleted_and_shared_files_stay(
    installation: Installation, settings: Settings
) -> None:
    installation.write("a.md", "The same words.")
    installation.write("copy.md", "The same words.")
    only = installation.write("only.md", "Words of its own.")
    source = installation.connect()
    installation.sync(source)
    only.unlink()
    (installation.folder / "a.md").unlink()
    installation.sync(source)
    files = set(DocumentVersion.objects.values_list("file", flat=True))
    assert len(files) == 2
    assert purge.purge_tombstones().documents == 0  # too early
    long_ago = timezone.now() - timedelta(days=settings.PURGE_AFTER_DAYS, hours=1)
    Document.objects.filter(removed_at__isnull=False).update(removed_at=long_ago)
    assert purge.purge_tombstones().documents == 2
    purge.sweep_files(older_than_seconds=-1)
    left = document_of(source, "copy.md")
    assert left.current_version is not None
    assert set(DocumentVersion.objects.values_list("file", flat=True)) == {left.current_version.file}
    assert storage.path_of(left.current_version.file).exists()
    assert sum(storage.path_of(name).exists() for name in files) == 1
    gone = document_of(source, "only.md")
    assert (gone.title, gone.current_version, gone.versions.count()) == ("Only", None, 0)
    assert not Chunk.objects.filter(version__document=gone).exists()
    assert_index_is_clean()
    # A file that comes back after that is read afresh.
    installation.write("only.md", "Words of its own.")
    installation.sync(source)
    assert "its own" in shown_text(document_of(source, "only.md"))


def test_nothing_is_purged_while_it_is_still_in_the_index(
    installation: Installation, settings: Settings
) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    outbox.tombstone(Document.objects.all())
    Document.objects.update(removed_at=timezone.now() - timedelta(days=settings.PURGE_AFTER_DAYS + 1))
    assert purge.purge_tombstones().documents == 0
    outbox.deliver()
    assert purge.purge_tombstones().documents == 1
