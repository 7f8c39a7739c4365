"""PowerPoint presentations: each slide is a page, under its title."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.text import Reading
from ingestion.parsing.xml import OFFICE_RELATIONS, Package, core_properties
from ingestion.types import Unreadable

# lxml's elements carry no types.
Element = Any

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_TITLES = {"title", "ctrTitle"}
_FURNITURE = {"sldNum", "dt", "ftr", "hdr", "sldImg"}
MAX_DEPTH = 60


def read_slides(path: Path) -> Reading:
    """Read a .pptx file: titles, texts, tables and speaker notes, slide by slide."""
    reading = Reading(MEDIA_TYPES["pptx"], f"PowerPoint, lxml {version('lxml')}")
    with Package(path) as package:
        part = package.main_part("ppt/presentation.xml")
        presentation = package.xml(part)
        if presentation is None:
            raise Unreadable(
                "corrupt", "The file is damaged: it is a PowerPoint file without a presentation in it."
            )
        core_properties(package, reading)
        relations = package.relations(part)
        slides = [
            relations[key][1]
            for slide in presentation.iterfind(f"{P}sldIdLst/{P}sldId")
            if (key := slide.get(f"{OFFICE_RELATIONS}id") or "") in relations
        ]
        for number, name in enumerate(slides, 1):
            root = package.xml(name)
            if root is None:
                reading.warn(f"Slide {number} is missing from the file.")
                continue
            reading.text.leave_headings()
            reading.text.page(number)
            if root.get("show") == "0":
                reading.warn(f"Slide {number} is hidden in the presentation; its text was read.")
            _slide(root, reading)
            for notes in package.related(name, "notesSlide"):
                _notes(package.xml(notes), reading)
        reading.page_count = len(slides)
        if any(name.startswith("ppt/embeddings/") for name in package.names):
            reading.warn("The presentation holds embedded files; they were not read.")
        if any(name.startswith(("ppt/comments/", "ppt/threadedComments/")) for name in package.names):
            reading.warn("The presentation holds remarks of reviewers; they are not part of its text.")
    return reading


def _slide(root: Element, reading: Reading) -> None:
    tree = root.find(f"{P}cSld/{P}spTree")
    if tree is None:
        return
    shapes = list(_shapes(tree, 0))
    for shape in shapes:
        if _placeholder(shape) in _TITLES:
            reading.text.heading(1, " ".join(_paragraphs(shape)))
    for shape in shapes:
        if shape.tag == f"{P}graphicFrame":
            _table(shape, reading)
        elif _placeholder(shape) not in _TITLES | _FURNITURE:
            for number, words in enumerate(_paragraphs(shape)):
                reading.text.block(words, tight=number > 0)


def _shapes(parent: Element, depth: int) -> list[Element]:
    found: list[Element] = []
    for child in parent:
        if child.tag in {f"{P}sp", f"{P}graphicFrame"}:
            found.append(child)
        elif child.tag in {f"{P}grpSp", f"{MC}AlternateContent", f"{MC}Choice"} and depth < MAX_DEPTH:
            found += _shapes(child, depth + 1)
    return found


def _placeholder(shape: Element) -> str:
    placeholder = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    return (placeholder.get("type") or "body") if placeholder is not None else ""


def _paragraphs(parent: Element) -> list[str]:
    """Return the paragraphs of a shape, indented as they are on the slide."""
    found = []
    for paragraph in parent.iter(f"{A}p"):
        parts = []
        for piece in paragraph.iter(f"{A}t", f"{A}br", f"{A}tab"):
            parts.append(
                piece.text or "" if piece.tag == f"{A}t" else "\n" if piece.tag == f"{A}br" else "\t"
            )
        words = "".join(parts).strip()
        if words:
            properties = paragraph.find(f"{A}pPr")
            level = (properties.get("lvl") or "0") if properties is not None else "0"
            found.append("  " * (min(int(level), 8) if level.isdecimal() else 0) + words)
    return found


def _table(frame: Element, reading: Reading) -> None:
    for table in frame.iter(f"{A}tbl"):
        for number, row in enumerate(table.iterfind(f"{A}tr")):
            cells = [" ".join(_paragraphs(cell)) for cell in row.iterfind(f"{A}tc")]
            reading.text.row(cells, tight=number > 0)


def _notes(root: Element | None, reading: Reading) -> None:
    tree = root.find(f"{P}cSld/{P}spTree") if root is not None else None
    words = [
        line
        for shape in (_shapes(tree, 0) if tree is not None else ())
        if shape.tag == f"{P}sp" and _placeholder(shape) == "body"
        for line in _paragraphs(shape)
    ]
    if words:
        reading.text.block("Notes: " + "\n".join(words))
