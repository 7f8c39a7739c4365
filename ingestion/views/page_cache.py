"""Page images kept on disk, so that a page is drawn once. Bounded in size; asked only after permission was given."""

import hashlib
import logging
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024 * 1024
"""Most bytes kept; when there are more, those unused for longest go until a tenth is free."""


def key_of(*parts: object) -> str:
    """Return the name under which an image is kept: a digest of everything that decides its bytes."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()


def kept(key: str, draw: Callable[[], bytes]) -> bytes:
    """Return the bytes kept under a key, drawn and kept first when there are none.

    A disk that is full or gone makes this slower, never wrong: the bytes are drawn and returned all the same.
    """
    path = _folder() / key[:2] / f"{key}.png"
    try:
        data = path.read_bytes()
        os.utime(path)  # when it was last wanted, for the sweep
    except OSError:
        data = draw()
        _keep(path, data)
    return data


def sweep(*, limit: int = MAX_BYTES) -> int:
    """Delete the images unused for longest until at most nine tenths of `limit` bytes remain; return how many went."""
    files = []
    for path in _folder().glob("*/*.*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process swept it between the listing and now
            continue
        files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    if total <= limit:
        return 0
    gone = 0
    for _, size, path in sorted(files, key=lambda file: file[0]):
        if total <= limit * 9 // 10:
            break
        path.unlink(missing_ok=True)
        total -= size
        gone += 1
    return gone


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "cache" / "pages"


def _keep(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(data)
        temporary.chmod(0o600)
        temporary.replace(path)
    except OSError as error:
        log.warning("A page image could not be kept in %s: %s.", path.parent, error.strerror)
        with suppress(OSError):  # half a file is never read; the sweep takes what could not be deleted
            temporary.unlink()
        return
    # Looking at the whole folder costs; once in 64 images, by the image's own digest, is often enough.
    if int(path.stem[:8], 16) % 64 == 0:
        sweep()
