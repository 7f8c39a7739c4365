"""Which documents a text calls by their title: one indexed lookup of its n-grams among the titles the viewer may read."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ingestion.access import Reach
from ingestion.models import Document
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
    rows = Document.objects.within(reach)
    if not superseded:
        rows = rows.filter(is_superseded=False)
    titles: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for field, without_brackets in (("title_key", False), ("short_title_key", True)):
        open_keys = keys - set(titles)
        called = rows.called(open_keys, without_brackets=without_brackets)
        # Sorted here: asked to sort, SQLite reads all documents in their order instead of looking the titles up.
        for pk, title, key in sorted(called.values_list("pk", "title", field)[:MOST_ROWS]):
            titles[key].append((pk, title))
    return {key: tuple(documents) for key, documents in titles.items()}


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
