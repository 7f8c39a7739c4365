"""Word documents: paragraphs by heading, lists with their numbers, tables by row, footnotes after their paragraph."""

from collections import defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.plain import note_planted
from ingestion.parsing.text import Reading
from ingestion.parsing.xml import Package, core_properties, parse_xml
from ingestion.types import Unreadable

# lxml's elements carry no types.
Element = Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# Strict Open XML, as newer Word can be told to write it.
_STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_LEFT_OUT = {
    f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}delText", f"{W}delInstrText", f"{W}pPr", f"{W}rPr", f"{W}sectPr",
    f"{W}fldData", f"{MC}Fallback", f"{W}tblPr", f"{W}tblGrid", f"{W}trPr", f"{W}tcPr",
}  # fmt: skip
MAX_DEPTH = 120


def read_word(path: Path) -> Reading:
    """Read a .docx file: its text as it would print, without deleted, hidden and remark text."""
    reading = Reading(MEDIA_TYPES["docx"], f"Word, lxml {version('lxml')}")
    with Package(path) as package:
        part = package.main_part("word/document.xml")
        data = package.read(part)
        if data is None:
            raise Unreadable("corrupt", "The file is damaged: it is a Word file without a document in it.")
        if _STRICT.encode() in data[:4000]:
            raise Unreadable(
                "unsupported", "The file is “Strict Open XML”. Save it as an ordinary Word document (.docx)."
            )
        core_properties(package, reading)
        related = dict(reversed(list(package.relations(part).values())))
        body = parse_xml(data, part).find(f"{W}body")
        notes = {}
        for kind in ("footnotes", "endnotes"):
            root = package.xml(related[kind]) if kind in related else None
            for note in root if root is not None else ():
                notes[kind[0], note.get(f"{W}id")] = note
        walk = _Walk(
            reading,
            _heading_levels(package.xml(related["styles"]) if "styles" in related else None),
            _list_formats(package.xml(related["numbering"]) if "numbering" in related else None),
            notes,
        )
        if body is not None:
            walk.blocks(body)
        walk.notices()
        remarks = package.xml(related["comments"]) if "comments" in related else None
        if remarks is not None and len(remarks):
            reading.warn("The document holds remarks of reviewers; they are not part of its text.")
        if any(name.startswith("word/embeddings/") for name in package.names):
            reading.warn("The document holds embedded files; they were not read.")
    return reading


