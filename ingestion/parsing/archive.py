"""Office files are ZIP archives; this looks at their contents list before anything is unpacked."""

import zipfile
from pathlib import Path

from ingestion.types import Unreadable

MAX_MEMBERS = 10_000
MAX_RATIO = 200
# Small members may be packed tightly without harm: an empty sheet of spaces is no bomb.
RATIO_FROM_BYTES = 20 * 1024 * 1024


def check_archive(path: Path, max_unpacked: int) -> None:
    """Raise Unreadable (zip_bomb, corrupt, encrypted) unless the archive unpacks to at most `max_unpacked` bytes.

    Sizes in the list are claims: each reader reads members with `read_member`, which stops at the claim.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise Unreadable("corrupt", "The file is damaged: its contents list cannot be read.") from error
    if len(members) > MAX_MEMBERS:
        raise Unreadable("zip_bomb", f"The file is packed from {len(members):,} parts; up to {MAX_MEMBERS:,} are unpacked.")  # fmt: skip
    total = sum(member.file_size for member in members)
    if total > max_unpacked:
        raise Unreadable(
            "zip_bomb",
            f"The file would unpack to {total / 1024**2:,.0f} MB; up to {max_unpacked / 1024**2:,.0f} MB are unpacked "
            "(FOOTNOTE_MAX_UNPACKED_MB).",
        )
    if total > RATIO_FROM_BYTES and total > MAX_RATIO * max(1, path.stat().st_size):
        raise Unreadable("zip_bomb", "The file unpacks to more than 200 times its size and was not unpacked.")
    # Members that share the same packed bytes unpack to many times what the file holds.
    packed = sum(member.compress_size for member in members)
    if packed > path.stat().st_size:
        raise Unreadable("zip_bomb", "The file's parts claim more bytes than it has; it was not unpacked.")


def read_member(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Return a member's bytes, or None when there is no such member; raise Unreadable (corrupt) when it is damaged."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    try:
        with archive.open(info) as member:
            data = member.read(info.file_size + 1)
    except Exception as error:  # zlib, lzma, bz2 and zipfile each raise their own
        raise Unreadable(
            "corrupt", f"The file is damaged: its part “{name[:100]}” cannot be unpacked."
        ) from error
    if len(data) > info.file_size:
        raise Unreadable("zip_bomb", "A part of the file unpacks to more than it claims; it was not read.")
    return data
