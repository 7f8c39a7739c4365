"""Copies of the index process that search beside it, a core each, from one write to the next.

The engine holds Python's interpreter lock while it searches, so one process searches for one person at a time however
many cores there are. A copy is forked: it shares the memory of what was loaded and is there in milliseconds. It cannot
see what is written later, so before anything is written every copy is ended, and new ones are made when writing has
paused. Whoever was being answered asks again (`ingestion.index.remote`), and the index process answers by itself.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.5
"""Pause since the last write after which copies are made: long between the batches of a sync, short after it."""
FORK_SECONDS = 1.0
"""How long what is asked may wait for the moment in which nothing is going on, so that no copy inherits a lock."""
PROOF_SECONDS = 5.0
"""How long a copy may take to show that its engine answers; it takes milliseconds."""
AGAIN_SECONDS = 30.0
"""Pause after a copy could not be made, for want of memory for instance."""
LOOK_SECONDS = 2.0
"""How often is looked whether every copy is alive."""

SEARCHES = frozenset({"search_many", "scores"})
"""What a copy can be asked."""
READS = SEARCHES | {"page", "count"}
"""What leaves the index as it is; after everything else copies are no longer true."""


class Readers:
    """The copies of this process, made and ended. `going` has to be around everything the index is asked for."""

    def __init__(
        self,
        most: int,
        *,
        prove: Callable[[], object],
        serve: Callable[[], object],
        made: Callable[[], object],
    ) -> None:
        """Keep up to `most` copies. In a copy, `prove` raises where its engine does not answer, then `serve` works for
        good; here, `made` is called once there are new ones."""
        self._most = most if hasattr(os, "fork") else 0
        self._prove, self._serve, self._made = prove, serve, made
        self._copies: set[int] = set()
        self._changed = threading.Condition()
        self._is_forking = self._is_ended = False
        self._active = self._writing = 0
        self._quiet_from = 0.0
        # It is never written to: in a copy, its end says that this process is gone.
        self._life, self._ours = os.pipe()

    def start(self) -> None:
        """Begin to keep copies, in a thread of its own."""
        if self._most:
            threading.Thread(target=self._keep, name="readers", daemon=True).start()

    def end(self) -> None:
        """End every copy and make no other."""
        with self._changed:
            self._is_ended = True
            self._kill()

    @contextmanager
    def going(self, method: str) -> Iterator[None]:
        """Be around one thing that the index does: no copy is made meanwhile, and where it writes there is none."""
        writes = method not in READS
        with self._changed:
            while self._is_forking:
                self._changed.wait()
            self._active += 1
            if writes:
                self._writing += 1
                self._kill()
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                if writes:
                    self._writing -= 1
                    self._quiet_from = time.monotonic() + QUIET_SECONDS
                if writes or self._is_forking:
                    self._changed.notify_all()

    def _kill(self) -> None:
        """End every copy, and return once none is left; the lock is held."""
        copies, self._copies = self._copies, set()
        for copy in copies:
            with suppress(ProcessLookupError):
                os.kill(copy, signal.SIGKILL)
        for copy in copies:
            with suppress(ChildProcessError):
                os.waitpid(copy, 0)

    def _keep(self) -> None:
        """Make copies whenever there are too few and nothing was written for a moment."""
        while self._most:
            with self._changed:
                if self._is_ended:
                    return
                self._bury()
                pause = self._quiet_from - time.monotonic()
                if self._writing or len(self._copies) >= self._most:
                    self._changed.wait(LOOK_SECONDS)
                    continue
                proofs = self._fork() if pause <= 0 else []
            if proofs:
                self._see(proofs)
            else:
                time.sleep(max(pause, 0.05))

    def _bury(self) -> None:
        """Forget the copies that died by themselves; the lock is held."""
        for copy in list(self._copies):
            with suppress(ChildProcessError):
                if os.waitpid(copy, os.WNOHANG)[0]:
                    log.warning("A copy of the index process has ended; another is made.")
                    self._copies.discard(copy)

    def _fork(self) -> list[int]:
        """Make what is missing, if there comes a moment in which nothing goes on; the lock is held.

        Returns for each copy made the end of a pipe at which a byte says that it answers.
        """
        self._is_forking = True
        proofs: list[int] = []
        try:
            self._changed.wait_for(lambda: not self._active or self._writing, FORK_SECONDS)
            if not (self._active or self._is_ended):
                while len(self._copies) < self._most:
                    proofs.append(self._copy())
        except OSError:
            log.exception(
                "The index process could not be copied; this is tried again in %g s.", AGAIN_SECONDS
            )
            self._quiet_from = time.monotonic() + AGAIN_SECONDS
        finally:
            self._is_forking = False
            self._changed.notify_all()
        return proofs

    def _see(self, proofs: list[int]) -> None:
        """Wait until new copies have shown that they answer. Where they do not, none is made any more."""
        are_proven = [_is_proven(proof) for proof in proofs]
        if all(are_proven):
            self._made()
            return
        with self._changed:
            # Those that were ended because something was written did not get to it.
            if self._copies:
                log.error("Copies of the index process do not answer, so it searches by itself from now on.")
                self._kill()
                self._most = 0

    def _copy(self) -> int:
        proof, said = os.pipe()
        try:
            with warnings.catch_warnings():
                # From 3.12 on Python warns of locks that other threads may hold; this moment was waited for so that none is.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except OSError:
            os.close(proof)
            os.close(said)
            raise
        if not pid:
            self._be_a_copy(said)
        os.close(said)
        self._copies.add(pid)
        return proof

    def _be_a_copy(self, said: int) -> NoReturn:
        """Work as a copy until it is ended, or the process that it is a copy of has gone."""
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._ours)
            threading.Thread(target=self._end_with_parent, name="life", daemon=True).start()
            self._prove()
            os.write(said, b".")
            os.close(said)
            self._serve()
        except BaseException:
            log.exception("A copy of the index process has failed.")
        finally:
            os._exit(1)

    def _end_with_parent(self) -> None:
        os.read(self._life, 1)
        os._exit(0)


def _is_proven(proof: int) -> bool:
    poll = select.poll()
    poll.register(proof, select.POLLIN)
    try:
        return bool(poll.poll(PROOF_SECONDS * 1000)) and bool(os.read(proof, 1))
    finally:
        os.close(proof)
