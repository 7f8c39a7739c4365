"""Questions to offer: made of titles and headings of documents this viewer may read, and of nothing else."""

import hashlib
import re
from collections.abc import Sequence
from datetime import date

from django.utils import timezone

from accounts.viewer import Viewer
from assistant.models import Question
from ingestion.models import Chunk, Document
from ingestion.words import stems_of

LOOKED_AT = 60  # documents, for the front page
HEADINGS_EACH = 12
# Headings that say where something stands, not what it is about.
EMPTY_HEADING = re.compile(
    r"^(?:[\W\d]*|(?:appendix|annex|section|chapter|part|page|table|figure)\b.{0,12}|contents?|table of contents|"
    r"introduction|overview|summary|general|notes?|references?|scope|purpose|background|contacts?|version history|"
    r"change(?:s| log| history)?|history|definitions?|related (?:documents?|links?)|see also|agenda|attendees|present)\W*$",
    re.IGNORECASE,
)
ASKS = re.compile(
    r"^\W*(?:how|what|when|who|where|which|why|can|may|do|does|is|are|must|should)\b", re.IGNORECASE
)
NUMBERED = re.compile(
    r"^\s*(?:(?:section|chapter|part|article)\s+)?(?:\d+(?:\.\d+)*|[A-Z]|[IVX]+)[.):]?\s+(?=\S)"
)


def suggested_questions(viewer: Viewer, n: int = 3) -> tuple[str, ...]:
    """Return up to `n` questions whose answers stand in documents the viewer may read, each from another document.

    The same all day for the same documents, another choice tomorrow.
    """
    documents = list(
        Document.objects.visible_to(viewer)
        .filter(is_superseded=False)
        .order_by("pk")
        .values_list("pk", "title", "current_version_id")
    )
    today = timezone.localdate()
    documents.sort(key=lambda row: _shuffled(today, row[0]))
    documents = documents[:LOOKED_AT]
    headings = _headings([version for _, _, version in documents])
    asked: list[str] = []
    waiting: list[str] = []
    for pk, title, version in documents:
        made = [_question(title, heading) for heading in headings.get(version, ())]
        made.sort(key=lambda question: (not question.is_verbatim, _shuffled(today, pk, question.text)))
        if made and made[0].text not in asked:
            (asked if len(asked) < n else waiting).append(made[0].text)
        elif not made and len(waiting) < n:
            waiting.append(f"What does “{title}” say?")
        if len(asked) == n:
            break
    return tuple([*asked, *waiting][:n])


def follow_ups(
    document_ids: Sequence[str], viewer: Viewer, question: Question, n: int = 3
) -> tuple[str, ...]:
    """Return up to `n` questions that lead on from an answer: other headings of the documents it cites (public ids)."""
    documents = dict(
        Document.objects.visible_to(viewer)
        .filter(public_id__in=set(document_ids))
        .values_list("current_version_id", "title")
    )
    said = set(stems_of(question.text))
    asked = {q.casefold() for q in question.conversation.questions.values_list("text", flat=True)}
    offered: list[tuple[int, str]] = []
    headings = _headings(list(documents))
    for version, title in documents.items():
        for place, heading in enumerate(headings.get(version, ())):
            made = _question(title, heading)
            stems = set(stems_of(heading))
            # What the question itself was about has just been answered.
            if not stems or stems <= said or made.text.casefold() in asked:
                continue
            offered.append((place, made.text))
    return tuple(dict.fromkeys(text for _, text in sorted(offered)))[:n]


class _Made:
    def __init__(self, text: str, is_verbatim: bool) -> None:
        self.text, self.is_verbatim = text, is_verbatim


def _question(title: str, heading: str) -> _Made:
    if ASKS.match(heading) and heading.rstrip().endswith("?"):
        return _Made(heading.strip(), True)
    topic = heading.strip().rstrip(".:")
    # "Notice periods" reads on as "notice periods"; "VAT" and "Leeds office" keep their capitals.
    words = topic.split()
    if len(words) > 1 and words[0][1:].islower() and all(word[:1].islower() for word in words[1:]):
        topic = topic[:1].lower() + topic[1:]
    return _Made(f"What does “{title}” say about {topic}?", False)


def _headings(versions: Sequence[int | None]) -> dict[int, list[str]]:
    """Return the innermost headings of each version in the order of the text, those that name a subject."""
    found: dict[int, list[str]] = {}
    rows = (
        Chunk.objects.filter(version_id__in=[version for version in versions if version], ordinal__lt=40)
        .order_by("version_id", "ordinal")
        .values_list("version_id", "headings")
    )
    for version, path in rows:
        of_version = found.setdefault(version, [])
        # The first heading of a path is the document's title, as a rule.
        for heading in path[1:]:
            name = NUMBERED.sub("", " ".join(str(heading).split()))
            if 3 < len(name) < 90 and not EMPTY_HEADING.match(name) and name not in of_version:
                of_version.append(name)
    return {version: names[:HEADINGS_EACH] for version, names in found.items()}


def _shuffled(day: date, *what: object) -> str:
    return hashlib.sha256(repr((day.isoformat(), *what)).encode()).hexdigest()
