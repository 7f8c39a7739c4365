"""What an administrator may see of expected documents: titles of what they may read themselves, nothing of the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts.viewer import Viewer
from assistant.golden.models import FOUND_WITHIN, EvaluationResult
from ingestion.models import Document

UNREADABLE = "a document you may not read"
MOST_FOUND = 20


@dataclass(frozen=True)
class ShownDocument:
    """An expected document. `title` is empty unless the viewer may read it now; gone and unreadable look alike."""

    public_id: str
    title: str = ""
    source: str = ""
    rank: int | None = None

    @property
    def name(self) -> str:
        return self.title or UNREADABLE

    @property
    def is_found(self) -> bool:
        return self.rank is not None and self.rank <= FOUND_WITHIN


@dataclass(frozen=True)
class ShownResult:
    """A result with its expected documents as the viewer may see them."""

    result: EvaluationResult
    documents: tuple[ShownDocument, ...]


class Titles:
    """The titles of those documents, among many, that one viewer may read now."""

    def __init__(self, public_ids: Iterable[str], viewer: Viewer) -> None:
        rows = (
            Document.objects.visible_to(viewer)
            .filter(public_id__in=set(public_ids))
            .values_list("public_id", "title", "source__name")
        )
        self._known = {str(public_id): (title, source) for public_id, title, source in rows}

    def of(self, public_id: str, rank: int | None = None) -> ShownDocument:
        """Return a document as the viewer may see it."""
        return ShownDocument(public_id, *self._known.get(public_id, ("", "")), rank=rank)

    def of_all(self, public_ids: Sequence[str]) -> tuple[ShownDocument, ...]:
        """Return documents as the viewer may see them, in the order given."""
        return tuple(self.of(public_id) for public_id in public_ids)


def shown_results(results: Sequence[EvaluationResult], viewer: Viewer) -> list[ShownResult]:
    """Return results with the titles of expected documents that this viewer may read."""
    titles = Titles((public_id for result in results for public_id in result.expected), viewer)
    return [
        ShownResult(
            result,
            tuple(
                titles.of(public_id, result.ranks[place] if place < len(result.ranks) else None)
                for place, public_id in enumerate(result.expected)
            ),
        )
        for result in results
    ]


def find_documents(words: str, viewer: Viewer, but: Sequence[str]) -> tuple[ShownDocument, ...]:
    """Return documents this viewer may read whose title or name holds every word, the first twenty by title."""
    found = Document.objects.visible_to(viewer).exclude(public_id__in=list(but))
    for word in words.split()[:8]:
        found = found.filter(Q(title__icontains=word) | Q(external_id__icontains=word))
    rows = found.order_by("title", "pk").values_list("public_id", "title", "source__name")[:MOST_FOUND]
    return tuple(ShownDocument(str(public_id), title, source) for public_id, title, source in rows)
