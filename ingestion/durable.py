"""Making sure that what was written survives a crash. Light: the index process imports this, and has no Django."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, text: str) -> None:
    """Put a small file in place of another in one step that survives a crash."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Put a file in place of another in one step that survives a crash."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    sync(beside)
    beside.rename(path)
    sync(path.parent)