@dataclass
class _Walk:
    reading: Reading
    levels: dict[str, int]
    formats: dict[tuple[str, int], tuple[str, int]]
    notes: dict[tuple[str, str], Element]
    counts: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    has_deleted: bool = False
    has_hidden: bool = False
    was_list: bool = False
    _boxes: list[Element] = field(default_factory=list)
    _pending: list[tuple[str, Element]] = field(default_factory=list)
    _note_number: int = 0

    def blocks(self, parent: Element, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable("corrupt", "The document is nested more deeply than any document is.")
        for child in parent:
            if child.tag == f"{W}p":
                self.paragraph(child)
            elif child.tag == f"{W}tbl":
                self.table(child)
            elif child.tag in {f"{W}del", f"{W}moveFrom"}:
                self.has_deleted = True
            elif child.tag not in _LEFT_OUT:
                self.blocks(child, depth + 1)

    def paragraph(self, paragraph: Element) -> None:
        words = self.words(paragraph)
        properties = paragraph.find(f"{W}pPr")
        level = self._level(properties)
        if level is not None and words.strip() and len(words) <= 300:
            self.reading.text.heading(level, words)
            self.was_list = False
        elif words.strip():
            marker = self._marker(properties)
            note_planted(words, self.reading)
            self.reading.text.block(marker + words.strip(), tight=self.was_list and bool(marker))
            self.was_list = bool(marker)
        self._after()

    def words(self, element: Element) -> str:
        """Return the words of a paragraph; text boxes and notes in it are kept for after it."""
        parts: list[str] = []
        self._gather(element, parts, 0)
        return "".join(parts)

    def table(self, table: Element) -> None:
        above: dict[int, str] = {}
        is_first = True
        for row in _rows(table):
            if row.find(f"{W}trPr/{W}del") is not None:
                self.has_deleted = True
                continue
            cells: list[str] = []
            for cell in _cells(row):
                words = self._cell(cell)
                merge = cell.find(f"{W}tcPr/{W}vMerge")
                if merge is not None and merge.get(f"{W}val") != "restart":
                    words = above.get(len(cells), words)
                above[len(cells)] = words
                cells.append(words)
                span = cell.find(f"{W}tcPr/{W}gridSpan")
                width = (span.get(f"{W}val") or "1") if span is not None else "1"
                cells += [""] * (min(int(width), 60) - 1 if width.isdecimal() else 0)
            self.reading.text.row(cells, tight=not is_first)
            is_first = is_first and not any(cells)
        self.was_list = False
        self._after()

    def notices(self) -> None:
        if self.has_deleted:
            self.reading.warn(
                "The document holds tracked deletions; they were left out and insertions taken in."
            )
        if self.has_hidden:
            self.reading.warn("The document holds text formatted as hidden; it was left out.")

    def _gather(self, element: Element, parts: list[str], depth: int) -> None:
        for child in element:
            tag = child.tag
            if tag in {f"{W}t", f"{M}t"}:
                parts.append(child.text or "")
            elif tag in {f"{W}tab", f"{W}ptab"}:
                parts.append("\t")
            elif tag in {f"{W}br", f"{W}cr"}:
                parts.append("\n")
            elif tag == f"{W}noBreakHyphen":
                parts.append("-")
            elif tag in {f"{W}footnoteReference", f"{W}endnoteReference"}:
                self._note("f" if tag == f"{W}footnoteReference" else "e", child, parts)
            elif tag == f"{W}txbxContent":
                self._boxes.append(child)
            elif tag == f"{W}r" and _is_hidden(child):
                self.has_hidden = self.has_hidden or any(text.text for text in child.iter(f"{W}t"))
            elif tag in {f"{W}del", f"{W}moveFrom"}:
                self.has_deleted = True
            elif tag not in _LEFT_OUT and depth < MAX_DEPTH:
                self._gather(child, parts, depth + 1)

    def _note(self, kind: str, reference: Element, parts: list[str]) -> None:
        note = self.notes.get((kind, reference.get(f"{W}id")))
        if note is not None:
            self._note_number += 1
            parts.append(f"[{self._note_number}]")
            self._pending.append((f"[{self._note_number}]", note))

    def _after(self) -> None:
        """Add the notes and text boxes that belong to the block just added."""
        notes, self._pending = self._pending, []
        for mark, note in notes:
            words = " ".join(" ".join(self.words(paragraph).split()) for paragraph in note.iter(f"{W}p"))
            if words.strip():
                self.reading.text.block(f"{mark} {words.strip()}", tight=True)
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self.blocks(box, 1)

    def _cell(self, cell: Element) -> str:
        return " ".join(" ".join(self.words(paragraph).split()) for paragraph in cell.iter(f"{W}p"))

    def _level(self, properties: Element | None) -> int | None:
        if properties is None:
            return None
        outline = properties.find(f"{W}outlineLvl")
        if outline is not None and (outline.get(f"{W}val") or "") in set("012345678"):
            return int(outline.get(f"{W}val")) + 1
        style = properties.find(f"{W}pStyle")
        return self.levels.get(style.get(f"{W}val") or "") if style is not None else None

    def _marker(self, properties: Element | None) -> str:
        if properties is None:
            return ""
        style = properties.find(f"{W}pStyle")
        name = (style.get(f"{W}val") or "") if style is not None else ""
        number = properties.find(f"{W}numPr/{W}numId")
        depth = properties.find(f"{W}numPr/{W}ilvl")
        key = (number.get(f"{W}val") or "") if number is not None else ""
        level = int(depth.get(f"{W}val") or 0) if depth is not None else 0
        if key == "0":
            return ""
        if not key:
            if not name.startswith(("ListBullet", "ListNumber")):
                return ""
            key, level = f"style {name}", max(0, int(name[-1]) - 1) if name[-1:].isdecimal() else 0
        kind, start = self.formats.get((key, level), ("bullet" if "Number" not in name else "decimal", 1))
        indent = "  " * min(level, 8)
        if kind in {"bullet", "none"}:
            return f"{indent}- "
        counts = self.counts[key]
        counts[level] = counts.get(level, start - 1) + 1
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]
        return f"{indent}{_numeral(counts[level], kind)}. "


