"""Formats read by kreuzberg: spreadsheets, OpenDocument, RTF, Outlook messages and the old Office formats.

Its result is taken as HTML, so that headings, lists and tables come through the same reader as a web page's.
"""

from importlib.metadata import version
from pathlib import Path

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.markup import add_html, parsed_html
from ingestion.parsing.plain import note_planted
from ingestion.parsing.stated import date_of
from ingestion.parsing.text import Reading, one_line
from ingestion.types import Unreadable


def read_office(path: Path, kind: str) -> Reading:
    """Read a file through kreuzberg. Raises Unreadable (encrypted, corrupt)."""
    import kreuzberg

    reading = Reading(MEDIA_TYPES[kind], f"kreuzberg {version('kreuzberg')}")
    config = kreuzberg.ExtractionConfig(output_format="html", use_cache=False)
    try:
        result = kreuzberg.extract_file_sync(path, mime_type=MEDIA_TYPES[kind], config=config)
    except kreuzberg.KreuzbergError as error:
        words = str(error).lower()
        if "password" in words or "encrypted" in words:
            raise Unreadable(
                "encrypted", "The file is locked with a password. Save a copy without one."
            ) from error
        raise Unreadable("corrupt", "The file is damaged and could not be read.") from error
    said = result.metadata
    reading.title = one_line(str(said.get("title") or said.get("subject") or ""))
    authors = said.get("authors")
    reading.author = one_line(", ".join(map(str, authors)) if isinstance(authors, list) else "")
    days = [day for key in ("modified_at", "created_at") if (day := date_of(said.get(key))) is not None]
    reading.dated = max(days, default=None)
    content: str = result.content
    note_planted(content, reading)
    root = parsed_html(content)
    if root is not None:
        add_html(root, reading)
    if said.get("attachments"):
        reading.warn("The message has attached files; they were not read.")
    return reading
