"""Opening and copying files of a folder source without being led out of it."""

import errno
import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from django.conf import settings

from ingestion.types import Copied, Unreadable

_BLOCK = 1024 * 1024
# A pipe must not hold us up, and a link must not be followed between the check and the opening.
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def copy_out(root: Path, external_id: str, target: Path) -> Copied:
    """Copy a listed file to `target` and return its size in bytes, its digest and when it was last changed.

    Raises Unreadable: vanished, outside_root, not_a_file, permission_denied, too_large, changed, disk_full, unreadable.
    The target is removed again on failure.
    """
    descriptor = open_inside(root, external_id)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise Unreadable("not_a_file", f"“{external_id}” is not an ordinary file and was not opened.")
        if before.st_size > settings.MAX_FILE_BYTES:
            raise too_large(before.st_size)
        size, digest = _copied(descriptor, target)
        after = os.fstat(descriptor)
        if size != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
            raise Unreadable(
                "changed", "The file was being written while it was read. The next sync reads it again."
            )
        return Copied(size, digest, time_of(after))
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def open_inside(root: Path, external_id: str) -> int:
    """Return a descriptor of a file that really lies inside `root`, open for reading; the caller closes it.

    Links are resolved first and must end inside; then each folder on the way is opened without following links, so a
    folder swapped for a link in between is refused too. Raises Unreadable.
    """
    parts = PurePosixPath(external_id).parts
    if not parts or external_id.startswith("/") or "\0" in external_id or ".." in parts:
        raise Unreadable("outside_root", f"“{external_id[:200]}” is not the name of a file in this folder.")
    try:
        resolved = Path(os.path.realpath(root.joinpath(*parts), strict=True))
        if not resolved.is_relative_to(root) or resolved == root:
            raise Unreadable(
                "outside_root", "This is a link to a place outside the folder; it was not followed."
            )
        descriptor = os.open(root, _OPEN | os.O_DIRECTORY)
        *folders, name = resolved.relative_to(root).parts
        for flags, part in [*((_OPEN | os.O_DIRECTORY, folder) for folder in folders), (_OPEN, name)]:
            try:
                inner = os.open(part, flags, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
    except OSError as error:
        raise Unreadable(code_of(error), f"The file cannot be opened: {because(error)}.") from None
    except UnicodeEncodeError:
        raise Unreadable("bad_name", "The file's name is not valid on this server.") from None
    return descriptor


def too_large(size: int) -> Unreadable:
    """Return the refusal of a file with more bytes than settings.MAX_FILE_BYTES."""
    limit = settings.MAX_FILE_BYTES // (1024 * 1024)
    return Unreadable(
        "too_large",
        f"The file has {size / (1024 * 1024):,.0f} MB; files of up to {limit} MB are read (FOOTNOTE_MAX_FILE_MB).",
    )


def is_document_name(name: str) -> bool:
    """Return whether a file or folder of this name may hold documents: not hidden, not litter, not a rule."""
    if name.startswith((".", "~$")):
        return False
    return name.lower() not in {"thumbs.db", "desktop.ini", "access.yaml", "access.yml"}


def code_of(error: OSError) -> str:
    """Return the kind of reason for a failed look at a file."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}:
        return "vanished"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "permission_denied"
    return "outside_root" if error.errno == errno.ELOOP else "unreadable"


def because(error: OSError) -> str:
    """Return why the system refused, in words that fit after a colon."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}:
        return "it is no longer there"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "this server has no permission to read it"
    if error.errno == errno.ELOOP:
        return "there is a link in its path that may not be followed"
    return (error.strerror or "the system gave no reason").lower()


def time_of(status: os.stat_result) -> datetime:
    """Return when a file was last changed; a time no calendar holds counts as the beginning of 1970."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _copied(descriptor: int, target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    try:
        with target.open("wb") as copy:
            while block := os.read(descriptor, _BLOCK):
                size += len(block)
                if size > settings.MAX_FILE_BYTES:  # it grew while it was read
                    raise too_large(size)
                digest.update(block)
                copy.write(block)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Unreadable(
                "disk_full", "There is no room left on this server's disk to keep a copy of the file."
            ) from None
        raise Unreadable("unreadable", f"The file could not be copied: {because(error)}.") from None
    return size, f"sha256:{digest.hexdigest()}"
