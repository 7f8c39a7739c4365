"""The embedded index in a process of its own: `python -m ingestion.index.process FOLDER DIMENSIONS MODEL`.

The engine holds Python's interpreter lock while it works, so in the web server's process one person's search would
stop everybody's pages, and two cores would answer no more than one. Here it has an interpreter to itself, which
knows neither Django nor any text. `manage.py serve` starts it and starts it again when it dies; it ends when the
process that started it ends, however that ends, because its standard input does.
"""

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import IO

from ingestion.index import types
from ingestion.index.edge import EdgeIndex
from ingestion.index.remote import BROKEN, SERVED
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

    def __init__(self, folder: Path, *, dimensions: int, model: str) -> None:
        """Start the process; `wait` says when it answers."""
        self._command = [sys.executable, "-m", __name__, str(folder), str(dimensions), model]
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
    key = secrets.token_bytes(32)
    listener = Listener(family="AF_UNIX", backlog=64, authkey=key)
    address = str(listener.address)
    _announce(folder / SERVED, address, key)

    def end(*_: object) -> None:
        (folder / SERVED).unlink(missing_ok=True)
        index.close()
        listener.close()
        with suppress(OSError):
            Path(address).parent.rmdir()  # made for the socket alone
        os._exit(0)  # threads that wait for questions would keep it alive

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_accept, args=(listener, index), name="accept", daemon=True).start()
    _say(out, {"ready": True})
    with suppress(OSError):
        while sys.stdin.buffer.read(1024):
            pass
    end()
    return 0


def _say(out: IO[str], value: dict[str, object]) -> None:
    print(json.dumps(value), file=out, flush=True)


def _announce(path: Path, address: str, key: bytes) -> None:
    """Write where and with which key the index can be asked, for this user only, in one step."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"address": address, "key": key.hex()}, file)
    beside.rename(path)


def _accept(listener: Listener, index: EdgeIndex) -> None:
    while True:
        try:
            connection = listener.accept()
        except (AuthenticationError, EOFError, ConnectionError):
            continue  # whoever that was did not know the key, or went away while saying it
        except OSError:
            return  # the listener is closed: the process ends
        threading.Thread(target=_answer, args=(connection, index), daemon=True).start()


def _answer(connection: Connection, index: EdgeIndex) -> None:
    """Do what is asked over one connection, in order, until the other side closes it."""
    while True:
        try:
            method, arguments, named = connection.recv()
        except BROKEN:
            connection.close()
            return
        try:
            if method not in METHODS:
                raise IndexUnavailable(f"The index process knows no {method}.")
            answer = (True, getattr(index, method)(*arguments, **named))
        except (IndexFailure, ValueError) as error:
            answer = (False, error)
        except Exception as error:
            log.exception("The index process failed at %s.", method)
            answer = (False, IndexUnavailable(f"The search index failed at {method}: {error}"))
        try:
            connection.send(answer)
        except BROKEN:
            connection.close()
            return


if __name__ == "__main__":
    logging.basicConfig(format="{asctime} {levelname:<7} {name}  {message}", style="{")
    raise SystemExit(main(sys.argv[1:]))
