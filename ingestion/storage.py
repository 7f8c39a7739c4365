"""Raw files, kept by the digest of their bytes: the same bytes are stored once, and a kept file is never half a file."""

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ingestion.durable import sync

INCOMING = "incoming"
INCOMING_SECONDS = 24 * 3600
"""A file still arriving after this long belongs to a process that is gone."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class NotStored(Exception):
    """A file could not be kept. `code` is its kind (disk_full, too_large, storage), `reason` a sentence."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Stored:
    """A kept file: its name relative to the file storage, its `sha256:` digest and its size in bytes."""

    name: str
    digest: str
    size: int


def keep(pieces: Iterable[bytes], *, limit: int | None = None) -> Stored:
    """Keep a stream of bytes and return where; raise NotStored when it is larger than `limit` bytes or the disk is full.

    A failure leaves nothing behind.
    """
    with incoming() as path:
        hasher, size = hashlib.sha256(), 0
        with _as_sentences(), path.open("wb") as file:
            for piece in pieces:
                size += len(piece)
                if limit is not None and size > limit:
                    raise NotStored(
                        "too_large", f"The file is larger than the {limit // 1024 // 1024} MB allowed."
                    )
                hasher.update(piece)
                file.write(piece)
        return adopt(path, "sha256:" + hasher.hexdigest())


@contextmanager
def incoming() -> Iterator[Path]:
    """Give a path on the storage's own disk to write to; whatever is still there afterwards is deleted."""
    with _as_sentences():
        folder = Path(settings.MEDIA_ROOT) / INCOMING
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / uuid.uuid4().hex
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def adopt(path: Path, digest: str) -> Stored:
    """Move a file that was written to an incoming path to its place, synced to disk; return where it is.

    `digest` is the `sha256:` digest of its bytes. Two processes may adopt the same bytes at once: the name is the same
    and so is what it names.
    """
    name = name_of(digest)
    target = path_of(name)
    with _as_sentences():
        size = path.stat().st_size
        if target.exists() and target.stat().st_size == size:
            # Its age says when it was last wanted; the sweep spares the young.
            os.utime(target)
            return Stored(name, digest, size)
        sync(path)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o600)
        path.replace(target)
        sync(target.parent)
    return Stored(name, digest, size)


def name_of(digest: str) -> str:
    """Return the storage name of the bytes with a `sha256:` digest, such as `3f/3f8a…`."""
    hexadecimal = digest.removeprefix("sha256:")
    if len(hexadecimal) != 64 or set(hexadecimal) - set("0123456789abcdef"):
        raise ValueError(f"{digest!r} is not a sha256 digest.")
    return f"{hexadecimal[:2]}/{hexadecimal}"


def path_of(name: str) -> Path:
    """Return the path of a kept file. Raises ValueError for a name that is not one of the storage's own."""
    if name != name_of(name.rpartition("/")[2]):
        raise ValueError(f"{name!r} is not the name of a stored file.")
    return Path(settings.MEDIA_ROOT) / name


def drop(name: str) -> bool:
    """Delete a kept file; return whether it was there. The caller has made sure that no row names it."""
    try:
        path_of(name).unlink()
    except FileNotFoundError:
        return False
    return True


def names(*, older_than_seconds: float) -> Iterator[str]:
    """Yield the names of kept files that nothing has stored again for this long."""
    root = Path(settings.MEDIA_ROOT)
    before = time.time() - older_than_seconds
    for folder in sorted(root.glob("[0-9a-f][0-9a-f]")):
        for path in sorted(folder.iterdir()):
            if path.stat().st_mtime < before:
                yield f"{folder.name}/{path.name}"


def clear_incoming() -> int:
    """Delete what processes that are gone left half-written; return how many files that were."""
    folder = Path(settings.MEDIA_ROOT) / INCOMING
    stale = [p for p in folder.glob("*") if p.stat().st_mtime < time.time() - INCOMING_SECONDS]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def full_sentence() -> str:
    """Return the sentence for a full disk."""
    return f"The disk that holds {settings.DATA_DIR} is full. Free some space, then retry."


def is_full(error: BaseException) -> bool:
    """Return whether an error, or what caused it, says that a disk or quota is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        # What the databases say: SQLite has this one message for it, PostgreSQL the class 53 "disk full".
        if getattr(seen, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        if getattr(seen, "sqlstate", "") == "53100":
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextmanager
def _as_sentences() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise NotStored("disk_full", full_sentence()) from error
        raise NotStored(
            "storage", f"The file could not be kept in {settings.MEDIA_ROOT}: {error.strerror}."
        ) from error
