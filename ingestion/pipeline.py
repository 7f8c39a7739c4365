"""One sync run, from the listing of its source to the last document in the index.

    list the source → per file: copy, parse, cut into chunks → commit → embed and index in slices → show → retire the old

A file is read in a thread of its own, and what was read before is embedded in another, so neither waits for the other
where there are cores. All writing happens here. Everything that matters is a committed row: a run that is cut off anywhere goes on where it was.
"""

import logging
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.audit import By, record
from ingestion import listing, outbox, storage
from ingestion.claim import Claim, ClaimLost
from ingestion.index.types import IndexFailure
from ingestion.indexing import Indexing
from ingestion.models import DocumentVersion, SyncItem, SyncRun
from ingestion.progress import progress_of
from ingestion.reading import Read, read
from ingestion.settling import Settled, job_of, settle, settle_unreadable
from ingestion.storage import NotStored
from ingestion.types import SourceError, Unreadable
from ingestion.weights import EmbeddingUnavailable

log = logging.getLogger(__name__)

Outcome = SyncItem.Outcome

stopping = threading.Event()
"""Set when this process is about to end: runs stop after the document they are at and are taken up again later."""

AHEAD = 4
"""Files read ahead of the writer. Bounds the memory that read texts take."""

TICK_SECONDS = 0.5


def sync(run_id: int) -> Generator[SyncItem | None, None, None]:
    """Carry out a run, or what is left of it, yielding each item as it finishes and None as a sign of life.

    Yields nothing when the run is not to be carried out now. Never raises for what a source or a file is like: that
    becomes the outcome of the item or the run. Closing the generator gives the run back, to be taken up again.
    """
    claim = Claim.take(run_id)
    if claim is None:
        return
    run = SyncRun.objects.select_related("source").get(pk=run_id)
    try:
        with Indexing() as indexing:
            yield from _Syncing(run, claim, indexing).carry_out()
    except ClaimLost:
        return
    except GeneratorExit:
        claim.release()
        raise
    except (SourceError, IndexFailure, EmbeddingUnavailable, NotStored) as error:
        log.warning("Run %s of %s failed: %s", run.pk, run.source.name, error)
        _fail(run, claim, str(error))
    except Exception as error:
        log.exception("Run %s of %s failed unexpectedly.", run.pk, run.source.name)
        if storage.is_full(error):
            _fail(run, claim, storage.full_sentence())
        else:
            _fail(
                run,
                claim,
                f"Something unexpected went wrong ({type(error).__name__}). The server's log has more.",
            )


def carry_out(run_id: int) -> SyncRun:
    """Carry out a run to its end in the calling thread and return it."""
    for _ in sync(run_id):
        pass
    return SyncRun.objects.get(pk=run_id)


