"""The embedded index in a process of its own: `python -m ingestion.index.process FOLDER DIMENSIONS MODEL READERS`.

The engine holds Python's interpreter lock while it works, so in the web server's process one person's search would
stop everybody's pages, and two cores would answer no more than one. Here it has an interpreter to itself, which
knows neither Django nor any text. `manage.py serve` starts it and starts it again when it dies; it ends when the
process that started it ends, however that ends, because its standard input does. Copies of it search beside it
(`ingestion.index.readers`).
"""

import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import IO, Any

from ingestion.index import types
from ingestion.index.edge import EdgeIndex
from ingestion.index.readers import SEARCHES, Readers
from ingestion.index.remote import BROKEN, EVERYTHING, SEARCHING, SERVED
from ingestion.index.types import IndexBusy, IndexFailure, IndexUnavailable

log = logging.getLogger(__name__)

METHODS = frozenset(
    {
        "upsert", "set_access", "set_superseded", "delete_chunks", "delete_document", "search_many", "scores",
        "page", "count", "optimize", "flush",
    }
)  # fmt: skip
"""What may be asked for from outside. Closing is for the process itself."""

START_SECONDS = 60.0
"""Opening a million chunks takes two seconds; a log that was not yet applied takes longer."""
BUSY_SECONDS = 10.0
"""How long the process of a server that was killed may take to let go of the folder."""
AGAIN_SECONDS = 1.0
"""Pause before an index process that died is started again."""


# --- The side that starts it --------------------------------------------------------------------------------------


class IndexProcess:
    """The index process of a server: started, watched, started again when it dies, and stopped."""

    def __init__(self, folder: Path, *, dimensions: int, model: str, readers: int = 0) -> None:
        """Start the process, with so many copies that search beside it; `wait` says when it answers."""
        self._command = [
            sys.executable, "-m", __name__, str(folder), str(dimensions), model, str(readers)
        ]  # fmt: skip
        self._is_stopping = threading.Event()
        self._process = self._started()

    def wait(self) -> None:
        """Return once the index answers, and see to it from now on that it keeps doing so.

        Raises what opening the folder raised: IndexCorrupt, or IndexBusy when another process keeps it open.
        """
        limit = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                _ready(self._process)
                break
            except IndexBusy:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.2)
                self._process = self._started()
        threading.Thread(target=self._watch, name="index-process", daemon=True).start()

    def stop(self) -> None:
        """Let the process write everything down and end."""
        self._is_stopping.set()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            log.warning("The index process did not end by itself and is stopped.")
            self._process.kill()
            self._process.wait()

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  # our own module, no shell
            self._command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def _watch(self) -> None:
        while True:
            code = self._process.wait()
            if self._is_stopping.is_set():
                return
            log.error("The index process ended with exit code %d; it is started again.", code)
            if self._is_stopping.wait(AGAIN_SECONDS):
                return
            self._process = self._started()
            try:
                _ready(self._process)
            except IndexFailure as error:
                log.error("The search index cannot be opened: %s", error)