def _rows(table: Element) -> list[Element]:
    return [row for row in table.iter(f"{W}tr") if _nearest(row, f"{W}tbl") is table]


def _cells(row: Element) -> list[Element]:
    return [cell for cell in row.iter(f"{W}tc") if _nearest(cell, f"{W}tr") is row]


def _nearest(element: Element, tag: str) -> Element | None:
    return next(element.iterancestors(tag), None)


def _is_hidden(run: Element) -> bool:
    vanish = run.find(f"{W}rPr/{W}vanish")
    return vanish is not None and (vanish.get(f"{W}val") or "1") not in {"0", "false", "off"}


def _heading_levels(styles: Element | None) -> dict[str, int]:
    """Return the heading level of each paragraph style that is a heading, or is based on one."""
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in styles.iterfind(f"{W}style") if styles is not None else ():
        key = style.get(f"{W}styleId") or ""
        name = style.find(f"{W}name")
        words = (name.get(f"{W}val") or "").lower().split() if name is not None else []
        outline = style.find(f"{W}pPr/{W}outlineLvl")
        parent = style.find(f"{W}basedOn")
        if parent is not None:
            based[key] = parent.get(f"{W}val") or ""
        if len(words) == 2 and words[0] == "heading" and words[1].isdecimal():
            own[key] = int(words[1])
        elif words == ["title"]:
            own[key] = 1
        elif outline is not None and (outline.get(f"{W}val") or "") in set("012345678"):
            own[key] = int(outline.get(f"{W}val")) + 1
    for key in based:
        at, seen = key, {key}
        while at not in own and at in based and based[at] not in seen:
            at = based[at]
            seen.add(at)
        if at in own:
            own.setdefault(key, own[at])
    for level in range(1, 7):
        own.setdefault(f"Heading{level}", level)
    return own


def _list_formats(numbering: Element | None) -> dict[tuple[str, int], tuple[str, int]]:
    """Return how each level of each list is marked and where it starts: (list, level) -> (format, first number)."""
    if numbering is None:
        return {}
    abstract: dict[str, dict[int, tuple[str, int]]] = {}
    for definition in numbering.iterfind(f"{W}abstractNum"):
        levels: dict[int, tuple[str, int]] = {}
        for level in definition.iterfind(f"{W}lvl"):
            kind, start = level.find(f"{W}numFmt"), level.find(f"{W}start")
            first = (start.get(f"{W}val") or "1") if start is not None else "1"
            levels[int(level.get(f"{W}ilvl") or 0)] = (
                (kind.get(f"{W}val") or "bullet") if kind is not None else "decimal",
                int(first) if first.isdecimal() else 1,
            )
        abstract[definition.get(f"{W}abstractNumId") or ""] = levels
    formats: dict[tuple[str, int], tuple[str, int]] = {}
    for number in numbering.iterfind(f"{W}num"):
        of = number.find(f"{W}abstractNumId")
        for depth, how in abstract.get((of.get(f"{W}val") or "") if of is not None else "", {}).items():
            formats[number.get(f"{W}numId") or "", depth] = how
    return formats


def _numeral(number: int, kind: str) -> str:
    if kind in {"lowerLetter", "upperLetter"} and 1 <= number <= 26:
        return chr((96 if kind == "lowerLetter" else 64) + number)
    if kind in {"lowerRoman", "upperRoman"} and 1 <= number < 40:
        numeral = (
            "x" * (number // 10) + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[number % 10]
        )
        return numeral if kind == "lowerRoman" else numeral.upper()
    return str(number)