class _Syncing:
    """A run being carried out by the one who claimed it."""

    def __init__(self, run: SyncRun, claim: Claim, indexing: Indexing) -> None:
        self.run = run
        self.source = run.source
        self.claim = claim
        self._last_item = 0
        self._indexing = indexing

    def carry_out(self) -> Iterator[SyncItem | None]:
        """List, remove, read and index; then close the run unless something was added to it meanwhile."""
        if not self.run.is_listed:
            for _ in listing.list_source(self.run, self.source):
                yield self._beat()
        for _ in listing.remove_gone(self.run):
            yield self._beat()
        yield from self._update_index()
        while True:
            # Read before the cut-off, or by a run that waited for the index: not read again.
            yield from self._indexed(self._indexing.add(self._read_already()))
            yield from self._read_waiting()
            yield from self._indexed(self._indexing.finish())
            yield from self._update_index()
            if self._finish():
                return
            self._last_item = 0

    def _read_waiting(self) -> Iterator[SyncItem | None]:
        """Read the waiting items, a few ahead in another thread, and write down what became of each."""
        reader = ThreadPoolExecutor(1, thread_name_prefix="read")
        ahead: deque[tuple[SyncItem, Future[Read]]] = deque()
        items = self._waiting()
        try:
            while True:
                while len(ahead) < AHEAD and (item := next(items, None)) is not None:
                    ahead.append((item, reader.submit(read, job_of(item, self.source))))
                if not ahead:
                    return
                item, future = ahead.popleft()
                yield from self._meanwhile(future)
                settled = self._settle(item, future)
                if settled.version is not None:
                    yield from self._indexed(self._indexing.add([settled.version]))
                yield from self._indexed(self._indexing.written())
                yield self._beat(settled.item if settled.version is None else None)
        finally:
            reader.shutdown(wait=False, cancel_futures=True)

    def _waiting(self) -> Iterator[SyncItem]:
        """Yield the items that wait to be read, in order, those added meanwhile included."""
        while True:
            page = list(
                self.run.items.filter(outcome=Outcome.WAITING, version__isnull=True, pk__gt=self._last_item)
                .order_by("pk")
                .select_related("policy")[:100]
            )
            if not page:
                return
            for item in page:
                self._last_item = item.pk
                yield item

    def _meanwhile(self, future: "Future[Read]") -> Iterator[SyncItem | None]:
        """Wait for a file to be read, and use the time to index what has been."""
        while not future.done():
            if self._indexing.is_idle:
                self._indexing.embed_part()
            wait({future, *self._indexing.embedded_next()}, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            yield from self._indexed(self._indexing.written())
            yield self._beat()

    def _settle(self, item: SyncItem, future: "Future[Read]") -> Settled:
        """Write down what became of one item. Whatever goes wrong with it stays with it."""
        try:
            return settle(item, self.source, future.result())
        except (Unreadable, NotStored) as error:
            return settle_unreadable(item, self.source, error.code, error.reason)
        except (DatabaseError, OSError) as error:
            log.exception("%s of %s could not be stored.", item.external_id, self.source.name)
            if storage.is_full(error):
                return settle_unreadable(item, self.source, "disk_full", storage.full_sentence())
            reason = f"It could not be stored ({type(error).__name__}). The server's log has more."
            return settle_unreadable(item, self.source, "not_stored", reason)
        except Exception as error:
            log.exception("%s of %s could not be read.", item.external_id, self.source.name)
            reason = f"Something unexpected went wrong ({type(error).__name__}). The server's log has more."
            return settle_unreadable(item, self.source, "unexpected", reason)

    def _read_already(self) -> list[int]:
        items = self.run.items.filter(outcome=Outcome.WAITING, version__isnull=False).order_by("pk")
        return [pk for pk in items.values_list("version_id", flat=True) if pk is not None]

    def _indexed(self, slices: Iterator[list[int]]) -> Iterator[SyncItem | None]:
        """Yield the items that are finished with each slice of versions, and let go what they replace."""
        for finished in slices:
            yield self._beat()
            yield from self.run.items.filter(version__in=finished).exclude(outcome=Outcome.WAITING)
            yield from self._retire()

    def _retire(self) -> Iterator[SyncItem | None]:
        retiring = DocumentVersion.objects.filter(
            document__source=self.source, state=DocumentVersion.State.RETIRING
        )
        for _ in outbox.retire_versions(retiring):
            yield self._beat()

    def _update_index(self) -> Iterator[SyncItem | None]:
        yield from self._retire()
        for _ in outbox.update_documents(self.source.documents.filter(needs_index_update=True)):
            yield self._beat()

    def _beat(self, item: SyncItem | None = None) -> SyncItem | None:
        self.claim.beat()
        return item

    def _finish(self) -> bool:
        """Close the run; return False when items were added to it meanwhile."""
        with transaction.atomic():
            # An upload locks the source before it looks for an open run: it is either in this run's items by now, or
            # finds the run closed and opens another.
            type(self.source).objects.select_for_update().get(pk=self.source.pk)
            self.claim.check()
            if self.run.items.filter(outcome=Outcome.WAITING).exists():
                return False
            _close(self.run, SyncRun.State.FINISHED, "")
        return True


def _fail(run: SyncRun, claim: Claim, reason: str) -> None:
    try:
        with transaction.atomic():
            type(run.source).objects.select_for_update().get(pk=run.source_id)
            claim.check()
            run.items.filter(outcome=Outcome.WAITING, version__isnull=True).update(
                outcome=Outcome.SKIPPED,
                code="not_reached",
                reason=f"The sync stopped before this document: {reason}"[:500],
                finished_at=timezone.now(),
            )
            _close(run, SyncRun.State.FAILED, reason)
    except ClaimLost:
        log.info("Run %s was closed by somebody else meanwhile.", run.pk)


def _close(run: SyncRun, state: SyncRun.State, error: str) -> None:
    run.state, run.error, run.finished_at = state, error[:500], timezone.now()
    run.save(update_fields=["state", "error", "finished_at"])
    progress = progress_of(run)
    details = {
        "run": str(run.public_id), "state": str(state.value), "error": run.error, "note": run.note,
        "found": progress.found, "done": progress.done, "unchanged": progress.unchanged,
        "skipped": progress.skipped, "failed": progress.failed, "removed": progress.removed, "dark": progress.dark,
    }  # fmt: skip
    record(
        "sync.finished", by=By.system("sync"), subject=f"source:{run.source.public_id}",
        subject_label=run.source.name, details=details,
    )  # fmt: skip
