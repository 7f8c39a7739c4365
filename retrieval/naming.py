"""Which documents a text calls by their title, or links to: indexed lookups among what the viewer reaches."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ingestion.access import Reach
from ingestion.links import spelled_out
from ingestion.models import Document
from ingestion.querysets import AnyOfTexts, DocumentQuerySet
from retrieval.types import Passage
from retrieval.words import STOPWORDS

LONGEST_TITLE = 9  # words
AROUND = 6  # words before and after a mention that tell what it is mentioned for
MOST_ROWS = 1_000
# A title that more documents than this share ("Minutes", the chapters of one handbook) names none of them.
SAME_TITLE = 3
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
LINE = re.compile(r"[\n.;!?]+(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Mention:
    """A run of words that could be a title: its key, where it stands, and the words around it in lower case."""

    key: str
    line: int
    start: int
    end: int
    around: tuple[str, ...]

    def lies_within(self, other: "Mention") -> bool:
        """Return whether this mention is part of a longer one: "Virginia" of "West Virginia"."""
        return (
            self.line == other.line
            and other.start <= self.start
            and self.end <= other.end
            and (other.end - other.start) > (self.end - self.start)
        )


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


def mentions_in(text: str) -> list[Mention]:
    """Return everything in a text that could be a title: its n-grams that look like names.

    An n-gram counts when its first word is capitalised or a number, and it is not a bare stop word: titles are names,
    and names are written so. The question is often typed in lower case, so short texts are taken whole.
    """
    relaxed = len(text) < 200 and text == text.lower()
    found: list[Mention] = []
    for number, line in enumerate(LINE.split(text)):
        words = WORD.findall(line)
        lower = [word.lower() for word in words]
        for start, word in enumerate(words):
            if not (relaxed or word[0].isupper() or word[0].isdigit()):
                continue
            before = lower[max(0, start - AROUND) : start]
            for end in range(start + 1, min(start + LONGEST_TITLE, len(words)) + 1):
                # No title ends on "of" or "the", and one word alone must be worth a title.
                if lower[end - 1] in STOPWORDS or (end == start + 1 and len(lower[start]) < 3):
                    continue
                around = (*before, *lower[end : end + AROUND])
                found.append(Mention(" ".join(lower[start:end])[:300], number, start, end, around))
    return found


def titles_among(mentions: Collection[Mention], reach: Reach, *, superseded: bool) -> Titles:
    """Return the documents within reach whose title, or title without its brackets, is one of the mentions.

    A document's whole title comes before another's title without brackets. `superseded` admits replaced documents.
    """
    keys = {mention.key for mention in mentions}
    if not keys:
        return {}
    rows = _within(reach, superseded)
    titles: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for field, without_brackets in (("title_key", False), ("short_title_key", True)):
        open_keys = keys - set(titles)
        called = rows.called(open_keys, without_brackets=without_brackets)
        # Sorted here: asked to sort, SQLite reads all documents in their order instead of looking the titles up.
        for pk, title, key in sorted(called.values_list("pk", "title", field)[:MOST_ROWS]):
            titles[key].append((pk, title))
    return {key: tuple(documents) for key, documents in titles.items()}


def linked_among(passages: Collection[Passage], reach: Reach, *, superseded: bool) -> Linked:
    """Return the documents within reach that links in these passages may point at."""
    sources = {passage.source for passage in passages if passage.links}
    if not sources:
        return {}
    names = {spelled for passage in passages for name in passage.links for spelled in spelled_out(name)}
    rows = _within(reach, superseded).filter(AnyOfTexts("external_id", names), source_id__in=sources)
    found = rows.values_list("source_id", "external_id", "pk", "title")[:MOST_ROWS]
    return {(source, name): (pk, title) for source, name, pk, title in found}


def linked_from(passage: Passage, linked: Linked) -> list[Called]:
    """Return the documents that one passage links to, each once; a name as written comes before what it may stand for."""
    targets = {}
    for link in passage.links:
        known = (linked.get((passage.source, name)) for name in spelled_out(link))
        if (document := next(filter(None, known), None)) is not None:
            targets[document[0]] = document[1]
    return [Called(document, title, ()) for document, title in targets.items()]


def _within(reach: Reach, superseded: bool) -> DocumentQuerySet:
    rows = Document.objects.within(reach)
    return rows if superseded else rows.filter(is_superseded=False)


def called_by(mentions: Collection[Mention], titles: Titles) -> list[Called]:
    """Return the documents that mentions of one text call by title, each once, the longest titles winning."""
    known = [mention for mention in mentions if mention.key in titles]
    called: dict[int, Called] = {}
    for mention in known:
        documents = titles[mention.key]
        if len(documents) > SAME_TITLE or any(mention.lies_within(other) for other in known):
            continue
        for document, title in documents:
            called.setdefault(document, Called(document, title, mention.around))
    return list(called.values())
