"""The sync run: what becomes of each file, and of the run as a whole."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import AuditEvent
from accounts.viewer import viewer_of
from ingestion import actions, outbox, pipeline
from ingestion.claim import Claim, ClaimLost
from ingestion.index import close_index, get_index
from ingestion.models import Chunk, Document, DocumentVersion, SyncItem, SyncRun
from ingestion.progress import progress_of
from tests import fakes
from tests.ingestion.installation import (
    BY,
    Installation,
    assert_index_is_clean,
    document_of,
    indexed_chunks,
    installation,
    item_of,
    outcomes,
    shown_text,
)
from tests.world import make_user

__all__ = ["installation"]  # a fixture: pytest finds it by name

State = DocumentVersion.State


def finished_events() -> list[dict[str, object]]:
    """Return the details of every finished sync on record."""
    return list(AuditEvent.objects.filter(type="sync.finished").values_list("details", flat=True))


def test_a_folder_is_read_and_indexed(installation: Installation) -> None:
    installation.write("travel.md", "# Travel\n\nA hotel may cost 140 euros a night.\n")
    installation.write("sub/leave.md", "# Leave\n\nEverybody has 30 days.\n")
    source = installation.connect()
    run = installation.sync(source)
    assert run.state == SyncRun.State.FINISHED
    assert outcomes(run) == {"travel.md": "done", "sub/leave.md": "done"}
    document = document_of(source, "travel.md")
    assert (document.title, document.title_key) == ("Travel", "travel")
    assert "140 euros" in shown_text(document)
    version = DocumentVersion.objects.get(document=document)
    assert document.current_version_id == version.pk
    for chunk in version.chunks.all():
        assert version.text[chunk.start : chunk.end] == chunk.text
        assert chunk.embedding is not None
        assert chunk.embedding_model == "tests.fakes:HashingEmbedder"
    assert_index_is_clean()
    assert len(indexed_chunks()) == Chunk.objects.count()


def test_an_unchanged_file_is_not_read_again(installation: Installation) -> None:
    installation.write("a.md", "Words that stay.")
    source = installation.connect()
    installation.sync(source)
    run = installation.sync(source)
    assert outcomes(run) == {"a.md": "unchanged"}
    assert DocumentVersion.objects.count() == 1


def test_a_changed_file_becomes_a_new_version_and_the_old_one_leaves_the_index(
    installation: Installation,
) -> None:
    installation.write("a.md", "# Fees\n\nThe fee is ten.")
    source = installation.connect()
    installation.sync(source)
    old = indexed_chunks()
    installation.write("a.md", "# Fees 2026\n\nThe fee is twelve.")
    run = installation.sync(source)
    document = document_of(source, "a.md")
    assert outcomes(run) == {"a.md": "done"}
    assert "twelve" in shown_text(document)
    assert document.title == "Fees 2026"
    assert list(document.versions.values_list("number", "state")) == [(1, State.RETIRED), (2, State.INDEXED)]
    assert not old & indexed_chunks()
    # What an old answer cited can still be checked.
    assert Chunk.objects.filter(pk__in=old).count() == len(old)
    assert_index_is_clean()


def test_vectors_of_unchanged_chunks_are_used_again(installation: Installation, settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:CountingEmbedder"
    # Long enough that each section is a chunk of its own.
    sections = [f"## Part {n}\n\n" + f"Sentence {n} tells about matter {n}. " * 30 for n in range(6)]
    installation.write("a.md", "# Book\n\n" + "\n\n".join(sections))
    source = installation.connect()
    installation.sync(source)
    fakes.CountingEmbedder.count = 0
    sections[3] = "## Part 3\n\n" + "This part was written anew. " * 30
    installation.write("a.md", "# Book\n\n" + "\n\n".join(sections))
    installation.sync(source)
    document = document_of(source, "a.md")
    assert document.current_version is not None
    assert 0 < fakes.CountingEmbedder.count < document.current_version.chunks.count()
    assert_index_is_clean()


def test_a_document_is_shown_only_once_it_is_indexed(installation: Installation) -> None:
    installation.write("a.md", "New words.")
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    run_of_it = pipeline.sync(run.pk)
    viewer = viewer_of(make_user("alice"))
    for _ in run_of_it:
        for document in Document.objects.visible_to(viewer):
            assert document.current_version.state == State.INDEXED
            held = indexed_chunks()
            assert set(document.current_version.chunks.values_list("pk", flat=True)) <= held
    assert Document.objects.visible_to(viewer).count() == 1


def test_a_removed_file_is_gone_at_once_and_one_that_reappears_comes_back(installation: Installation) -> None:
    path = installation.write("a.md", "Here today.")
    installation.write("b.md", "Always here.")
    source = installation.connect()
    installation.sync(source)
    viewer = viewer_of(make_user("alice"))
    path.unlink()
    run = installation.sync(source)
    assert outcomes(run) == {"a.md": "removed", "b.md": "unchanged"}
    assert [d.external_id for d in Document.objects.visible_to(viewer)] == ["b.md"]
    assert_index_is_clean()
    installation.write("a.md", "Here today.")
    run = installation.sync(source)
    assert outcomes(run) == {"a.md": "done", "b.md": "unchanged"}
    document = document_of(source, "a.md")
    assert document.removed_at is None
    assert document.versions.count() == 1
    assert Document.objects.visible_to(viewer).count() == 2
    assert_index_is_clean()


def test_a_file_that_reappears_changed_comes_back_changed(installation: Installation) -> None:
    path = installation.write("a.md", "Here today.")
    installation.write("b.md", "Always here.")
    source = installation.connect()
    installation.sync(source)
    path.unlink()
    installation.sync(source)
    installation.write("a.md", "Back with other words.")
    installation.sync(source)
    assert "other words" in shown_text(document_of(source, "a.md"))
    assert_index_is_clean()


def test_a_changed_rule_holds_as_soon_as_the_source_is_listed(installation: Installation) -> None:
    for number in range(3):
        installation.write(f"{number}.md", f"Text {number}.")
    source = installation.connect()
    installation.sync(source)
    alice, bob = make_user("alice"), make_user("bob")
    (installation.folder / "access.yaml").write_text("allow: ['user:alice@example.org']\n")
    run = actions.request_sync(by=BY, source=source)
    syncing = pipeline.sync(run.pk)
    next(syncing)  # listed; no document has been looked at
    assert Document.objects.visible_to(viewer_of(bob)).count() == 0
    assert Document.objects.visible_to(viewer_of(alice)).count() == 3
    for _ in syncing:
        pass
    run.refresh_from_db()
    assert set(outcomes(run).values()) == {"unchanged"}
    assert item_of(run, "0.md").code == "access_changed"
    assert not Document.objects.filter(needs_index_update=True).exists()
    assert_index_is_clean()


def test_documents_under_an_unreadable_rule_are_dark_and_the_run_says_so(installation: Installation) -> None:
    installation.write("a.md", "Hidden words.")
    (installation.folder / "access.yaml").write_text("alow: [everyone]\n")
    source = installation.connect()
    run = installation.sync(source)
    document = document_of(source, "a.md")
    assert run.state == SyncRun.State.FINISHED
    assert run.note.startswith("Every document is dark")
    assert document.policy.is_dark
    assert "access.yaml" in document.policy_note
    assert item_of(run, "a.md").code == "dark"
    assert progress_of(run).dark == 1
    viewer = viewer_of(make_user("alice"))
    assert not Document.objects.visible_to(viewer).exists()
    # Stored and indexed, so that it is readable the moment the rule is.
    assert_index_is_clean()
    (installation.folder / "access.yaml").write_text("allow: [everyone]\n")
    run = installation.sync(source)
    assert outcomes(run) == {"a.md": "unchanged"}
    assert run.note == ""
    assert Document.objects.visible_to(viewer).count() == 1
    assert document_of(source, "a.md").policy_note == ""


def test_a_folder_that_vanished_removes_nothing(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    shutil.rmtree(installation.folder)
    run = installation.sync(source)
    assert run.state == SyncRun.State.FAILED
    assert "no folder" in run.error
    assert document_of(source, "a.md").removed_at is None
    assert finished_events()[-1]["state"] == "failed"


def test_an_empty_mount_point_removes_nothing(installation: Installation) -> None:
    path = installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    path.unlink()
    (installation.folder / "access.yaml").unlink()
    run = installation.sync(source)
    assert run.state == SyncRun.State.FAILED
    assert "not mounted" in run.error
    assert document_of(source, "a.md").removed_at is None


def test_a_folder_emptied_on_purpose_is_emptied(installation: Installation) -> None:
    path = installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    path.unlink()
    run = installation.sync(source)
    assert run.state == SyncRun.State.FINISHED
    assert outcomes(run) == {"a.md": "removed"}
    assert indexed_chunks() == set()


def test_one_broken_file_does_not_stop_the_others(installation: Installation) -> None:
    (installation.folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    (installation.folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    (installation.folder / "empty.md").write_bytes(b"")
    installation.write("good.md", "Good words.")
    source = installation.connect()
    run = installation.sync(source)
    assert run.state == SyncRun.State.FINISHED
    found = outcomes(run)
    assert found["good.md"] == "done"
    assert found["broken.pdf"] == "failed"
    assert found["picture.png"] == "skipped"
    assert found["empty.md"] == "skipped"
    for name in ("broken.pdf", "picture.png", "empty.md"):
        item = item_of(run, name)
        assert item.code
        assert item.reason
    assert not Document.objects.filter(external_id="broken.pdf").exists()
    counts = finished_events()[-1]
    assert (counts["found"], counts["done"], counts["failed"], counts["skipped"]) == (4, 1, 1, 2)


def test_a_file_that_breaks_later_keeps_its_last_good_version_under_the_new_rule(
    installation: Installation,
) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    installation.write("a.md", "Good words.")
    source = installation.connect()
    installation.sync(source)
    (installation.folder / "a.md").write_bytes(b"\0\1\2\3" * 200)
    (installation.folder / "access.yaml").write_text("allow: ['user:alice@example.org']\n")
    run = installation.sync(source)
    assert outcomes(run)["a.md"] in {"failed", "skipped"}
    document = document_of(source, "a.md")
    assert "Good words" in shown_text(document)
    assert Document.objects.visible_to(viewer_of(alice)).count() == 1
    assert Document.objects.visible_to(viewer_of(bob)).count() == 0


def test_a_document_that_becomes_a_link_to_elsewhere_is_dark(installation: Installation) -> None:
    path = installation.write("a.md", "Good words.")
    installation.write("b.md", "More words.")
    source = installation.connect()
    installation.sync(source)
    path.unlink()
    path.symlink_to("/etc/hostname")
    run = installation.sync(source)
    assert outcomes(run)["a.md"] == "skipped"
    document = document_of(source, "a.md")
    assert document.policy.is_dark
    assert document.removed_at is None
    assert not Document.objects.visible_to(viewer_of(make_user("alice"))).filter(pk=document.pk).exists()


def test_a_document_without_a_date_of_its_own_has_that_of_its_file(installation: Installation) -> None:
    installation.write("a.md", "Undated words.", seconds_ago=timedelta(days=400).total_seconds())
    source = installation.connect()
    installation.sync(source)
    dated = document_of(source, "a.md").dated
    assert isinstance(dated, date)
    assert (date.today() - dated).days in {399, 400, 401}  # noqa: DTZ011 - a day either way does not matter


def test_texts_that_no_database_can_store_are_stored_with_their_offsets(installation: Installation) -> None:
    (installation.folder / "a.txt").write_text("Before \x00 after. The limit is 40 euros.", encoding="utf-8")
    source = installation.connect()
    run = installation.sync(source)
    if outcomes(run)["a.txt"] == "done":
        version = DocumentVersion.objects.get()
        assert "\x00" not in version.text
        for chunk in version.chunks.all():
            assert version.text[chunk.start : chunk.end] == chunk.text
    else:
        assert item_of(run, "a.txt").reason


def test_a_paused_run_stops_between_documents_and_goes_on_where_it_was(installation: Installation) -> None:
    for number in range(6):
        installation.write(f"{number}.md", f"Text number {number}.")
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    syncing = pipeline.sync(run.pk)
    while progress_of(run).indexing == 0:
        next(syncing)
    actions.pause_sync(by=BY, run=run)
    list(syncing)
    run.refresh_from_db()
    assert run.state == SyncRun.State.PAUSED
    assert progress_of(run).waiting > 0
    assert list(pipeline.sync(run.pk)) == []  # a stray message does not carry it out
    actions.resume_sync(by=BY, run=run)
    run = pipeline.carry_out(run.pk)
    assert run.state == SyncRun.State.FINISHED
    assert set(outcomes(run).values()) == {"done"}
    assert Document.objects.count() == 6
    assert len(finished_events()) == 1
    assert_index_is_clean()


def test_a_cancelled_run_says_of_each_document_that_it_was_not_read(installation: Installation) -> None:
    for number in range(6):
        installation.write(f"{number}.md", f"Text number {number}.")
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    syncing = pipeline.sync(run.pk)
    while progress_of(run).indexing == 0:
        next(syncing)
    actions.cancel_sync(by=BY, run=run)
    list(syncing)
    outbox.deliver()
    run.refresh_from_db()
    assert run.state == SyncRun.State.CANCELLED
    found = outcomes(run)
    assert "waiting" not in found.values()
    assert {"done", "skipped"} >= set(found.values())
    assert run.items.filter(outcome="skipped").exclude(code="cancelled").count() == 0
    assert_index_is_clean()
    # The next sync reads the rest.
    run = installation.sync(source)
    assert set(outcomes(run).values()) <= {"done", "unchanged"}
    assert Document.objects.count() == 6


def test_a_run_whose_process_stops_is_given_back(installation: Installation) -> None:
    for number in range(3):
        installation.write(f"{number}.md", f"Text number {number}.")
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    syncing = pipeline.sync(run.pk)
    next(syncing)
    syncing.close()
    run.refresh_from_db()
    assert run.state == SyncRun.State.QUEUED
    assert pipeline.carry_out(run.pk).state == SyncRun.State.FINISHED


def test_only_one_holder_carries_a_run_out(installation: Installation) -> None:
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    first = Claim.take(run.pk)
    assert first is not None
    assert Claim.take(run.pk) is None
    SyncRun.objects.filter(pk=run.pk).update(heartbeat_at=None)  # its process is gone
    assert Claim.take(run.pk) is not None
    with pytest.raises(ClaimLost):
        first.check()


def test_an_upload_during_a_run_is_read_by_the_same_run(installation: Installation) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from tests.ingestion.installation import ALL

    drawer = installation.drawer()
    first = actions.upload_document(
        by=BY, source=drawer, name="one.md", file=SimpleUploadedFile("one.md", b"First words."), rule=ALL
    )
    syncing = pipeline.sync(first.run_id)
    next(syncing)
    second = actions.upload_document(
        by=BY, source=drawer, name="two.md", file=SimpleUploadedFile("two.md", b"Second words."), rule=ALL
    )
    assert second.run_id == first.run_id
    for _ in syncing:
        pass
    assert outcomes(SyncRun.objects.get(pk=first.run_id)) == {"one.md": "done", "two.md": "done"}
    assert_index_is_clean()


def test_progress_counts_rows(installation: Installation) -> None:
    for number in range(5):
        installation.write(f"{number}.md", f"Text number {number}.")
    source = installation.connect()
    run = installation.sync(source)
    (installation.folder / "4.md").unlink()
    installation.write("3.md", "Other text.")
    (installation.folder / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    run = installation.sync(source)
    progress = progress_of(run)
    assert (progress.found, progress.done, progress.unchanged) == (6, 1, 3)
    assert (progress.skipped, progress.failed, progress.removed, progress.waiting) == (1, 0, 1, 0)
    assert progress.percent == 100
    assert progress.seconds_left is None
    assert SyncItem.objects.filter(run=run, finished_at__isnull=True).count() == 0


def test_the_index_failing_fails_the_run_and_the_outbox_delivers_later(
    installation: Installation, settings: Settings
) -> None:
    installation.write("a.md", "Words to be indexed.")
    source = installation.connect()
    close_index()
    settings.INDEX_DIR = installation.data / "taken"
    settings.INDEX_DIR.write_text("a file stands where the index folder should be")
    run = installation.sync(source)
    assert run.state == SyncRun.State.FAILED
    assert run.error
    assert document_of(source, "a.md").current_version is None
    settings.INDEX_DIR = installation.data / "index"
    close_index()
    outbox.deliver()
    assert "indexed" in shown_text(document_of(source, "a.md"))
    assert outcomes(run) == {"a.md": "done"}
    assert get_index().count() == 1
    assert Path(settings.INDEX_DIR).exists()
