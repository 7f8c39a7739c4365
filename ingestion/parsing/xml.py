"""The XML parts inside office files, read without entities, without DTDs and without the network."""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ingestion.parsing.archive import read_member
from ingestion.parsing.stated import date_of
from ingestion.parsing.text import Reading, one_line
from ingestion.types import Unreadable

# lxml's elements carry no types.
Element = Any

RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}"
OFFICE_RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
DUBLIN = "{http://purl.org/dc/elements/1.1/}"
TERMS = "{http://purl.org/dc/terms/}"
_CORE = "{http://schemas.openxmlformats.org/package/2006/metadata/core-properties}"
# The blank document that python-docx starts from carries this; it says nothing about the document.
_TEMPLATE_TIME = "2013-12-23T23:15:00Z"


def parse_xml(data: bytes, what: str) -> Element:
    """Return the root of an XML part; raise Unreadable (corrupt) when it is not well-formed."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(
            "corrupt", f"The file is damaged: its part “{what[:100]}” is not well-formed."
        ) from error


class Package:
    """An open office file."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self.names = self._archive.namelist()

    def __enter__(self) -> "Package":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._archive.close()

    def read(self, name: str) -> bytes | None:
        """Return a part's bytes, or None when there is none of this name."""
        return read_member(self._archive, name)

    def xml(self, name: str) -> Element | None:
        """Return a part's root element, or None when there is none of this name."""
        data = self.read(name)
        return None if data is None else parse_xml(data, name)

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the parts that a part refers to: id -> (kind, name). What lies outside the file is left out."""
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, tuple[str, str]] = {}
        for relation in root if root is not None else ():
            if relation.get("TargetMode") == "External" or not isinstance(relation.tag, str):
                continue
            target = relation.get("Target") or ""
            target = (
                target.lstrip("/")
                if target.startswith("/")
                else posixpath.normpath(posixpath.join(folder, target))
            )
            found[relation.get("Id") or ""] = ((relation.get("Type") or "").rpartition("/")[2], target)
        return found

    def related(self, part: str, kind: str) -> Iterator[str]:
        """Yield the names of the parts of one kind that a part refers to."""
        for of, target in self.relations(part).values():
            if of == kind:
                yield target

    def main_part(self, fallback: str) -> str:
        """Return the name of the part that holds the document itself."""
        return next(self.related("", "officeDocument"), fallback)


def core_properties(package: Package, reading: Reading) -> None:
    """Take title, author, date and status from an office file's properties."""
    root = package.xml("docProps/core.xml")
    if root is None:
        return
    reading.title = _text_of(root, f"{DUBLIN}title")
    reading.author = _text_of(root, f"{DUBLIN}creator")
    reading.status = _text_of(root, f"{_CORE}contentStatus")
    times = [_text_of(root, f"{TERMS}{name}") for name in ("modified", "created")]
    days = [day for time in times if time != _TEMPLATE_TIME and (day := date_of(time)) is not None]
    reading.dated = max(days, default=None)


def _text_of(root: Element, tag: str) -> str:
    found = root.find(tag)
    return one_line(found.text or "") if found is not None else ""
