"""Which documents a text calls by their title, or links to: indexed lookups among what the viewer reaches."""

import re
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Value

from ingestion.access import Reach
from ingestion.links import spelled_out
from ingestion.models import Document
from ingestion.prepared import Prepared, Slot
from ingestion.querysets import AnyOfTexts, DocumentQuerySet
from ingestion.words import STOPWORDS
from retrieval.types import Passage

LONGEST_TITLE = 9  # words
LONGEST_KEY = 300  # characters: as long as a title may be
AROUND = 6  # words before and after a mention that tell what it is mentioned for
MOST_ROWS = 1_000
# A title that more documents than this share ("Minutes", the chapters of one handbook) names none of them.
SAME_TITLE = 3
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
LINE = re.compile(r"[\n.;!?]+(?:\s|$)")


Place = tuple[int, int, int]
"""The number of a line, and the words of it from one up to another."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """Every run of words of a text that could be a title, by its key; and its lines, with where in each one may begin.

    Words are in lower case.
    """

    keys: Set[str]
    lines: Sequence[Sequence[str]]
    begins: Sequence[Sequence[int]]

    def places(self, key: str) -> list[Place]:
        """Return where a key stands. Few are asked for of the hundreds that a text has, so none are kept."""
        words = key.split(" ")
        return [
            (number, start, start + len(words))
            for number, (line, begins) in enumerate(zip(self.lines, self.begins, strict=True))
            for start in begins
            if line[start : start + len(words)] == words
        ]

    def is_common(self, place: Place, title: str) -> bool:
        """Return whether a title's words stand at a place as words of a sentence that happens to begin with them."""
        line, start, end = place
        if start > 0 or end in (1, len(self.lines[line])):
            return False
        if any(start < capital < end for capital in self.begins[line]):
            return False
        return any(word[0].isupper() for word in WORD.findall(title)[1:])

    def around(self, place: Place) -> tuple[str, ...]:
        """Return the words on both sides of a place, which tell what is mentioned there for."""
        line, start, end = place
        words = self.lines[line]
        return (*words[max(0, start - AROUND) : start], *words[end : end + AROUND])


@dataclass(frozen=True, slots=True)
class Called:
    """A document that a text calls by its title, and the words around the first place where it does."""

    document: int
    title: str
    around: tuple[str, ...]


Linked = Mapping[tuple[int, str], tuple[int, str]]
"""By source and name within it, the document (id, title)."""

Titles = Mapping[str, tuple[tuple[int, str], ...]]
"""By key, the documents (id, title) of that title; more than SAME_TITLE stand for a title that names none of them."""


def mentions_in(text: str) -> Mentions:
    """Return everything in a text that could be a title: its n-grams that look like names.

    An n-gram counts when its first word is capitalised or a number, and it is not a bare stop word: titles are names,
    and names are written so. The question is often typed in lower case, so short texts are taken whole.
    """
    relaxed = len(text) < 200 and text == text.lower()
    keys: set[str] = set()
    lines: list[list[str]] = []
    begins: list[list[int]] = []
    for line in LINE.split(text):
        words = WORD.findall(line)
        if not words:
            continue
        lower = [word.lower() for word in words]
        starts = [
            start for start, word in enumerate(words) if relaxed or word[0].isupper() or word[0].isdigit()
        ]
        for start in starts:
            key = lower[start]
            # No title ends on "of" or "the", and one word alone must be worth a title.
            if 2 < len(key) <= LONGEST_KEY and key not in STOPWORDS:
                keys.add(key)
            for last in lower[start + 1 : start + LONGEST_TITLE]:
                key = f"{key} {last}"
                if len(key) > LONGEST_KEY:
                    break
                if last not in STOPWORDS:
                    keys.add(key)
        lines.append(lower)
        begins.append(starts)
    return Mentions(keys, lines, begins)


