"""Files that a person uploads: what name they get within their source."""

import unicodedata

from django.conf import settings

from ingestion.sources.files import is_document_name, too_large
from ingestion.types import Unreadable

MAX_NAME_CHARACTERS = 200


def validate_upload(name: str, size: int) -> str:
    """Return the external id of an uploaded file: its own name, without any path, safe to show and to store.

    `size` is in bytes. Raises Unreadable: bad_name, empty, too_large.
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    # Format characters can turn a name around on screen: “fdp.exe” shown as “exe.pdf”.
    name = "".join(c for c in name if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    name = " ".join(name.split())
    if not name or name in {".", ".."} or not is_document_name(name):
        raise Unreadable("bad_name", "The file has no name that can be used. Rename it and upload it again.")
    if len(name) > MAX_NAME_CHARACTERS:
        stem, dot, extension = name.rpartition(".")
        keep = MAX_NAME_CHARACTERS - len(extension) - 2
        name = (
            f"{stem[:keep]}…{dot}{extension}" if dot and keep > 0 else name[: MAX_NAME_CHARACTERS - 1] + "…"
        )
    if size <= 0:
        raise Unreadable("empty", f"“{name}” is empty.")
    if size > settings.MAX_FILE_BYTES:
        raise too_large(size)
    return name
