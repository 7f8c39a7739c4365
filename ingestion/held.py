"""A file that one process at a time holds, and that says which one. The kernel gives it back when that process ends."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO


class Held(Exception):
    """Another process has the file; `owner` is its process id as it was written there, or "unknown"."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"Process {owner} has it.")
        self.owner = owner


def take(path: Path, *, patience: float = 0.0) -> IO[str]:
    """Take a file for this process; closing what is returned gives it back.

    Raises Held when another process still has it after so many seconds.
    """
    file = path.open("a+")
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if time.monotonic() >= give_up:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                file.close()
                raise Held(owner) from error
        time.sleep(0.02)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