def titles_among(keys: Collection[str], reach: Reach, *, superseded: bool) -> Titles:
    """Return the documents within reach whose title, or title without its brackets, is one of these keys.

    A document's whole title comes before another's title without brackets. `superseded` admits replaced documents.
    """
    if not keys:
        return {}
    called = _CALLED[superseded].rows(policies=reach.policies, sources=reach.sources, keys=keys)
    found: tuple[dict[str, list[tuple[int, str]]], ...] = ({}, {})
    # Sorted here: asked to sort, SQLite reads all documents in their order instead of looking the titles up.
    for pk, title, key, without_brackets in sorted(map(tuple, called)):
        found[without_brackets].setdefault(key, []).append((pk, title))
    whole, shortened = found
    return {key: tuple(documents) for key, documents in {**shortened, **whole}.items()}


def linked_among(passages: Collection[Passage], reach: Reach, *, superseded: bool) -> Linked:
    """Return the documents within reach that links in these passages may point at."""
    sources = {passage.source for passage in passages if passage.links}
    if not sources:
        return {}
    names = {spelled for passage in passages for name in passage.links for spelled in spelled_out(name)}
    found = _LINKED[superseded].rows(policies=reach.policies, sources=reach.sources & sources, names=names)
    return {(source, name): (pk, title) for source, name, pk, title in found}


def linked_from(passage: Passage, linked: Linked) -> list[Called]:
    """Return the documents that one passage links to, each once; a name as written comes before what it may stand for."""
    targets = {}
    for link in passage.links:
        known = (linked.get((passage.source, name)) for name in spelled_out(link))
        if (document := next(filter(None, known), None)) is not None:
            targets[document[0]] = document[1]
    return [Called(document, title, ()) for document, title in targets.items()]


def _within(superseded: bool) -> DocumentQuerySet:
    rows = Document.objects.among(Slot("policies"), Slot("sources")).order_by()
    return rows if superseded else rows.filter(is_superseded=False)


def _called(superseded: bool) -> Prepared:
    def by(field: str, *, without_brackets: bool) -> "QuerySet[Any, Any]":  # Any: rows of columns
        called = _within(superseded).called(Slot("keys"), without_brackets=without_brackets)
        return called.values_list("pk", "title", field, Value(int(without_brackets)))

    return Prepared(
        lambda: by("title_key", without_brackets=False).union(
            by("short_title_key", without_brackets=True), all=True
        )[: 2 * MOST_ROWS]
    )


def _linked(superseded: bool) -> Prepared:
    return Prepared(
        lambda: (
            _within(superseded)
            .filter(AnyOfTexts("external_id", Slot("names")))
            .values_list("source_id", "external_id", "pk", "title")[:MOST_ROWS]
        )
    )


_CALLED = {superseded: _called(superseded) for superseded in (False, True)}
_LINKED = {superseded: _linked(superseded) for superseded in (False, True)}


def called_by(mentions: Mentions, titles: Titles, *, in_prose: bool = False) -> list[Called]:
    """Return the documents that mentions of one text call by title, each once, the longest titles winning.

    `in_prose`: a sentence that begins with a title's words, written as any words are, speaks of a matter and calls no document
    ("Information retrieval is …" of "Information Retrieval").
    """
    # In the order in which they stand in the text.
    known = sorted((place, key) for key in titles.keys() & mentions.keys for place in mentions.places(key))
    called: dict[int, Called] = {}
    for place, key in known:
        documents = titles[key]
        if len(documents) > SAME_TITLE or any(_lies_within(place, other) for other, _ in known):
            continue
        for document, title in documents:
            if in_prose and mentions.is_common(place, title):
                continue
            called.setdefault(document, Called(document, title, mentions.around(place)))
    return list(called.values())


def _lies_within(place: Place, other: Place) -> bool:
    """Return whether a mention is part of a longer one: "Virginia" of "West Virginia"."""
    return (
        place[0] == other[0]
        and other[1] <= place[1]
        and place[2] <= other[2]
        and (other[2] - other[1]) > (place[2] - place[1])
    )
