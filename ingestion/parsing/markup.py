"""Web pages: the words a reader sees, by heading, with lists and tables kept legible.

The same reader serves for what other readers turn into HTML (e-mail, EPUB chapters, old office files).
"""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.plain import decoded
from ingestion.parsing.stated import date_in
from ingestion.parsing.text import Reading, Text, one_line
from ingestion.types import Unreadable

# lxml's elements carry no types.
Element = Any

_DROPPED = {
    "script", "style", "nav", "noscript", "template", "iframe", "object", "embed", "svg", "math-annotation", "canvas",
    "head", "button", "select", "option", "textarea", "input", "audio", "video", "datalist", "dialog",
}  # fmt: skip
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "legend", "li", "main",
    "menu", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w.:-]+)", re.I)  # fmt: skip
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])", re.I)  # fmt: skip
_GAPS = re.compile(r"\n{2,}")
MAX_SPAN_ROWS = 200
MAX_CELL_CHARACTERS = 2_000
MAX_DEPTH = 200
_BREAK = "\0"  # a line break of the page; those of its source are mere spaces


def read_html(path: Path) -> Reading:
    """Read a web page. Scripts, styles, navigation and whatever is hidden are left out; nothing is fetched."""
    data = path.read_bytes()
    reading = Reading(MEDIA_TYPES["html"], f"HTML, lxml {version('lxml')}")
    stated = _CHARSET.search(data[:4096])
    declared = (stated[1] or stated[2]).decode("ascii", "ignore").lower() if stated else ""
    if declared in {"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"}:
        declared = "cp1252"  # as every browser reads it
    content = decoded(data, reading, "" if declared.startswith("utf-16") else declared)
    root = parsed_html(content)
    if root is None:
        return reading
    _head(root, reading)
    add_html(root, reading)
    return reading


