"""Holding the index against the database, putting it right, and building it anew. The database is the truth."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.conf import settings

from ingestion import outbox
from ingestion.index import built_folder, close_index, finish_swap, get_index, open_folder
from ingestion.index.types import IndexEntry, VectorIndex
from ingestion.indexing import points_of
from ingestion.models import Chunk, DocumentVersion

BATCH = 256

Report = Callable[[int, int], object]
"""Called with how many chunks are done, and how many there are."""


@dataclass(frozen=True)
class Comparison:
    """How the index differs from the database, by chunk. Work the outbox still has to deliver is no difference."""

    expected: int
    held: int
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    wrong: tuple[int, ...]
    waiting: int

    @property
    def is_same(self) -> bool:
        """Return whether the index holds exactly what it ought to."""
        return not (self.missing or self.extra or self.wrong)


def compare() -> Comparison:
    """Hold every entry of the index against every chunk that ought to be in it, side by side in order of chunk.

    Reads integers only, and holds no more of either side than the differences.
    """
    expected, held = _expected_entries(), get_index().entries()
    missing: list[int] = []
    extra: list[int] = []
    wrong: list[int] = []
    counts = [0, 0]
    ours, theirs = next(expected, None), next(held, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours.chunk < theirs.chunk):
            assert ours is not None
            missing.append(ours.chunk)
            counts[0] += 1
            ours = next(expected, None)
        elif ours is None or theirs.chunk < ours.chunk:
            extra.append(theirs.chunk)
            counts[1] += 1
            theirs = next(held, None)
        else:
            if ours != theirs:
                wrong.append(ours.chunk)
            counts[0], counts[1] = counts[0] + 1, counts[1] + 1
            ours, theirs = next(expected, None), next(held, None)
    on_its_way = _on_its_way(extra, wrong)
    return Comparison(
        expected=counts[0],
        held=counts[1],
        missing=tuple(missing),
        extra=tuple(chunk for chunk in extra if chunk not in on_its_way),
        wrong=tuple(chunk for chunk in wrong if chunk not in on_its_way),
        waiting=len(on_its_way),
    )


def repair(comparison: Comparison) -> None:
    """Put right what differs: add what is missing, replace what is wrong, delete what is too much."""
    index = get_index()
    _put(index, [*comparison.missing, *comparison.wrong], None)
    for start in range(0, len(comparison.extra), BATCH):
        index.delete_chunks(comparison.extra[start : start + BATCH])
    index.flush()


def rebuild(report: Report | None = None) -> int:
    """Build the index anew from the database and return how many chunks it holds.

    The embedded index is built beside the old one and takes its place in one step, so whatever happens before that
    leaves the old one as it was. The index of a server is brought up to date in place: it is being searched meanwhile.
    Stored vectors of the configured model are used, all others are made anew.
    """
    chunks = list(outbox.expected_chunks().order_by("pk").values_list("pk", flat=True))
    if settings.QDRANT_URL:
        _put(get_index(), chunks, report)
        repair(compare())
    else:
        _rebuild_folder(Path(settings.INDEX_DIR), chunks, report)
    outbox.deliver()
    return len(chunks)


def _rebuild_folder(folder: Path, chunks: Sequence[int], report: Report | None) -> None:
    from ingestion.index.folder import hold

    close_index()
    # Held to the end: what somebody indexed into the old folder meanwhile would be lost with it.
    with hold(folder):
        shutil.rmtree(built_folder(folder), ignore_errors=True)
        unfinished = folder.with_name(folder.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        index = open_folder(unfinished)
        try:
            _put(index, chunks, report)
            index.optimize()
            index.flush()
        finally:
            index.close()
        unfinished.rename(built_folder(folder))
        finish_swap(folder)


def _put(index: VectorIndex, chunks: Sequence[int], report: Report | None) -> None:
    waiting, done = iter(chunks), 0
    while batch := list(islice(waiting, BATCH)):
        index.upsert(points_of(batch))
        done += len(batch)
        if report is not None:
            report(done, len(chunks))
    index.flush()


def _expected_entries() -> Iterator[IndexEntry]:
    rows = outbox.expected_chunks().order_by("pk").values_list(
        "pk", "version__document_id", "version__document__source_id", "version__document__policy_id",
        "version__document__is_superseded",
    )  # fmt: skip
    for chunk, document, source, policy, is_superseded in rows.iterator(chunk_size=5_000):
        yield IndexEntry(chunk, document, source, policy, int(is_superseded))


def _on_its_way(extra: Sequence[int], wrong: Sequence[int]) -> set[int]:
    """Return those of the chunks that the outbox is about to put right by itself."""
    unsettled = [DocumentVersion.State.PENDING, DocumentVersion.State.RETIRING]
    found: set[int] = set()
    for start in range(0, len(extra), BATCH):
        batch = Chunk.objects.filter(pk__in=extra[start : start + BATCH], version__state__in=unsettled)
        found.update(batch.values_list("pk", flat=True))
    for start in range(0, len(wrong), BATCH):
        batch = Chunk.objects.filter(
            pk__in=wrong[start : start + BATCH], version__document__needs_index_update=True
        )
        found.update(batch.values_list("pk", flat=True))
    return found
