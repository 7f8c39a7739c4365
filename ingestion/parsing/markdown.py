"""Markdown: front matter, headings, and the words without their marks; list markers and table rows stay legible."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.parsing.detect import MEDIA_TYPES
from ingestion.parsing.markup import add_html, parsed_html
from ingestion.parsing.plain import decoded
from ingestion.parsing.stated import date_of
from ingestion.parsing.text import Reading, one_line

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_NESTING = 100
_FRONT = re.compile(r"\A\s*---[ \t]*\n(.{0,16384}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_ALT = re.compile(r"<img\b[^>]*?\balt\s*=\s*([\"'])(.*?)\1", re.I | re.S)


def read_markdown(path: Path) -> Reading:
    """Read a Markdown file."""
    reading = Reading(MEDIA_TYPES["md"], f"Markdown, markdown-it-py {version('markdown-it-py')}")
    content = decoded(path.read_bytes(), reading).replace("\r\n", "\n").replace("\r", "\n")
    content = content[_front_matter(content, reading) :]
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": MAX_NESTING}).enable(
        ["table", "strikethrough"]
    )
    tokens = parser.parse(content)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        # Beyond this depth the parser drops text without a word.
        reading.warn("The Markdown is nested more deeply than can be followed; it was read as plain text.")
        reading.text.block(content)
    else:
        _Walk(reading).all(tokens)
    return reading


def _front_matter(content: str, reading: Reading) -> int:
    """Take what stands between the first two lines of `---`, and return where the document itself begins."""
    match = _FRONT.match(content)
    if match is None:
        return 0
    import yaml

    try:
        said = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        reading.warn("The front matter is not YAML and was read as text.")
        return 0
    if not isinstance(said, dict):
        return 0
    plain = {str(key).strip().lower(): value for key, value in said.items()}
    reading.title = _said(plain.get("title"))
    reading.author = _said(plain.get("author") or plain.get("authors") or plain.get("owner"))
    reading.dated = next(
        (day for key in ("date", "updated", "last_updated", "modified", "effective") if (day := date_of(plain.get(key)))), None
    )  # fmt: skip
    reading.status = "superseded" if plain.get("superseded_by") else _said(plain.get("status"))
    return match.end()


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_said(one) for one in value if _said(one))
    if isinstance(value, dict):
        return _said(value.get("name"))
    return "" if value is None else one_line(str(value))


class _Walk:
    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.text = reading.text
        self.lists: list[int | None] = []
        self.marker = ""
        self.tight = False

    def all(self, tokens: "Sequence[Token]") -> None:
        """Add every block."""
        row: list[str] = []
        is_first_row = False
        heading = 0
        in_cell = False
        for token in tokens:
            kind = token.type
            if kind == "heading_open":
                heading = int(token.tag[1:])
            elif kind == "heading_close":
                heading = 0
            elif kind == "inline":
                words = _words(token.children or [])
                for child in token.children or []:
                    if child.type == "link_open":
                        self.text.link(str(child.attrGet("href") or ""))
                if heading:
                    self.text.heading(heading, words)
                elif in_cell:
                    row[-1] = words
                else:
                    self.block(words)
            elif kind in {"bullet_list_open", "ordered_list_open"}:
                start = token.attrGet("start")
                self.lists.append(None if kind.startswith("bullet") else int(1 if start is None else start))
            elif kind in {"bullet_list_close", "ordered_list_close"}:
                self.lists.pop()
                self.tight = bool(self.lists)
            elif kind == "list_item_open":
                self.item()
            elif kind == "table_open":
                is_first_row = True
            elif kind == "tr_open":
                row = []
            elif kind in {"th_open", "td_open"}:
                row.append("")
                in_cell = True
            elif kind in {"th_close", "td_close"}:
                in_cell = False
            elif kind == "tr_close":
                self.text.row(row, tight=not is_first_row)
                is_first_row = False
            elif kind in {"fence", "code_block"}:
                self.block(token.content.rstrip("\n"))
            elif kind == "html_block":
                root = parsed_html(token.content)
                if root is not None:
                    add_html(root, self.reading)

    def block(self, words: str) -> None:
        if not words.strip():
            return
        indent = " " * len(self.marker)
        lines = words.split("\n")
        self.text.block(
            "\n".join([self.marker + lines[0], *(indent + line for line in lines[1:])]), tight=self.tight
        )
        self.marker, self.tight = "", bool(self.lists)

    def item(self) -> None:
        number = self.lists[-1] if self.lists else None
        indent = "  " * max(0, len(self.lists) - 1)
        self.marker = f"{indent}- " if number is None else f"{indent}{number}. "
        if number is not None:
            self.lists[-1] = number + 1


def _words(children: "Sequence[Token]") -> str:
    parts: list[str] = []
    for child in children:
        if child.type in {"text", "code_inline"}:
            parts.append(child.content)
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif child.type == "image":
            parts.append(child.content)
        elif child.type == "html_inline":
            parts.append("\n" if child.content.lower().startswith("<br") else _shown(child.content))
    return "".join(parts)


def _shown(tag: str) -> str:
    """Return what an inline tag itself shows: a picture's alternative text, else nothing."""
    alternative = _ALT.match(tag)
    return alternative[2] if alternative else ""
