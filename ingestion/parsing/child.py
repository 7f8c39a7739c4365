"""The parent's side of the parser: a few child processes, each asked one thing at a time."""

import atexit
import os
import selectors
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ingestion.parsing.frames import pack, unpack
from ingestion.types import Unreadable

MEMORY_BYTES = 2 * 1024**3
START_SECONDS = 30
DYING_SECONDS = 5  # a child that crashed has closed its pipe a moment before it is gone
_ROOT = Path(__file__).resolve().parents[2]


class _Gone(Exception):
    """The child ended without an answer."""


class _Child:
    def __init__(self) -> None:
        # Nothing of the server's environment: the child needs none of it, and secrets live there.
        environment = {
            "PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            "RAYON_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
        }  # fmt: skip
        self.process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            [sys.executable, "-m", "ingestion.parsing.worker", str(MEMORY_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env=environment,
            bufsize=0,
        )
        self.answer(time.monotonic() + START_SECONDS)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[Any, bytes]:  # Any: JSON
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(pack({**request, "seconds": seconds}))
        except OSError as error:
            raise _Gone from error
        return self.answer(time.monotonic() + seconds)

    def answer(self, deadline: float) -> tuple[Any, bytes]:  # Any: JSON
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)

            def read(size: int) -> bytes:
                parts: list[bytes] = []
                while size:
                    if not selector.select(max(0.0, deadline - time.monotonic())):
                        raise TimeoutError
                    part = os.read(descriptor, min(size, 1 << 20))
                    if not part:
                        raise _Gone
                    parts.append(part)
                    size -= len(part)
                return b"".join(parts)

            return unpack(read)

    def end(self, *, patience: float = 0.0) -> int:
        """End the child, after waiting so many seconds for it to end by itself, and return its exit status."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return status


class _Pool:
    def __init__(self, size: int) -> None:
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._owner = os.getpid()

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[Any, bytes]:  # Any: JSON
        """Return a child's answer and its bytes. Raises Unreadable: whatever the child says, timeout, crashed."""
        with self._slots:
            child, is_warm = self._taken()
            try:
                answer = self._asked(child, request, seconds)
            except _Gone:
                status = child.end(patience=DYING_SECONDS)
                if not is_warm:
                    raise _crashed(status) from None
                # A warm child may have ended by itself, idle, in the moment it was asked. A new one tells whether it
                # is the file.
                child = self._started()
                try:
                    answer = self._asked(child, request, seconds)
                except _Gone:
                    raise _crashed(child.end(patience=DYING_SECONDS)) from None
            with self._lock:
                self._idle.append(child)
        value, blob = answer
        if "code" in value:
            raise Unreadable(str(value["code"]), str(value["reason"]))
        return value["value"], blob

    def _asked(
        self, child: _Child, request: dict[str, Any], seconds: float
    ) -> tuple[Any, bytes]:  # Any: JSON
        try:
            return child.ask(request, seconds)
        except _Gone:
            raise
        except TimeoutError:
            child.end()
            raise Unreadable(
                "timeout",
                f"Reading the file took longer than {seconds:.0f} seconds and was stopped (FOOTNOTE_PARSE_SECONDS).",
            ) from None
        except ValueError:
            child.end()
            raise Unreadable(
                "crashed", "The program that reads files gave an answer that makes no sense."
            ) from None
        except BaseException:
            child.end()  # a child that is still answering one question must not be asked another
            raise

    def _taken(self) -> tuple[_Child, bool]:
        with self._lock:
            if self._owner != os.getpid():
                # After a fork the children belong to the other process; their pipes must not be shared.
                self._idle, self._owner = [], os.getpid()
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    return child, True
                child.end()
        return self._started(), False

    def _started(self) -> _Child:
        try:
            return _Child()
        except (OSError, _Gone, TimeoutError, ValueError) as error:
            raise Unreadable(
                "no_parser", "The program that reads files could not be started. Try again later."
            ) from error

    def close(self) -> None:
        """End every idle child."""
        if self._owner != os.getpid():
            return
        with self._lock:
            while self._idle:
                self._idle.pop().end()


def _crashed(status: int) -> Unreadable:
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return Unreadable(
        "crashed",
        f"Reading the file brought down the program that reads files ({how}). The file is likely damaged.",
    )


READING = _Pool(2)
# Its own, so that somebody who looks at a page never waits for a sync.
DRAWING = _Pool(1)
atexit.register(READING.close)
atexit.register(DRAWING.close)
