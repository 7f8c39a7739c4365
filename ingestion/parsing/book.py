"""EPUB books: their chapters in reading order, each a web page inside the file."""

import posixpath
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.markup import add_html, parsed_html
from ingestion.parsing.stated import date_of
from ingestion.parsing.text import Reading, decode, one_line
from ingestion.parsing.xml import DUBLIN, Package
from ingestion.types import Unreadable

CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
BOOK = "{http://www.idpf.org/2007/opf}"


def read_book(path: Path) -> Reading:
    """Read an EPUB file."""
    reading = Reading(MEDIA_TYPES["epub"], f"EPUB, lxml {version('lxml')}")
    with Package(path) as package:
        if package.read("META-INF/encryption.xml") is not None and "META-INF/rights.xml" in package.names:
            raise Unreadable("encrypted", "The book is protected against copying and cannot be read.")
        container = package.xml("META-INF/container.xml")
        entry = container.find(f".//{CONTAINER}rootfile") if container is not None else None
        part = (entry.get("full-path") or "") if entry is not None else ""
        root = package.xml(part) if part else None
        if root is None:
            raise Unreadable("corrupt", "The book is damaged: it does not say which pages it has.")
        for name, tag in (("title", "title"), ("author", "creator"), ("dated", "date")):
            found = root.find(f".//{DUBLIN}{tag}")
            value = one_line(found.text or "") if found is not None else ""
            setattr(reading, name, date_of(value) if name == "dated" else value)
        items = {item.get("id"): item for item in root.iterfind(f"{BOOK}manifest/{BOOK}item")}
        for reference in root.iterfind(f"{BOOK}spine/{BOOK}itemref"):
            item = items.get(reference.get("idref"))
            if item is None or "nav" in (item.get("properties") or "").split():
                continue
            chapter = posixpath.normpath(
                posixpath.join(posixpath.dirname(part), unquote(item.get("href") or ""))
            )
            data = package.read(chapter)
            if data is None:
                reading.warn("A chapter that the book lists is missing from the file.")
                continue
            page = parsed_html(decode(data)[0])
            reading.text.leave_headings()
            if page is not None:
                add_html(page, reading)
    return reading
