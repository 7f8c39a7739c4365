"""A full disk: a reason per document, no half files, no half documents, and everything readable once there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from ingestion import actions, pipeline, storage
from ingestion.models import Document, DocumentVersion, SyncRun
from tests.ingestion.installation import (
    BY,
    Installation,
    assert_index_is_clean,
    document_of,
    installation,
    item_of,
    outcomes,
    shown_text,
)

__all__ = ["installation"]  # a fixture: pytest finds it by name

LONG = "A sentence that fills the disk is written here again and again. "


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB, where this machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "footnote-test", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def kept_files(root: Path) -> set[str]:
    """Return the names of every file below the storage."""
    return {path.name for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_document_that_does_not_fit_fails_alone_and_is_read_once_there_is_room(
    installation: Installation, small_disk: Path, settings: Settings
) -> None:
    settings.MEDIA_ROOT = small_disk
    installation.write("a.md", "Small words.")
    installation.write("big.md", "# Big\n\n" + LONG * 8_000)
    installation.write("c.md", "More small words.")
    source = installation.connect()
    run = installation.sync(source)
    assert run.state == SyncRun.State.FINISHED
    assert outcomes(run) == {"a.md": "done", "big.md": "failed", "c.md": "done"}
    item = item_of(run, "big.md")
    assert item.code == "disk_full"
    assert "disk" in item.reason
    assert kept_files(small_disk) == {
        Path(name).name for name in DocumentVersion.objects.values_list("file", flat=True)
    }
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    again = pipeline.carry_out(actions.retry_failed(by=BY, run=run).pk)
    assert outcomes(again) == {"big.md": "done"}
    assert_index_is_clean()


@pytest.mark.slow
def test_an_upload_that_does_not_fit_is_refused_with_a_sentence(
    installation: Installation, small_disk: Path, settings: Settings
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from tests.ingestion.installation import ALL

    settings.MEDIA_ROOT = small_disk
    file = SimpleUploadedFile("big.md", (LONG * 8_000).encode())
    with pytest.raises(actions.NotPossible, match="is full"):
        actions.upload_document(by=BY, source=installation.drawer(), name="big.md", file=file, rule=ALL)
    assert kept_files(small_disk) == set()
    assert not SyncRun.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_full_fails_the_document_and_keeps_no_half_of_it(
    installation: Installation,
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite can be told how large it may become")
    installation.write("a.md", "Small words.")
    source = installation.connect()
    installation.sync(source)
    installation.write("b.md", "# Big\n\n" + LONG * 12_000)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages + 20}")
    try:
        run = installation.sync(source)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert not Document.objects.filter(external_id="b.md").exists()
    assert not DocumentVersion.objects.filter(document__external_id="b.md").exists()
    # The item says why where there was room to write that down; else the run does.
    failed = run.items.filter(outcome="failed").values_list("code", flat=True)
    assert list(failed) == ["disk_full"] or (run.state == SyncRun.State.FAILED and "full" in run.error)
    run = installation.sync(source)
    assert outcomes(run) == {"a.md": "unchanged", "b.md": "done"}
    assert "fills the disk" in shown_text(document_of(source, "b.md"))
    assert_index_is_clean()
    assert storage.clear_incoming() == 0
