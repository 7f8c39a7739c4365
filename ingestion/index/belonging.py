"""Which document each chunk is of, beside the engine: to say it of a hundred chunks takes the engine longer than to find them.

A chunk is of one document for as long as there is an index, so what was learned once stays true. What is not known is
asked of the engine; a file that was lost, or is older than the index, costs time and nothing else.
"""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ingestion import durable

FILE = "documents.1"
_SHIFT = 13
_PAGE = 1 << _SHIFT
"""Chunks to a page. Ids begin anywhere and may lie far apart, so only pages that hold one are kept."""
_ROW = (_PAGE + 1) * 8
_NOTHING = array("q", bytes(8 * _PAGE))

Ask = Callable[[Sequence[int]], Mapping[int, int]]
"""Says of chunks which document each is of; those that are gone are absent."""


class Belonging:
    """The document of each chunk, by numbers. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Take what was kept in an index's folder; nothing where there is nothing that can be read."""
        self._path = folder / FILE
        self._pages: dict[int, array[int]] = {}
        self._lock = threading.Lock()
        self._is_kept = True
        with suppress(OSError, ValueError):
            self._pages = _read(self._path)

    def note(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Remember of chunks, each with its document, which they are of."""
        with self._lock:
            for chunk, document in pairs:
                page = self._pages.get(chunk >> _SHIFT)
                if page is None:
                    page = self._pages[chunk >> _SHIFT] = array("q", bytes(8 * _PAGE))
                known = page[chunk & (_PAGE - 1)]
                if known == document:
                    continue
                if known:
                    # The rows were put back to an earlier day, and ids are given out once more: the file is of another time.
                    self._path.unlink(missing_ok=True)
                page[chunk & (_PAGE - 1)] = document
                self._is_kept = False

    def of(self, chunks: Sequence[int], ask: Ask) -> list[int]:
        """Return the document of each chunk, 0 for a chunk that is gone. `ask` is asked of those not known yet."""
        pages = self._pages
        found = [pages.get(chunk >> _SHIFT, _NOTHING)[chunk & (_PAGE - 1)] for chunk in chunks]
        if 0 not in found:
            return found
        learned = ask([chunk for chunk, document in zip(chunks, found, strict=True) if not document])
        self.note(learned.items())
        return [document or learned.get(chunk, 0) for chunk, document in zip(chunks, found, strict=True)]

    def keep(self) -> None:
        """Write everything down for the next process that opens the folder, if something is new."""
        with self._lock:
            if not self._is_kept:
                durable.write_bytes(self._path, b"".join(map(_row, self._pages.items())))
                self._is_kept = True


def _row(page: tuple[int, array[int]]) -> bytes:
    number, documents = page
    return number.to_bytes(8, sys.byteorder) + documents.tobytes()


def _read(path: Path) -> dict[int, array[int]]:
    content = path.read_bytes()
    if len(content) % _ROW:
        raise ValueError(f"{path} is cut off.")
    rows = (content[start : start + _ROW] for start in range(0, len(content), _ROW))
    return {int.from_bytes(row[:8], sys.byteorder): array("q", row[8:]) for row in rows}
