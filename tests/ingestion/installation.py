"""A small installation for tests of the pipeline: folders of its own, a quick embedder, and one line per thing to do."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.audit import By
from accounts.viewer import EVERYONE
from ingestion import actions, pipeline
from ingestion.access import Rule
from ingestion.index import close_index, get_index
from ingestion.models import Chunk, Document, Source, SyncItem, SyncRun
from ingestion.rebuilding import Comparison, compare

BY = By.system("tests")
ALL = Rule.of({EVERYONE})


@dataclass
class Installation:
    """Where everything lies, and short ways to do what people do."""

    data: Path
    folder: Path

    def write(self, name: str, text: str, *, seconds_ago: float = 0) -> Path:
        """Write a file into the folder that is synced."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if seconds_ago:
            os.utime(path, (time.time() - seconds_ago,) * 2)
        return path

    def connect(self, name: str = "Shelf") -> Source:
        """Connect the folder as a source that everyone may read."""
        return actions.connect_source(by=BY, kind="folder", name=name, path=str(self.folder), rule=ALL)

    def sync(self, source: Source) -> SyncRun:
        """Sync a source to the end and return the run."""
        run = actions.request_sync(by=BY, source=source)
        return pipeline.carry_out(run.pk)

    def drawer(self, name: str = "Drawer") -> Source:
        """Connect a source for uploads that everyone may read."""
        return actions.connect_source(by=BY, kind="upload", name=name, rule=ALL)


def outcomes(run: SyncRun) -> dict[str, str]:
    """Return what became of each item of a run."""
    return dict(run.items.values_list("external_id", "outcome"))


def item_of(run: SyncRun, name: str) -> SyncItem:
    """Return the item of one file."""
    return run.items.get(external_id=name)


def document_of(source: Source, name: str) -> Document:
    """Return the document of one file."""
    return Document.objects.get(source=source, external_id=name)


def shown_text(document: Document) -> str:
    """Return the text that a document shows, from its chunks."""
    document.refresh_from_db()
    chunks = Chunk.objects.filter(version=document.current_version_id).order_by("ordinal")
    return "\n".join(chunks.values_list("text", flat=True))


def indexed_chunks() -> set[int]:
    """Return the chunks that the index holds."""
    return {entry.chunk for entry in get_index().entries()}


def assert_index_is_clean() -> Comparison:
    """Fail unless the index holds exactly what the database says it ought to."""
    comparison = compare()
    assert (comparison.missing, comparison.extra, comparison.wrong) == ((), (), ())
    assert comparison.held == comparison.expected
    return comparison


def make_installation(settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    """Give an installation whose folders are removed with the test; the body of the fixture."""
    folder = tmp_path / "sources" / "shelf"
    folder.mkdir(parents=True)
    (folder / "access.yaml").write_text("allow: [everyone]\n")
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "files"
    # Every write to the index is synced to disk; in memory where the machine has such a place, that costs nothing.
    memory = Path("/dev/shm")
    quick = tempfile.mkdtemp(prefix="footnote-test-", dir=memory if os.access(memory, os.W_OK) else tmp_path)
    settings.INDEX_DIR = Path(quick) / "index"
    settings.SOURCE_ROOTS = [tmp_path / "sources"]
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    close_index()
    pipeline.stopping.clear()
    yield Installation(tmp_path, folder)
    close_index()
    shutil.rmtree(quick, ignore_errors=True)
    pipeline.stopping.clear()


@pytest.fixture
def installation(db: None, settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    """An installation with an empty folder to be synced."""
    yield from make_installation(settings, tmp_path)
