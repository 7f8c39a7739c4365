"""Copies of the index process: they search beside it, know of every write, and end with it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ingestion.index.process import IndexProcess
from ingestion.index.readers import Readers
from ingestion.index.remote import SEARCHING, RemoteIndex
from ingestion.index.types import IndexUnavailable
from tests.ingestion.index_contract import folder, point, vector, where
from tests.ingestion.test_index_process import eventually, is_running

__all__ = ["folder"]  # a fixture: pytest finds it by name


@pytest.fixture
def process(folder: Path) -> Iterator[IndexProcess]:
    process = IndexProcess(folder, dimensions=384, model="all-MiniLM-L6-v2", readers=2)
    process.wait()
    yield process
    process.stop()


def copies_of(process: IndexProcess) -> set[int]:
    children: set[int] = set()
    with suppress(OSError):  # a thread, or the process, has ended meanwhile; whoever waits looks again
        for task in Path(f"/proc/{process._process.pid}/task").iterdir():
            children.update(map(int, (task / "children").read_text().split()))
    return {pid for pid in children if is_running(pid)}


def found(index: RemoteIndex) -> set[int]:
    return {hit.chunk for hit in index.search(vector(1), "red fox", where(), 9).dense}


def searching(folder: Path, number: int) -> list[RemoteIndex]:
    """Return as many ways to search, each with a connection that has found something."""
    ways = [RemoteIndex(folder) for _ in range(number)]
    for way in ways:
        found(way)
    return ways


def test_copies_go_on_searching_while_the_process_itself_is_busy(folder: Path, process: IndexProcess) -> None:
    RemoteIndex(folder).upsert([point(1), point(2)])
    eventually(lambda: len(copies_of(process)) == 2)
    ways = searching(folder, 6)
    answers: list[set[int]] = []
    is_one_there = threading.Event()

    def ask(way: RemoteIndex) -> None:
        answers.append(found(way))
        is_one_there.set()

    asking = [threading.Thread(target=ask, args=(way,)) for way in ways]
    os.kill(process._process.pid, signal.SIGSTOP)
    try:
        for thread in asking:
            thread.start()
        assert is_one_there.wait(30)
    finally:
        os.kill(process._process.pid, signal.SIGCONT)
    for thread in asking:
        thread.join()
    assert answers == [{1, 2}] * 6


def test_what_was_written_is_known_to_whoever_searches_next(folder: Path, process: IndexProcess) -> None:
    index = RemoteIndex(folder)
    index.upsert([point(1)])
    for chunk in (2, 3):
        eventually(lambda: len(copies_of(process)) == 2)
        ways = searching(folder, 6)
        index.upsert([point(chunk)])
        assert [found(way) for way in ways] == [set(range(1, chunk + 1))] * 6
    eventually(lambda: len(copies_of(process)) == 2)
    ways = searching(folder, 6)
    index.set_access(point(1).document, source=point(1).source, policy=99)
    assert all(1 not in found(way) for way in ways)


def test_a_copy_that_dies_is_replaced_and_what_it_was_asked_is_answered(
    folder: Path, process: IndexProcess
) -> None:
    RemoteIndex(folder).upsert([point(1)])
    eventually(lambda: len(copies_of(process)) == 2)
    ways = searching(folder, 6)
    first = copies_of(process)
    for copy in first:
        os.kill(copy, signal.SIGKILL)
    assert [found(way) for way in ways] == [{1}] * 6
    eventually(lambda: len(copies_of(process) - first) == 2)


def test_copies_end_with_the_process_however_it_ends(folder: Path, process: IndexProcess) -> None:
    eventually(lambda: len(copies_of(process)) == 2)
    copies = copies_of(process)
    first = process._process.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not any(map(is_running, copies)))
    eventually(lambda: process._process.pid != first and len(copies_of(process)) == 2)
    copies = copies_of(process)
    process.stop()
    assert not any(map(is_running, copies))


def test_only_searches_can_be_asked_for_where_copies_listen(folder: Path, process: IndexProcess) -> None:
    index = RemoteIndex(folder)
    with pytest.raises(IndexUnavailable, match="knows no delete_document"):
        index._call("delete_document", 1, at=SEARCHING)
    assert found(index) == set()


def test_copies_whose_engine_does_not_answer_are_done_without(caplog: pytest.LogCaptureFixture) -> None:
    made: list[bool] = []

    def prove() -> None:
        raise IndexUnavailable("It does not answer.")

    readers = Readers(2, prove=prove, serve=threading.Event().wait, made=lambda: made.append(True))
    readers.start()
    eventually(lambda: readers._most == 0)
    assert "searches by itself" in caplog.text
    assert not made
    with readers.going("upsert"):
        pass
    readers.end()


def test_no_copy_is_made_while_something_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    made = threading.Event()
    readers = Readers(1, prove=list, serve=threading.Event().wait, made=made.set)
    with readers.going("search_many"):
        readers.start()
        assert not made.wait(0.3)
    assert made.wait(30)
    with readers.going("optimize"):
        assert not readers._copies
        made.clear()
        assert not made.wait(0.8)
    assert made.wait(30)
    readers.end()
    assert not readers._copies


def test_a_copy_that_cannot_be_made_is_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, refused, made = os.fork, iter([True, True]), threading.Event()

    def fork_later() -> int:
        if next(refused, False):
            raise BlockingIOError("Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", fork_later)
    monkeypatch.setattr("ingestion.index.readers.AGAIN_SECONDS", 0.1)
    readers = Readers(1, prove=list, serve=threading.Event().wait, made=made.set)
    readers.start()
    assert made.wait(30)
    assert "could not be copied" in caplog.text
    with readers.going("search_many"):
        assert len(readers._copies) == 1
    readers.end()
