"""A folder on this machine (or a mounted share) as a source: what lies in it, who may read it, and copies of it.

The rule of a document is that of its folder, narrowed from the top down by `access.yaml`. A link is followed only when
it ends inside the folder, and what it leads to keeps the rule of the place where it really lies as well.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from ingestion.sources.files import because, copy_out
from ingestion.sources.listing import Listing
from ingestion.types import Found, Refused, SourceError

__all__ = ["check_root", "copy_out", "list_folder"]


def check_root(path: str) -> Path:
    """Return the folder with all links resolved; raise SourceError unless it may serve as a source.

    Whether it lies under settings.SOURCE_ROOTS is asked first, so that nothing is said about folders elsewhere.
    """
    path = path.strip()
    if not path:
        raise SourceError("Give the folder that the documents lie in.")
    if "\0" in path or not path.startswith("/"):
        raise SourceError(
            f"“{path}” is not a full path. Give the folder from the root on, such as /srv/documents."
        )
    allowed = [Path(os.path.realpath(root)) for root in settings.SOURCE_ROOTS]
    root = Path(os.path.realpath(path))
    if not any(root.is_relative_to(one) for one in allowed):
        listed = ", ".join(str(one) for one in allowed) or "none"
        raise SourceError(
            f"“{path}” does not lie under a folder that documents may be read from ({listed}). "
            "Whoever runs this server sets these folders with FOOTNOTE_SOURCE_ROOTS."
        )
    try:
        status = root.stat()
    except FileNotFoundError:
        raise SourceError(f"There is no folder “{path}”.") from None
    except OSError as error:
        raise SourceError(f"“{path}” cannot be read: {because(error)}.") from None
    if not stat.S_ISDIR(status.st_mode):
        raise SourceError(f"“{path}” is a file, not a folder.")
    try:
        with os.scandir(root) as entries:
            next(entries, None)
    except OSError as error:
        raise SourceError(f"“{path}” cannot be read: {because(error)}.") from None
    return root


def list_folder(root: Path) -> Iterator[Found | Refused]:
    """Yield every document under `root` with its rule, in a fixed order, and every entry that cannot be one.

    `root` is what `check_root` returned. The tree is read whole before the first entry is yielded. Raises SourceError
    when the folder is gone, has become a link, or is no longer allowed: an absent folder must never look like an
    empty one, whose documents would be taken as removed.
    """
    if check_root(str(root)) != root:
        raise SourceError(
            f"“{root}” is no longer the folder that was connected: it is a link to another place."
        )
    before = root.stat()
    listing = Listing(root)
    listing.walk()
    entries = listing.entries()
    try:
        after = root.stat()
    except OSError:
        raise SourceError(f"The folder “{root}” went away while it was being listed.") from None
    if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino):
        raise SourceError(f"The folder “{root}” was replaced while it was being listed.")
    yield from entries
