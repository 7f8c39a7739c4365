"""The index that another process of this machine holds open (`ingestion.index.process`), asked over a local socket.

Whoever may read the file `served.json` in the index folder may ask: the user that runs Footnote. It names the sockets,
one for searches and one for everything, and the key that both sides prove to each other. Only integers, scores and what
is to be indexed travel.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

from ingestion.index.types import (
    ChunkScores,
    IndexEntry,
    IndexFilter,
    IndexHits,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    Vector,
    every_entry,
)

SERVED = "served.json"
EVERYTHING, SEARCHING = "address", "searching"

PATIENCE = 10.0
"""Seconds to wait for a process that died to be there again, which takes one or two."""

BROKEN = (EOFError, OSError, AuthenticationError)
"""What a connection raises whose other end is gone, or is somebody else's."""


def join(folder: Path) -> "RemoteIndex | None":
    """Return the index that another process serves from this folder, or None when no process does."""
    index = RemoteIndex(folder, patience=0.0)
    try:
        index.count()
    except IndexUnavailable:
        return None
    index.patience = PATIENCE
    return index


class RemoteIndex:
    """An index by way of its process. Safe to share between threads: each call has a connection to itself.

    Every method raises IndexUnavailable when the process does not answer, and what the index itself would raise.
    """

    def __init__(self, folder: Path, *, patience: float = PATIENCE) -> None:
        """Ask the process that serves a folder; it is looked for at each new connection, so it may be another later."""
        self._folder = folder
        self.patience = patience
        self._idle: dict[str, deque[Connection]] = {EVERYTHING: deque(), SEARCHING: deque()}
        self._is_closed = threading.Event()

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Add chunks, or replace those already there. Raises ValueError for a vector of the wrong shape."""
        self._call("upsert", list(points))

    def set_access(self, document: int, *, source: int, policy: int) -> None:
        """Change under which source and rule a document's chunks are found."""
        self._call("set_access", document, source=source, policy=policy)

    def set_superseded(self, document: int, value: bool, *, chunks: Collection[int] | None = None) -> None:
        """Mark a document's chunks, or only those named, as belonging to a replaced version or not."""
        self._call("set_superseded", document, value, chunks=None if chunks is None else list(chunks))

    def delete_chunks(self, chunks: Collection[int]) -> None:
        """Remove chunks; those that are not there are ignored."""
        self._call("delete_chunks", list(chunks))

    def delete_document(self, document: int) -> None:
        """Remove every chunk of a document."""
        self._call("delete_document", document)

    def search(self, vector: Vector, text: str, where: IndexFilter, limit: int) -> IndexHits:
        """Return up to `limit` chunks per retriever that pass the filter, in one round trip."""
        return self.search_many([IndexQuery(vector, text)], where, limit)[0]

    def search_many(self, queries: Sequence[IndexQuery], where: IndexFilter, limit: int) -> list[IndexHits]:
        """Return the hits of several questions of one viewer, in the order asked, in one round trip."""
        found: list[IndexHits] = self._call("search_many", list(queries), where, limit, at=SEARCHING)
        return found

    def scores(
        self, queries: Sequence[tuple[IndexQuery, Collection[int]]], where: IndexFilter
    ) -> list[Mapping[int, ChunkScores]]:
        """Return for each question exact scores of the chunks named beside it; those that do not pass are absent."""
        found: list[Mapping[int, ChunkScores]] = self._call(
            "scores", [(query, list(chunks)) for query, chunks in queries], where, at=SEARCHING
        )
        return found

    def entries(self) -> Iterator[IndexEntry]:
        """Yield what is held about every chunk, in order of chunk."""
        return every_entry(partial(self._call, "page"))

    def count(self) -> int:
        """Return the number of chunks held."""
        return int(self._call("count"))

    def optimize(self) -> None:
        """Build the search structures for what was added; searches go on meanwhile, writes wait."""
        self._call("optimize")

    def flush(self) -> None:
        """Return once everything written so far will survive a crash."""
        self._call("flush")

    def close(self) -> None:
        """Let go of the connections. The index itself goes on being served to others."""
        self._is_closed.set()
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _call(
        self, method: str, *arguments: object, at: str = EVERYTHING, **named: object
    ) -> Any:  # Any: what the method returns
        """Have the other process do something; should it die meanwhile, wait for the next and ask again.

        Whatever the index does may be done twice.
        """
        give_up, is_fresh = time.monotonic() + self.patience, False
        while True:
            if self._is_closed.is_set():
                raise IndexUnavailable(f"The search index in {self._folder} is closed.")
            try:
                connection = self._borrow(at, is_fresh=is_fresh)
                connection.send((method, arguments, named))
                is_done, value = connection.recv()
                break
            except BROKEN as error:
                # A connection from before may simply be old; one made now says that nobody is there.
                if is_fresh and time.monotonic() >= give_up:
                    raise IndexUnavailable(
                        f"The search index in {self._folder} is not being served: its process has ended. "
                        "Start Footnote again; its log says why."
                    ) from error
                if is_fresh:
                    time.sleep(0.1)
                is_fresh = True
        self._idle[at].append(connection)
        if not is_done:
            raise value
        return value

    def _borrow(self, at: str, *, is_fresh: bool) -> Connection:
        if not is_fresh:
            try:
                return self._idle[at].pop()
            except IndexError:
                pass
        try:
            served = json.loads((self._folder / SERVED).read_text())
            return Client(served[at], "AF_UNIX", authkey=bytes.fromhex(served["key"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"{SERVED} is not readable") from error
