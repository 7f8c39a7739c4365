"""Building the search graph on a copy that takes the place of what it was copied from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.index.edge import EdgeIndex
from ingestion.index.folder import erase
from ingestion.index.types import IndexUnavailable
from tests.ingestion.index_contract import folder, point, same, vector, where

__all__ = ["folder"]  # a fixture: pytest finds it by name


class TestFewerThanAGraphIsMadeFor:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingestion.index.shard.GRAPH_FROM", 300)
        monkeypatch.setattr("ingestion.index.shard.FLAT_FROM", 50)

    @pytest.fixture
    def index(self, folder: Path) -> Iterator[EdgeIndex]:
        index = EdgeIndex(folder)
        yield index
        index.close()

    def test_the_index_is_written_anew_after_few_changes_and_with_a_graph_only_after_many(
        self, index: EdgeIndex, folder: Path
    ) -> None:
        def shard_after(first: int, last: int) -> list[str]:
            index.upsert([point(number) for number in range(first, last + 1)])
            before = index.search(vector(7), "text", where(), 50)
            index.optimize()
            assert same(index.search(vector(7), "text", where(), 50), before)
            return [path.name for path in folder.glob("shard*")]

        assert shard_after(1, 40) == ["shard"]
        assert shard_after(41, 60) == ["shard.1"]
        assert shard_after(61, 100) == ["shard.1"]
        assert shard_after(101, 290) == ["shard.2"]
        # Now there are enough for a graph, and few changes are enough to make the first one.
        assert shard_after(291, 350) == ["shard.3"]
        assert shard_after(351, 500) == ["shard.3"]
        assert shard_after(501, 660) == ["shard.4"]


class TestSearchGraph:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingestion.index.shard.GRAPH_FROM", 100)
        monkeypatch.setattr("ingestion.index.shard.FLAT_FROM", 100)

    @pytest.fixture
    def index(self, folder: Path) -> Iterator[EdgeIndex]:
        index = EdgeIndex(folder)
        index.upsert([point(number) for number in range(1, 151)])
        yield index
        index.close()

    def test_what_was_found_before_is_found_after_and_after_opening_again(
        self, index: EdgeIndex, folder: Path
    ) -> None:
        before = index.search(vector(7), "text", where(), 50)
        index.optimize()
        assert same(index.search(vector(7), "text", where(), 50), before)
        index.upsert([point(200)])
        index.set_access(10, source=1, policy=2)
        index.close()
        again = EdgeIndex(folder)
        assert again.count() == 151
        assert {entry.policy for entry in again.entries()} == {2}
        again.close()

    def test_only_the_folder_in_use_remains(self, index: EdgeIndex, folder: Path) -> None:
        index.optimize()
        assert [path.name for path in folder.glob("shard*")] == ["shard.1"]

    def test_nothing_is_built_until_enough_has_changed_again(self, index: EdgeIndex, folder: Path) -> None:
        index.optimize()
        index.upsert([point(number) for number in range(151, 200)])
        index.optimize()
        assert (folder / "shard.1").exists()
        index.delete_chunks(range(1, 60))
        index.optimize()
        assert [path.name for path in folder.glob("shard*")] == ["shard.2"]

    def test_how_much_changed_is_known_after_opening_again(self, index: EdgeIndex, folder: Path) -> None:
        index.close()
        again = EdgeIndex(folder)
        again.optimize()
        again.close()
        assert [path.name for path in folder.glob("shard*")] == ["shard.1"]
        once_more = EdgeIndex(folder)
        once_more.optimize()
        once_more.close()
        assert [path.name for path in folder.glob("shard*")] == ["shard.1"]

    def test_a_copy_that_was_cut_off_is_cleared_away(self, index: EdgeIndex, folder: Path) -> None:
        index.close()
        (folder / "shard.1" / "segments").mkdir(parents=True)
        again = EdgeIndex(folder)
        assert again.count() == 150
        again.close()
        assert [path.name for path in folder.glob("shard*")] == ["shard"]

    def test_a_build_that_fails_is_a_sentence_and_leaves_the_index_as_it_was(
        self, index: EdgeIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        with pytest.raises(IndexUnavailable, match="graph could not be built"):
            index.optimize()
        assert index.count() == 150
        assert [path.name for path in folder.glob("shard*")] == ["shard"]

    def test_erasing_takes_the_copies_along(self, index: EdgeIndex, folder: Path) -> None:
        index.optimize()
        index.close()
        erase(folder)
        assert [path.name for path in folder.iterdir()] == ["lock"]
        again = EdgeIndex(folder)
        assert again.count() == 0
        again.close()
