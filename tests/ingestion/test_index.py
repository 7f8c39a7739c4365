"""The index on each engine: in a folder, in a process of its own, and on a server."""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.index.edge import EdgeIndex
from ingestion.index.folder import erase
from ingestion.index.process import IndexProcess
from ingestion.index.remote import RemoteIndex
from ingestion.index.server import ServerIndex
from ingestion.index.types import (
    IndexBusy,
    IndexCorrupt,
    IndexUnavailable,
    VectorIndex,
)
from tests.ingestion.index_contract import TEXTS, IndexContract, folder, point, same, vector, where

__all__ = ["folder"]  # a fixture: pytest finds it by name


class TestEdgeIndex(IndexContract):
    @pytest.fixture
    def index(self, folder: Path) -> Iterator[VectorIndex]:
        index = EdgeIndex(folder)
        yield index
        index.close()

    def payloads(self, index: VectorIndex) -> list[dict[str, object]]:
        import qdrant_edge as edge

        assert isinstance(index, EdgeIndex)
        records, _ = index._shard.engine.scroll(edge.ScrollRequest(limit=10, with_payload=True))
        return [dict(record.payload or {}) for record in records]

    def test_what_was_flushed_is_there_after_opening_again(self, folder: Path) -> None:
        first = EdgeIndex(folder)
        first.upsert([point(chunk) for chunk in TEXTS])
        before = first.search(vector(1), "red fox", where(), 9)
        first.close()
        second = EdgeIndex(folder)
        assert same(second.search(vector(1), "red fox", where(), 9), before)
        second.close()

    def test_opening_the_folder_twice_is_refused_with_advice(self, folder: Path) -> None:
        first = EdgeIndex(folder)
        with pytest.raises(IndexBusy, match="another process"):
            EdgeIndex(folder)
        first.close()
        EdgeIndex(folder).close()

    def test_a_process_that_is_just_being_started_does_not_make_a_closed_index_look_open_or_damaged(
        self, folder: Path
    ) -> None:
        index = EdgeIndex(folder)
        index.upsert([point(1)])
        # Until it runs its own program, a process that is started shares every open file, locks included.
        started = os.fork()
        if not started:
            time.sleep(0.3)
            os._exit(0)
        try:
            index.close()
            again = EdgeIndex(folder)
            assert again.count() == 1
            again.close()
        finally:
            os.waitpid(started, 0)

    @pytest.mark.slow
    def test_a_killed_process_leaves_its_flushed_chunks_and_no_lock(self, folder: Path) -> None:
        code = textwrap.dedent(
            f"""
            import os, signal
            from pathlib import Path
            from ingestion.index.edge import EdgeIndex
            from tests.ingestion.index_contract import point
            index = EdgeIndex(Path({str(folder)!r}))
            index.upsert([point(chunk) for chunk in range(1, 50)])
            index.flush()
            index.upsert([point(chunk) for chunk in range(50, 60)])
            os.kill(os.getpid(), signal.SIGKILL)
            """
        )
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == -9
        index = EdgeIndex(folder)
        assert {entry.chunk for entry in index.entries()} >= set(range(1, 50))
        index.close()

    def test_a_creation_that_was_cut_short_is_begun_anew(self, folder: Path) -> None:
        (folder / "shard.new" / "segments").mkdir(parents=True)
        (folder / "shard.new" / "edge_config.json").write_text("half")
        index = EdgeIndex(folder)
        assert index.count() == 0
        index.close()

    def test_a_damaged_index_says_how_to_rebuild_it(self, folder: Path) -> None:
        index = EdgeIndex(folder)
        index.upsert([point(1)])
        index.close()
        for file in (folder / "shard" / "segments").rglob("segment.json"):
            file.write_text("garbage")
        with pytest.raises(IndexCorrupt, match="reindex"):
            EdgeIndex(folder)
        erase(folder)
        rebuilt = EdgeIndex(folder)
        assert rebuilt.count() == 0
        rebuilt.close()

    def test_vectors_of_another_model_are_not_mixed_in(self, folder: Path) -> None:
        EdgeIndex(folder).close()
        with pytest.raises(IndexCorrupt, match="other settings"):
            EdgeIndex(folder, model="another-model")
        with pytest.raises(IndexCorrupt, match="reindex"):
            EdgeIndex(folder, dimensions=768)

    def test_an_open_index_is_not_erased(self, folder: Path) -> None:
        index = EdgeIndex(folder)
        with pytest.raises(IndexBusy):
            erase(folder)
        index.close()


class TestIndexProcess(IndexContract):
    @pytest.fixture
    def index(self, folder: Path) -> Iterator[VectorIndex]:
        process = IndexProcess(folder, dimensions=384, model="all-MiniLM-L6-v2", readers=1)
        process.wait()
        index = RemoteIndex(folder)
        yield index
        index.close()
        process.stop()

    def payloads(self, index: VectorIndex) -> list[dict[str, object]]:
        import qdrant_edge as edge

        assert isinstance(index, RemoteIndex)
        index.flush()
        copy = index._folder.with_name("copy")
        shutil.copytree(index._folder, copy)
        opened = EdgeIndex(copy)
        records, _ = opened._shard.engine.scroll(edge.ScrollRequest(limit=10, with_payload=True))
        opened.close()
        return [dict(record.payload or {}) for record in records]


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
@pytest.mark.filterwarnings("ignore:Local mode performs exact")
class TestServerIndex(IndexContract):
    @pytest.fixture
    def index(self, folder: Path) -> Iterator[VectorIndex]:
        from qdrant_client import QdrantClient

        index = ServerIndex(QdrantClient(":memory:"))
        yield index
        index.close()

    def payloads(self, index: VectorIndex) -> list[dict[str, object]]:
        assert isinstance(index, ServerIndex)
        records, _ = index._client.scroll("footnote", limit=10, with_payload=True)
        return [dict(record.payload or {}) for record in records]

    def test_a_collection_with_vectors_of_another_length_is_refused(self) -> None:
        from qdrant_client import QdrantClient

        client = QdrantClient(":memory:")
        ServerIndex(client)
        with pytest.raises(IndexCorrupt, match="footnote"):
            ServerIndex(client, dimensions=768)
        client.close()

    def test_a_server_that_does_not_answer_is_said_to_be_unavailable(self) -> None:
        from qdrant_client import QdrantClient

        client = QdrantClient("http://127.0.0.1:9", timeout=1, check_compatibility=False)
        with pytest.raises(IndexUnavailable, match="Qdrant server"):
            ServerIndex(client)
        client.close()
