"""Holding the index against the database, repairing it, and building it anew."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from ingestion.data_folder import DataFolderBusy, alone_on_data_folder
from ingestion.index import built_folder, close_index, finish_swap, get_index
from ingestion.index.types import IndexCorrupt, IndexPoint
from ingestion.models import Chunk, Document, Source
from ingestion.rebuilding import compare, rebuild, repair
from tests import fakes
from tests.ingestion.installation import (
    Installation,
    assert_index_is_clean,
    indexed_chunks,
    installation,
)

__all__ = ["installation"]  # a fixture: pytest finds it by name


@pytest.fixture
def shelf(installation: Installation) -> Source:
    """A synced source of three documents."""
    for number in range(3):
        installation.write(f"{number}.md", f"# Title {number}\n\nText number {number} has words.")
    source = installation.connect()
    installation.sync(source)
    return source


def spoil() -> tuple[int, int, int]:
    """Make one entry missing, one wrong and one too many; return their chunks."""
    first, second, *_ = sorted(indexed_chunks())
    index = get_index()
    index.delete_chunks([first])
    index.set_access(Chunk.objects.get(pk=second).version.document_id, source=1, policy=9_999)
    vector = fakes.HashingEmbedder().embed_query("stray")
    index.upsert([IndexPoint(777_777, 777, 1, 1, 0, vector, "stray")])
    return first, second, 777_777


def test_missing_wrong_and_stray_entries_are_found_and_repaired(shelf: Source) -> None:
    first, second, stray = spoil()
    comparison = compare()
    assert (comparison.missing, comparison.wrong, comparison.extra) == ((first,), (second,), (stray,))
    repair(comparison)
    assert_index_is_clean()


def test_the_command_says_what_differs_and_fails(shelf: Source) -> None:
    said = StringIO()
    call_command("check_index", stdout=said)
    assert "agrees" in said.getvalue()
    first, _, _ = spoil()
    said = StringIO()
    with pytest.raises(CommandError, match="differs"):
        call_command("check_index", stdout=said)
    assert f"1 missing: chunk {first}" in said.getvalue()
    assert "1 too many: chunk 777777" in said.getvalue()
    call_command("check_index", "--repair", stdout=StringIO())
    call_command("check_index", stdout=StringIO())


def test_what_is_still_to_be_delivered_is_no_difference(shelf: Source) -> None:
    Document.objects.filter(external_id="0.md").update(is_superseded=True, needs_index_update=True)
    comparison = compare()
    assert comparison.is_same
    assert comparison.waiting == 1


def test_the_index_is_built_anew_without_embedding_anything_again(
    installation: Installation, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:CountingEmbedder"
    for number in range(3):
        installation.write(f"{number}.md", f"Text number {number}.")
    installation.sync(installation.connect())
    held = indexed_chunks()
    spoil()
    fakes.CountingEmbedder.count = 0
    seen: list[tuple[int, int]] = []
    assert rebuild(lambda done, of: seen.append((done, of))) == 3
    assert fakes.CountingEmbedder.count == 0
    assert seen[-1] == (3, 3)
    assert indexed_chunks() == held
    assert_index_is_clean()


def test_a_deleted_index_is_built_anew(shelf: Source, settings: Settings) -> None:
    import shutil

    close_index()
    shutil.rmtree(settings.INDEX_DIR)
    call_command("reindex", stdout=StringIO())
    assert_index_is_clean()
    assert len(indexed_chunks()) == 3


def test_another_model_embeds_everything_again(shelf: Source, settings: Settings) -> None:
    before = bytes(Chunk.objects.earliest("pk").embedding or b"")
    close_index()
    settings.EMBEDDING_MODEL = "tests.fakes:OtherHashingEmbedder"
    with pytest.raises(IndexCorrupt, match="reindex"):
        get_index()
    call_command("reindex", stdout=StringIO())
    chunk = Chunk.objects.earliest("pk")
    assert chunk.embedding_model == "tests.fakes:OtherHashingEmbedder"
    assert bytes(chunk.embedding or b"") != before
    assert_index_is_clean()


def test_a_rebuild_that_is_cut_off_leaves_the_old_index(shelf: Source) -> None:
    held = indexed_chunks()

    class CutOff(BaseException):
        """Stands for the process ending here."""

    def cut_off(done: int, of: int) -> None:
        raise CutOff

    with pytest.raises(CutOff):
        rebuild(cut_off)
    assert indexed_chunks() == held
    assert_index_is_clean()


def test_a_swap_that_is_cut_off_is_finished_at_the_next_opening(shelf: Source, settings: Settings) -> None:
    held = indexed_chunks()
    close_index()
    folder = Path(settings.INDEX_DIR)
    # Complete and named so, and then the process ended: before, or in the middle of, deleting the old one.
    folder.rename(built_folder(folder))
    folder.mkdir()
    (folder / "lock").write_text("")
    assert indexed_chunks() == held
    assert not built_folder(folder).exists()
    close_index()
    assert not finish_swap(folder)


def test_a_second_process_is_told_who_holds_the_data_folder(shelf: Source) -> None:
    with alone_on_data_folder():
        for command in ("reindex", "check_index"):
            with pytest.raises(CommandError, match=r"already running on this data folder \(process \d+\)"):
                call_command(command, stdout=StringIO())
        with pytest.raises(DataFolderBusy), alone_on_data_folder():
            pass
    call_command("check_index", stdout=StringIO())
