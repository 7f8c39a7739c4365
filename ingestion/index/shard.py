"""The engine's folder: opening it, creating it, and writing it anew, with its search graph, without stopping the searches.

The engine holds Python's interpreter lock from the first to the last moment of building a graph, half a minute for
100,000 chunks; in this process nothing at all would answer meanwhile. So that is done by a process of its own, on
a copy of the folder, and the copy takes the place of what it was copied from in one step. Nothing is written
meanwhile. Wherever this is cut off, the folder that is named in `current` is whole, and others are cleared away.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion import durable
from ingestion.index import belonging
from ingestion.index.types import PAYLOAD_KEYS, IndexBusy, IndexCorrupt, IndexUnavailable

if TYPE_CHECKING:
    import qdrant_edge

log = logging.getLogger(__name__)

DENSE = "dense"
KEYWORD = "keyword"

GRAPH_FROM = 14_000
"""Chunks added or removed since the last time from which the search graph is built anew. The engine makes none below 13,333, where
it compares every vector."""
FLAT_FROM = 1_000
"""In an index without a graph, chunks added or removed since the last time from which it is written anew, in one piece that does
not change: of 11,700 chunks that were stored one after the other a search takes 3.7 ms, of one piece 1.1."""

_LAYOUT = 1
_FIRST = "shard"
_CURRENT = "current"
_GRAPH = "graph.json"
_LOCKED = "WouldBlock"
_PATIENCE = 10.0
_REBUILD = "Run `manage.py reindex`, which builds it again from the database."


class Shard:
    """The engine on one folder. Searching needs no lock; whoever writes or optimizes keeps others from writing."""

    def __init__(self, folder: Path, dimensions: int, model: str, weighing: list[float]) -> None:
        """Open what is in the folder, or create it there. Raises IndexCorrupt when it cannot be used."""
        self._folder = folder
        settings = {"layout": _LAYOUT, "dimensions": dimensions, "model": model, "keyword": weighing}
        self._config = _config(dimensions)
        if not current(folder).exists():
            _create(folder, settings, self._config)
        _check(folder, settings)
        self.engine = _load(current(folder), folder, self._config)
        _clear(folder)
        # What changed before this process opened the folder is not known; how many there were the last time is.
        self._built = _points_built(folder)
        self._changed = abs(self.points() - self._built)

    def update(self, operation: qdrant_edge.UpdateOperation, *, added: int) -> None:
        """Carry out one change that puts in so many chunks, new ones or in place of old ones."""
        before = self.points()
        self.engine.update(operation)
        self._changed += max(added, before - self.points())

    def optimize(self) -> None:
        """Write the index anew beside the searches, with its graph, if enough has changed since the last time.

        Raises IndexUnavailable when it could not be done; nothing is lost then, and searches are only slower.
        """
        if self._changed < (FLAT_FROM if self._built < GRAPH_FROM else GRAPH_FROM):
            return
        self.engine.flush()
        before = current(self._folder)
        built = self._folder / f"{_FIRST}.{_number(before) + 1}"
        shutil.rmtree(built, ignore_errors=True)
        try:
            shutil.copytree(before, built)
            _optimize_elsewhere(built)
            engine = _load(built, self._folder, self._config)
        except BaseException:
            shutil.rmtree(built, ignore_errors=True)
            raise
        durable.write(self._folder / _CURRENT, built.name)
        # Searches that are at it keep the old engine alive until they are through.
        self.engine = engine
        self._built, self._changed = self.points(), 0
        durable.write(self._folder / _GRAPH, json.dumps({"points": self._built}))
        shutil.rmtree(before, ignore_errors=True)

    def close(self) -> None:
        """Write everything down and release the engine."""
        self.engine.flush()
        self.engine.close()

    def points(self) -> int:
        """Return the number of chunks held."""
        return self.engine.info().points_count


def current(folder: Path) -> Path:
    """Return the engine's own folder, which may not exist yet."""
    try:
        return folder / (folder / _CURRENT).read_text().strip()
    except FileNotFoundError:
        return folder / _FIRST


def remains(folder: Path) -> list[Path]:
    """Return everything that belongs to the index in a folder: files, and the engine's folders old and new."""
    names = ("index.json", _CURRENT, _GRAPH, belonging.FILE)
    return [*folder.glob(f"{_FIRST}*"), *(path for name in names if (path := folder / name).exists())]


def _number(shard: Path) -> int:
    _, _, number = shard.name.partition(".")
    return int(number) if number.isdecimal() else 0


