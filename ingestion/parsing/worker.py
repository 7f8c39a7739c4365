"""The child process that opens files nobody has vetted: `python -m ingestion.parsing.worker`.

It reads requests from standard input and writes answers to standard output, has no Django, no database, no secrets in
its environment, no network where the system allows taking it away, may write no file, and has a limit on memory.
It ends when its parent closes the pipe, when nothing is asked for a while, and after a number of files.
"""

import ctypes
import os
import resource
import select
import signal
import sys
from dataclasses import asdict
from datetime import date
from io import FileIO
from pathlib import Path
from typing import Any

from ingestion.parsing.frames import pack, unpack
from ingestion.types import Unreadable

IDLE_SECONDS = 60
MAX_REQUESTS = 200
MAX_RESIDENT_KB = 700 * 1024
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> int:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not end up between the answers
    requests = os.fdopen(os.dup(0), "rb", buffering=0)  # unbuffered, so that select() sees what is there
    _confine(int(sys.argv[1]))
    sys.setrecursionlimit(3000)
    _send(answers, pack({"ready": True}))
    for _ in range(MAX_REQUESTS):
        if not select.select([requests], [], [], IDLE_SECONDS)[0]:
            return 0
        try:
            request, _ = unpack(lambda size: _exactly(requests, size))
        except EOFError:
            return 0
        # The default action of this signal ends the process even inside a library that never returns: should the
        # parent be gone, nobody else would.
        signal.setitimer(signal.ITIMER_REAL, float(request["seconds"]) + 5)
        _send(answers, _answer(request))
        signal.setitimer(signal.ITIMER_REAL, 0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MAX_RESIDENT_KB:
            return 0
    return 0


def _answer(request: dict[str, Any]) -> bytes:  # Any: JSON
    try:
        if request["do"] == "read":
            from ingestion.parsing.reader import Limits, read

            parsed = read(Path(request["path"]), request["name"], Limits(*request["limits"]))
            value = asdict(parsed)
            value["dated"] = parsed.dated.isoformat() if isinstance(parsed.dated, date) else None
            value["sections"] = [[s.start, s.end, s.page, list(s.headings)] for s in parsed.sections]
            return pack({"value": value})
        from ingestion.parsing import drawing

        path, page, lit = Path(request["path"]), int(request["page"]), [(a, b) for a, b in request["lit"]]
        if request["do"] == "draw":
            return pack({"value": None}, drawing.draw(path, page, lit, float(request["scale"])))
        return pack({"value": drawing.find(path, page, lit)})
    except Unreadable as error:
        return pack({"code": error.code, "reason": error.reason})
    except MemoryError:
        return pack(
            {"code": "too_large", "reason": "Reading the file takes more memory than one file may use."}
        )
    except BaseException as error:  # noqa: BLE001  # a panic of kreuzberg's Rust is no Exception; the child goes on
        return pack(
            {"code": "corrupt", "reason": f"The file is damaged: reading it failed ({type(error).__name__})."}
        )


def _confine(memory: int) -> None:
    """Give up what reading a file does not need."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # Ctrl-C in the server's terminal reaches the child too; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform == "linux":
        # An own, empty network where the system lets an ordinary user have one; elsewhere this fails and changes
        # nothing, and what is left is that none of the readers opens a connection.
        ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _exactly(stream: FileIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = stream.read(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(stream: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


if __name__ == "__main__":
    sys.exit(main())
