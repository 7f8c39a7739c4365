"""The index in a process of its own: who may ask it, and what happens when it, or who started it, dies."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from ingestion.index import close_index, get_index
from ingestion.index.edge import EdgeIndex
from ingestion.index.process import IndexProcess
from ingestion.index.remote import SERVED, RemoteIndex, join
from ingestion.index.types import IndexBusy, IndexCorrupt, IndexUnavailable
from tests.ingestion.index_contract import folder, point, vector, where

__all__ = ["folder"]  # a fixture: pytest finds it by name

# Waiting for another process: generous, because it only matters when something is broken.
PATIENCE_SECONDS = 60.0


def served(folder: Path) -> IndexProcess:
    process = IndexProcess(folder, dimensions=384, model="all-MiniLM-L6-v2")
    process.wait()
    return process


@pytest.fixture
def process(folder: Path) -> Iterator[IndexProcess]:
    process = served(folder)
    yield process
    process.stop()


def eventually(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_does_not_serve_the_folder_asks_the_one_that_does(
    folder: Path, process: IndexProcess, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "INDEX_DIR", folder)
    close_index()
    try:
        index = get_index()
        index.upsert([point(1)])
        assert isinstance(index, RemoteIndex)
        assert [entry.chunk for entry in RemoteIndex(folder).entries()] == [1]
    finally:
        close_index()


def test_nobody_is_taken_for_serving_a_folder_that_a_dead_process_once_served(folder: Path) -> None:
    process = served(folder)
    announced = (folder / SERVED).read_text()
    process.stop()
    assert process._process.returncode == 0
    assert not (folder / SERVED).exists()
    assert not Path(json.loads(announced)["address"]).parent.exists()
    (folder / SERVED).write_text(announced)  # as a killed process leaves it
    assert join(folder) is None
    EdgeIndex(folder).close()


def test_what_was_asked_while_the_process_died_is_answered_by_the_next(
    folder: Path, process: IndexProcess
) -> None:
    index = RemoteIndex(folder)
    index.upsert([point(1), point(2)])
    index.flush()
    first = process._process.pid
    os.kill(first, signal.SIGKILL)
    hits = index.search(vector(1), "red fox", where(), 9)
    assert {hit.chunk for hit in hits.dense} == {1, 2}
    assert process._process.pid != first


def test_an_index_whose_process_stays_away_is_a_sentence(folder: Path) -> None:
    process = served(folder)
    index = RemoteIndex(folder, patience=0.0)
    assert index.count() == 0
    process.stop()
    with pytest.raises(IndexUnavailable, match="not being served"):
        index.count()


def test_only_who_knows_the_key_may_ask(folder: Path, process: IndexProcess) -> None:
    announced = folder / SERVED
    assert stat.S_IMODE(announced.stat().st_mode) == 0o600
    address = json.loads(announced.read_text())["address"]
    with pytest.raises(AuthenticationError):
        Client(address, "AF_UNIX", authkey=b"guessed")
    assert RemoteIndex(folder).count() == 0  # and the others are still served


def test_only_what_an_index_does_can_be_asked_for(folder: Path, process: IndexProcess) -> None:
    index = RemoteIndex(folder)
    with pytest.raises(IndexUnavailable, match="knows no close"):
        index._call("close")
    assert index.count() == 0


def test_what_is_wrong_with_a_folder_is_said_by_whoever_starts_the_process(folder: Path) -> None:
    folder.mkdir()
    (folder / "shard").mkdir()
    (folder / "index.json").write_text("{}")
    process = IndexProcess(folder, dimensions=384, model="all-MiniLM-L6-v2")
    with pytest.raises(IndexCorrupt, match="reindex"):
        process.wait()
    process.stop()


@pytest.mark.slow
def test_a_folder_that_stays_open_elsewhere_is_not_waited_for_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.index.process.BUSY_SECONDS", 0.5)
    holder = EdgeIndex(folder)
    process = IndexProcess(folder, dimensions=384, model="all-MiniLM-L6-v2")
    with pytest.raises(IndexBusy, match="another process"):
        process.wait()
    process.stop()
    holder.close()


@pytest.mark.slow
def test_it_ends_with_the_process_that_started_it_and_keeps_what_was_written(folder: Path) -> None:
    code = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from tests.ingestion.test_index_process import point, served
        from ingestion.index.remote import RemoteIndex
        process = served(Path({str(folder)!r}))
        RemoteIndex(Path({str(folder)!r})).upsert([point(1), point(2)])
        print(process._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    eventually(lambda: not is_running(int(done.stdout)))
    index = EdgeIndex(folder)
    assert index.count() == 2
    index.close()
