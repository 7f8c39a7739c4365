"""The folder of an embedded index: one process at a time, and a way to start over."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO

from ingestion.held import Held, take
from ingestion.index.shard import remains
from ingestion.index.types import IndexBusy

PATIENCE = 1.0
"""Seconds in which a folder that was let go of may still look held: a process that is just being started shares its
parent's open files for a moment."""


def hold(folder: Path) -> IO[str]:
    """Take the folder for this process; closing what is returned, or the process ending, gives it back.

    Raises IndexBusy when another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return take(folder / "lock", patience=PATIENCE)
    except Held as error:
        raise IndexBusy(
            f"The search index in {folder} is in use by another process (process id {error.owner}). Only one process at "
            "a time can open it: stop the other one, send this work through it, or use a Qdrant server for several."
        ) from error


def erase(folder: Path) -> None:
    """Remove the index in a folder, so that the next opening creates an empty one.

    Raises IndexBusy when a process has it open.
    """
    with hold(folder):
        for path in remains(folder):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
