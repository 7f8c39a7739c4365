"""The data folder belongs to one server at a time: its index and its queue of tasks live in its processes' memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from ingestion.held import Held, take


class DataFolderBusy(Exception):
    """Another process of Footnote works on the data folder; the message says which, and what to do."""


def is_shared() -> bool:
    """Return whether several processes may work on the data: an index server, and a broker for the tasks."""
    return bool(settings.QDRANT_URL) and not settings.TASKS_IN_PROCESS


@contextmanager
def alone_on_data_folder() -> Iterator[None]:
    """Hold the data folder for this process; raise DataFolderBusy when another one holds it.

    The operating system gives the lock back when the process ends, however it ends.
    """
    if is_shared():
        yield
        return
    try:
        file = take(Path(settings.DATA_DIR) / "footnote.lock")
    except Held as error:
        raise DataFolderBusy(
            f"Footnote is already running on this data folder (process {error.owner}). "
            "Stop it, or set FOOTNOTE_DATA_DIR to another folder."
        ) from error
    with file:
        yield
