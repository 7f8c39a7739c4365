"""Which document a chunk is of: known beside the engine, and asked of it where it is not."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.index.belonging import FILE, Belonging
from ingestion.index.edge import EdgeIndex
from ingestion.index.folder import erase
from tests.ingestion.index_contract import TEXTS, folder, point, vector, where

__all__ = ["folder"]  # a fixture: pytest finds it by name


def asks_nobody(chunks: Sequence[int]) -> dict[int, int]:
    raise AssertionError(f"{list(chunks)} should be known")


def documents(index: EdgeIndex) -> dict[int, int]:
    found = index.search(vector(1), "red fox", where(), 20)
    return {hit.chunk: hit.document for hit in (*found.dense, *found.keyword)}


def test_what_was_noted_is_known_and_the_rest_is_asked_once(tmp_path: Path) -> None:
    known = Belonging(tmp_path)
    known.note([(1, 10), (5_000_000_000, 20)])
    asked: list[list[int]] = []

    def ask(chunks: Sequence[int]) -> dict[int, int]:
        asked.append(list(chunks))
        return {2: 30}

    assert known.of([5_000_000_000, 2, 1, 3], ask) == [20, 30, 10, 0]
    assert known.of([2, 1], asks_nobody) == [30, 10]
    assert asked == [[2, 3]]


def test_what_was_kept_is_known_to_the_next(tmp_path: Path) -> None:
    first = Belonging(tmp_path)
    first.note([(1, 10), (9_000_000, 20)])
    first.keep()
    assert Belonging(tmp_path).of([9_000_000, 1], asks_nobody) == [20, 10]


def test_a_file_that_is_cut_off_is_as_good_as_none(tmp_path: Path) -> None:
    first = Belonging(tmp_path)
    first.note([(1, 10)])
    first.keep()
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-1])
    assert Belonging(tmp_path).of([1], lambda chunks: {1: 11}) == [11]


def test_once_a_number_stands_for_another_chunk_the_file_of_before_is_gone(tmp_path: Path) -> None:
    first = Belonging(tmp_path)
    first.note([(1, 10), (2, 10)])
    first.keep()
    # As after a backup of the rows was brought back: a chunk's number is given out once more.
    first.note([(1, 12)])
    assert first.of([1, 2], asks_nobody) == [12, 10]
    assert Belonging(tmp_path).of([1], lambda chunks: {1: 12}) == [12]


def test_an_index_knows_its_documents_after_it_was_closed_and_after_it_lost_the_file(folder: Path) -> None:
    index = EdgeIndex(folder)
    index.upsert([point(chunk) for chunk in TEXTS])
    before = documents(index)
    assert before == {entry.chunk: entry.document for entry in index.entries()}
    index.close()
    assert (folder / FILE).exists()
    for lost in (False, True):
        if lost:
            (folder / FILE).unlink()
        opened = EdgeIndex(folder)
        assert documents(opened) == before
        opened.close()


def test_a_chunk_that_came_to_another_document_is_found_as_of_that_one(folder: Path) -> None:
    index = EdgeIndex(folder)
    index.upsert([point(1), point(2)])
    index.upsert([replace(point(1), document=77)])
    assert documents(index)[1] == 77
    index.close()


def test_erasing_an_index_erases_what_was_known(folder: Path) -> None:
    index = EdgeIndex(folder)
    index.upsert([point(1)])
    index.close()
    erase(folder)
    assert not (folder / FILE).exists()


def test_a_full_disk_is_said_and_the_index_is_closed_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = EdgeIndex(folder)
    index.upsert([point(1)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ingestion.durable.write_bytes", full)
        with pytest.raises(RuntimeError, match="No space left"):
            index.close()
    again = EdgeIndex(folder)
    assert documents(again) == {1: point(1).document}
    again.close()