def parsed_html(content: str) -> Element:
    """Return the root element of a page, repaired where it is broken, or None when there is nothing in it."""
    from lxml import etree

    # A declaration of encoding in text that is already decoded makes lxml refuse it.
    content = re.sub(r"^\s*<\?xml[^>]*\?>", "", content.replace("\0", ""))
    parser = etree.HTMLParser(
        recover=True, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        return etree.fromstring(content, parser) if content.strip() else None
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", "The page is too damaged to be read as HTML.") from error


def add_html(root: Element, reading: Reading, base_level: int = 0) -> None:
    """Add what a reader sees of a page to the reading; headings count from `base_level` on."""
    walk = _Walk(reading.text, base_level)
    walk.blocks(root, 0)
    walk.flush()
    if walk.hidden:
        reading.warn("The page holds text that it does not show; that text was left out.")
    if walk.cut:
        reading.warn("The page is nested more deeply than can be read; the innermost parts were left out.")


def _head(root: Element, reading: Reading) -> None:
    title = root.find(".//head/title")
    if title is not None:
        reading.title = one_line("".join(title.itertext()))
    metas: dict[str, str] = {}
    for meta in root.iterfind(".//meta"):
        key = meta.get("name") or meta.get("property") or ""
        content = one_line(meta.get("content") or "")
        if key and content:
            metas.setdefault(key.strip().lower(), content)
    reading.author = next((metas[key] for key in ("author", "article:author", "dc.creator", "dcterms.creator") if key in metas), "")  # fmt: skip
    for key in (
        "date", "dc.date", "dcterms.date", "dcterms.modified", "article:modified_time", "article:published_time",
        "last-modified", "dcterms.created",
    ):  # fmt: skip
        if key in metas and reading.dated is None:
            reading.dated = date_in(metas[key])
    reading.status = metas.get("status", "")


class _Walk:
    """Goes through the tree and gathers runs of words into blocks."""

    def __init__(self, text: Text, base_level: int) -> None:
        self.text = text
        self.base_level = base_level
        self.hidden = False
        self.cut = False
        self._words: list[str] = []
        self._lists: list[int | None] = []
        self._marker = ""
        self._tight = False

    def blocks(self, element: Element, depth: int) -> None:
        tag = element.tag
        if not isinstance(tag, str):
            return
        tag = tag.rpartition("}")[2].lower()
        if tag in _DROPPED or self._is_hidden(element):
            return
        if depth > MAX_DEPTH:
            self.cut = True
            return
        if tag in _HEADINGS:
            self.flush()
            self.text.heading(self.base_level + _HEADINGS[tag], self._inline(element))
        elif tag == "table" and not _is_layout(element):
            self.flush()
            self._table(element)
        elif tag == "pre":
            self.flush()
            self.text.block("".join(element.itertext()))
        elif tag == "br":
            self._words.append(_BREAK)
        elif tag == "img":
            self._words.append(element.get("alt") or "")
        else:
            if tag == "a":
                self.text.link(element.get("href"))
            self._container(element, tag, depth)

    def _container(self, element: Element, tag: str, depth: int) -> None:
        is_block = tag in _BLOCKS
        if is_block:
            self.flush()
        if tag in {"ul", "ol", "menu"}:
            self._lists.append(_started_at(element) if tag == "ol" else None)
        elif tag == "li":
            self._item()
        if element.text:
            self._words.append(element.text)
        for child in element:
            self.blocks(child, depth + 1)
            if child.tail:
                self._words.append(child.tail)
        if is_block:
            self.flush()
        if tag in {"ul", "ol", "menu"}:
            self._lists.pop()
            self._tight = bool(self._lists)

    def flush(self) -> None:
        """End the paragraph."""
        lines = [" ".join(line.split()) for line in "".join(self._words).split(_BREAK)]
        self._words.clear()
        content = _GAPS.sub("\n\n", "\n".join(lines)).strip("\n")
        if not content:
            return
        self.text.block(self._marker + content, tight=self._tight)
        self._marker, self._tight = "", bool(self._lists)

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else None
        indent = "  " * max(0, len(self._lists) - 1)
        self._marker = f"{indent}- " if number is None else f"{indent}{number}. "
        if number is not None:
            self._lists[-1] = number + 1

    def _inline(self, element: Element) -> str:
        """Return the words of an element and everything in it, on one line."""
        parts: list[str] = []

        def gather(node: Element, depth: int) -> None:
            tag = node.tag.rpartition("}")[2].lower() if isinstance(node.tag, str) else "script"
            if tag in _DROPPED or self._is_hidden(node) or depth > MAX_DEPTH:
                return
            if tag in _BLOCKS or tag == "br":
                parts.append(" ")
            if tag == "img":
                parts.append(node.get("alt") or "")
            if tag == "a":
                self.text.link(node.get("href"))
            parts.append(node.text or "")
            for child in node:
                gather(child, depth + 1)
                parts.append(child.tail or "")
            if tag in _BLOCKS:
                parts.append(" ")

        gather(element, 0)
        return " ".join("".join(parts).split())

    def _table(self, table: Element) -> None:
        """Add a table row by row; a cell that spans rows is repeated, so that each row can be read alone."""
        caption = table.find("caption")
        if caption is not None:
            self.text.block(self._inline(caption))
        carried: dict[int, tuple[int, str]] = {}
        is_first = caption is None
        for row in table.iter("tr"):
            if self._is_hidden(row):
                continue
            cells: list[str] = []
            for cell in row:
                if cell.tag not in {"td", "th"}:
                    continue
                _carry(carried, cells)
                words = self._inline(cell)
                rows = _number(cell.get("rowspan"), MAX_SPAN_ROWS)
                if rows > 1:
                    carried[len(cells)] = (rows - 1, words)
                cells.append(words)
                cells += [""] * (_number(cell.get("colspan"), 50) - 1)
            _carry(carried, cells)
            self.text.row(cells, tight=not is_first)
            is_first = is_first and not any(cells)
        self._tight = False

    def _is_hidden(self, element: Element) -> bool:
        style = element.get("style") or ""
        is_hidden = element.get("hidden") is not None or bool(style and _HIDDEN_STYLE.search(style))
        if is_hidden and any(piece.strip() for piece in element.itertext()):
            self.hidden = True
        return is_hidden or element.get("role") == "navigation"


def _carry(carried: dict[int, tuple[int, str]], cells: list[str]) -> None:
    while len(cells) in carried:
        rows, words = carried.pop(len(cells))
        if rows > 1:
            carried[len(cells)] = (rows - 1, words)
        cells.append(words)


def _is_layout(table: Element) -> bool:
    """Tell whether a table only arranges a page: its cells hold tables, headings or long texts."""
    if any(True for _ in table.iterdescendants("table", "h1", "h2", "h3", "h4")):
        return True
    rows = 0
    for row in table.iter("tr"):
        rows += 1
        for cell in row:
            if sum(len(piece) for piece in cell.itertext()) > MAX_CELL_CHARACTERS:
                return True
    return rows <= 1 and sum(1 for _ in table.iter("td", "th")) <= 1


def _number(value: str | None, limit: int) -> int:
    return min(int(value), limit) if value and value.strip().isdecimal() and int(value[:9]) > 0 else 1


def _started_at(element: Element) -> int:
    value = (element.get("start") or "").strip()
    return int(value) if value.isdecimal() and len(value) < 7 else 1
