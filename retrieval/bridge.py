"""Bridges: documents that good passages, or the question, mention by title. This is what finds the second hop.

One indexed lookup of the n-grams of the texts among the titles of documents this viewer may read: a document they may
not read can neither be reached nor shift a score. Measured gains in docs/retrieval.md.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from accounts.viewer import Viewer
from ingestion.access import Reach
from ingestion.models import Document
from retrieval.search import index_filter, search_texts
from retrieval.types import Candidate, Passage, Plan
from retrieval.words import STOPWORDS

FROM_PASSAGES = 5
LONGEST_TITLE = 9  # words
MOST_DOCUMENTS = 40
MOST_ROWS = 400
# A title that more documents than this share ("Minutes", the chapters of one handbook) names none of them.
SAME_TITLE = 3
CHUNKS_PER_DOCUMENT = 2
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True)
class Bridge:
    """A document reached because a text names it: `source` is the index of the passage, or -1 for the question."""

    document: int
    title: str
    source: int


@dataclass(frozen=True)
class Bridged:
    """The documents reached, and the candidates found inside them (not yet gated, so without text)."""

    bridges: tuple[Bridge, ...]
    candidates: tuple[Candidate, ...]


def find_bridges(plan: Plan, passages: Sequence[Passage], viewer: Viewer, reach: Reach) -> Bridged:
    """Return the documents named in the question or in the first passages, with their best chunks for the question."""
    mentions: dict[str, list[int]] = {}
    first = passages[:FROM_PASSAGES]
    for source, text in [(-1, plan.standalone), *((n, passage.text) for n, passage in enumerate(first))]:
        for key in title_mentions(text):
            mentions.setdefault(key, []).append(source)
    if not mentions:
        return Bridged((), ())
    rows = list(
        Document.objects.visible_to(viewer)
        .filter(title_key__in=list(mentions))
        .values_list("pk", "title", "title_key", "is_superseded")
        .order_by("pk")[:MOST_ROWS]
    )
    shared = Counter(key for _, _, key, _ in rows)
    rows = [row for row in rows if shared[row[2]] <= SAME_TITLE][:MOST_DOCUMENTS]
    bridges: list[Bridge] = []
    for pk, title, key, is_superseded in rows:
        # A document that names itself is no bridge: most texts repeat their own title.
        sources = [source for source in mentions[key] if source < 0 or first[source].document != pk]
        if sources and (plan.wants_superseded or not is_superseded):
            bridges.append(Bridge(pk, title, min(sources)))
    documents = frozenset(bridge.document for bridge in bridges)
    if not documents:
        return Bridged((), ())
    where = index_filter(reach, plan, documents)
    found = search_texts([plan.standalone], where, limit=CHUNKS_PER_DOCUMENT * len(documents))[0]
    return Bridged(tuple(bridges), tuple(found))


def title_mentions(text: str) -> set[str]:
    """Return the keys of everything in a text that could be a title: its n-grams that look like names.

    An n-gram counts when its first word is capitalised or a number, and it is not a bare stop word: titles are names,
    and names are written so. The question is often typed in lower case, so short texts are taken whole.
    """
    relaxed = len(text) < 200 and text == text.lower()
    keys: set[str] = set()
    for line in re.split(r"[\n.;!?]+(?:\s|$)", text):
        spans = [(match.group(), match.group().lower()) for match in WORD.finditer(line)]
        for start, (word, lower) in enumerate(spans):
            if not (relaxed or word[:1].isupper() or word[:1].isdigit()):
                continue
            for end in range(start + 1, min(start + LONGEST_TITLE, len(spans)) + 1):
                if end == start + 1 and (lower in STOPWORDS or len(lower) < 3):
                    continue
                keys.add(" ".join(part for _, part in spans[start:end])[:300])
    return keys