def _clear(folder: Path) -> None:
    """Remove the engine's folders other than the current one: copies that were cut off, or replaced ones."""
    kept = current(folder)
    for path in folder.glob(f"{_FIRST}*"):
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)


def _points_built(folder: Path) -> int:
    try:
        return int(json.loads((folder / _GRAPH).read_text())["points"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning(
            "%s cannot be read, so the index will be written anew once more: %s", folder / _GRAPH, error
        )
        return 0


def _check(folder: Path, settings: Mapping[str, object]) -> None:
    try:
        found = json.loads((folder / "index.json").read_text())
    except (OSError, ValueError) as error:
        raise IndexCorrupt(
            f"The search index in {folder} does not say how it was built. {_REBUILD}"
        ) from error
    if found != settings:
        raise IndexCorrupt(
            f"The search index in {folder} was built with other settings ({found}) than now ({settings}). {_REBUILD}"
        )


def _config(dimensions: int) -> qdrant_edge.EdgeConfig:
    """Return how the engine keeps chunks and searches them."""
    import qdrant_edge as edge

    return edge.EdgeConfig(
        vectors={
            DENSE: edge.EdgeVectorParams(
                size=dimensions,
                distance=edge.Distance.Cosine,
                datatype=edge.VectorStorageDatatype.Float16,
            )
        },
        sparse_vectors={KEYWORD: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        # In kilobytes of vectors: below about 13,000 chunks, in all or after the filter, every vector is compared.
        hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=10_000),
        # From 930 chunks on what is written anew is written in one piece that does not change.
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=700, default_segment_number=1),
        # What is read of it is read for a hundred chunks at a time; from cold storage that took longer than the search.
        payload_memory=edge.Memory.Cached,
        # With one, a search runs in the thread that asks, which is all there is in a forked copy (`readers`); with more,
        # the others look for work and find none: there is one segment, or a small one beside it.
        max_search_threads=1,
    )


def _load(shard: Path, folder: Path, config: qdrant_edge.EdgeConfig) -> qdrant_edge.EdgeShard:
    """Open the engine on its folder, which this process holds.

    The engine's own lock can outlast its closing: a process that is just being started, to parse a file for one,
    shares this process' open files until it runs its own program. That is waited for.
    """
    import qdrant_edge as edge

    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return edge.EdgeShard.load(str(shard), config)
        except Exception as error:
            if _LOCKED not in str(error):
                raise IndexCorrupt(
                    f"The search index in {folder} cannot be read: {error}. {_REBUILD}"
                ) from error
            if time.monotonic() >= give_up:
                raise IndexBusy(
                    f"The search index in {folder} is still open in a process that should have ended. "
                    "End what is left of Footnote on this machine and start it again."
                ) from error
        time.sleep(0.02)


def _create(folder: Path, settings: Mapping[str, object], config: qdrant_edge.EdgeConfig) -> None:
    """Create an empty index beside its final place and move it there whole, so that a crash leaves none or all."""
    import qdrant_edge as edge

    unfinished = folder / f"{_FIRST}.new"
    for path in (unfinished, folder / _CURRENT, folder / _GRAPH, folder / belonging.FILE):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    try:
        shard = edge.EdgeShard.create(str(unfinished), config)
        # Before the first point: the search graph is built with the filters in mind only if they are declared first.
        for key in PAYLOAD_KEYS:
            params = edge.IntegerIndexParams(
                lookup=True, range=False, enable_hnsw=key in ("source", "policy")
            )
            shard.update(edge.UpdateOperation.create_field_index(key, params))
        shard.flush()
        shard.close()
    except Exception as error:
        raise IndexUnavailable(f"The search index cannot be created in {folder}: {error}") from error
    (folder / "index.json").write_text(json.dumps(settings))
    unfinished.rename(folder / _FIRST)
    durable.sync(folder)


# --- In a process of its own --------------------------------------------------------------------------------------


def _optimize_elsewhere(shard: Path) -> None:
    done = subprocess.run(  # noqa: S603  # our own module, no shell
        [sys.executable, "-m", "ingestion.index.shard", str(shard)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise IndexUnavailable(f"The search graph could not be built: {said[0]}")


def _die_with_parent() -> None:
    """End when the process that asked for the graph ends; nobody would take what is built. On Linux only."""
    import ctypes
    import signal

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _main(shard: str) -> None:
    import qdrant_edge as edge

    _die_with_parent()
    os.nice(5)
    engine = edge.EdgeShard.load(shard)
    engine.optimize()
    engine.flush()
    engine.close()


if __name__ == "__main__":
    _main(sys.argv[1])
