"""What travels between a source, the parser and the pipeline. Light: a parser's child process imports this too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ingestion.chunking import Section

if TYPE_CHECKING:
    from ingestion.access import Rule

__all__ = ["Copied", "Found", "Parsed", "Refused", "Section", "SourceError", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Found:
    """A document that a source lists. `rule_note` says why the rule could not be read; then the rule is DARK."""

    external_id: str
    size: int
    modified: datetime
    rule: Rule
    rule_note: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that a source lists and nobody may or can read, with a sentence that says why.

    An `external_id` that ends in `/` is a folder: nothing is known about what lies below it, so documents known from
    there must not be taken as removed.
    """

    external_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Copied:
    """A file as it was copied: its size in bytes, its digest (`sha256:<hex>`) and when it was last changed."""

    size: int
    digest: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's readable text and what it says about itself.

    `sections` are in order, do not overlap, and each lies on one page (or slide) under one heading path. The text of
    a page runs from the start of its first section to the end of its last. `dated` is the date the document states.
    `links` are (start of the paragraph it stands in, target as written).
    """

    text: str
    sections: tuple[Section, ...]
    title: str
    author: str
    dated: date | None
    is_superseded: bool
    media_type: str
    page_count: int | None
    parser: str
    warnings: tuple[str, ...] = ()
    links: tuple[tuple[int, str], ...] = ()

    def page_span(self, page: int) -> tuple[int, int] | None:
        """Return where a page's text starts and ends in `text`, or None when that page has no text."""
        return page_span(self.sections, page)


def page_span(sections: tuple[Section, ...], page: int) -> tuple[int, int] | None:
    """Return where the text of a 1-based page starts and ends, or None when that page has no text."""
    on_page = [section for section in sections if section.page == page]
    return (on_page[0].start, on_page[-1].end) if on_page else None


class SourceError(Exception):
    """A source as a whole cannot be used; the message is a sentence for an administrator."""


class Unreadable(Exception):
    """A file cannot be read as a document. `code` names the kind of reason, `reason` is a sentence for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        return type(self), (self.code, self.reason)