def _ready(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the first line that the process says: that it is ready, or why it cannot be."""
    said: list[bytes] = []
    assert process.stdout is not None
    reading = threading.Thread(target=lambda out=process.stdout: said.append(out.readline()), daemon=True)
    reading.start()
    reading.join(START_SECONDS)
    try:
        answer = json.loads(said[0])
    except (IndexError, ValueError) as error:
        process.kill()
        raise IndexUnavailable(
            "The index process did not start. The server's log holds the cause, if it said one."
        ) from error
    if "error" in answer:
        process.wait()
        kind = getattr(types, answer["error"], IndexUnavailable)
        raise kind(answer["sentence"])


# --- The process itself -------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Serve the index in a folder until standard input ends; return the exit code."""
    folder, dimensions, model = Path(arguments[0]), int(arguments[1]), arguments[2]
    out, sys.stdout = (
        sys.stdout,
        sys.stderr,
    )  # one line belongs to whoever started this, the rest is for the log
    # Ctrl-C reaches every process of a terminal; this one ends when the server is through with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        index = EdgeIndex(folder, dimensions=dimensions, model=model)
    except IndexFailure as error:
        _say(out, {"error": type(error).__name__, "sentence": str(error)})
        return 1
    server = _Server(index, int(arguments[3]))
    server.start(folder / SERVED)

    def end(*_: object) -> None:
        (folder / SERVED).unlink(missing_ok=True)
        server.end()
        index.close()
        os._exit(0)  # threads that wait for questions would keep it alive

    signal.signal(signal.SIGTERM, end)
    _say(out, {"ready": True})
    with suppress(OSError):
        while sys.stdin.buffer.read(1024):
            pass
    end()
    return 0


def _say(out: IO[str], value: dict[str, object]) -> None:
    print(json.dumps(value), file=out, flush=True)


Do = Callable[[str, tuple[object, ...], dict[str, object]], Any]  # Any: what the index's method returns
"""Does what was asked for: a method's name, and what it is called with."""


class _Server:
    """Who listens. At one address everything can be asked, at the other searches alone: there copies listen as well."""

    def __init__(self, index: EdgeIndex, readers: int) -> None:
        self._index = index
        self._key = secrets.token_bytes(32)
        self._everything, self._searching = (
            Listener(family="AF_UNIX", backlog=64, authkey=self._key) for _ in range(2)
        )
        self._searchers: set[Connection] = set()
        self._readers = Readers(
            readers,
            prove=index.prove,
            serve=lambda: self._accept(self._searching, self._do),
            made=self._share,
        )

    def start(self, path: Path) -> None:
        """Listen from now on, and write down where."""
        for listener in (self._everything, self._searching):
            threading.Thread(
                target=self._accept, args=(listener, self._do_here), name="accept", daemon=True
            ).start()
        _announce(path, str(self._everything.address), str(self._searching.address), self._key)
        self._readers.start()

    def end(self) -> None:
        """Listen no more, and leave nothing behind."""
        self._readers.end()
        for listener in (self._everything, self._searching):
            address = str(listener.address)
            listener.close()
            with suppress(OSError):
                Path(address).parent.rmdir()  # made for the socket alone

    def _share(self) -> None:
        """Let those that search here come again, now that there are others to search for them."""
        for connection in list(self._searchers):
            # What is being answered still is; whoever asks next finds this end closed.
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
                end.shutdown(socket.SHUT_RD)

    def _accept(self, listener: Listener, do: Do) -> None:
        methods = METHODS if listener is self._everything else SEARCHES
        while True:
            try:
                connection = listener.accept()
            except (AuthenticationError, EOFError, ConnectionError):
                continue  # whoever that was did not know the key, or went away while saying it
            except OSError:
                return  # the listener is closed: the process ends
            if listener is self._searching:
                self._searchers.add(connection)
            threading.Thread(target=self._answer, args=(connection, methods, do), daemon=True).start()

    def _answer(self, connection: Connection, methods: frozenset[str], do: Do) -> None:
        """Do what is asked over one connection, in order, until the other side closes it."""
        with suppress(*BROKEN), connection:
            while True:
                method, arguments, named = connection.recv()
                try:
                    if method not in methods:
                        raise IndexUnavailable(f"The index process knows no {method}.")
                    answer = (True, do(method, arguments, named))
                except (IndexFailure, ValueError) as error:
                    answer = (False, error)
                except Exception as error:
                    log.exception("The index process failed at %s.", method)
                    answer = (False, IndexUnavailable(f"The search index failed at {method}: {error}"))
                connection.send(answer)
        self._searchers.discard(connection)

    def _do_here(self, method: str, arguments: tuple[object, ...], named: dict[str, object]) -> Any:
        with self._readers.going(method):
            return self._do(method, arguments, named)

    def _do(self, method: str, arguments: tuple[object, ...], named: dict[str, object]) -> Any:
        return getattr(self._index, method)(*arguments, **named)


def _announce(path: Path, everything: str, searching: str, key: bytes) -> None:
    """Write where and with which key the index can be asked, for this user only, in one step."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({EVERYTHING: everything, SEARCHING: searching, "key": key.hex()}, file)
    beside.rename(path)


if __name__ == "__main__":
    logging.basicConfig(format="{asctime} {levelname:<7} {name}  {message}", style="{")
    raise SystemExit(main(sys.argv[1:]))
