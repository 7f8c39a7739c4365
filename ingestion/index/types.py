"""What the index holds and answers, apart from the engine that does it.

The index is a second copy of nothing: it holds integers and vectors, never text and never names. It is a hint about
what a viewer may find; `retrieval.gate` asks the database again before any text is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

PAYLOAD_KEYS = ("document", "source", "policy", "superseded")
"""Everything the index keeps about a chunk besides its vectors; all integers."""


class IndexFailure(RuntimeError):
    """The search index could not do what was asked; the message can be shown to an administrator."""


class IndexBusy(IndexFailure):
    """Another process has the index folder open."""


class IndexUnavailable(IndexFailure):
    """The index cannot be reached, or is closed."""


class IndexCorrupt(IndexFailure):
    """The index cannot be read, or was built with other settings; it must be rebuilt from the database."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexPoint:
    """One chunk to be indexed. `text` is turned into keyword weights and is not stored."""

    chunk: int
    document: int
    source: int
    policy: int
    superseded: int
    vector: Vector
    text: str


class IndexEntry(NamedTuple):
    """What the index holds about one chunk, for comparison with the database."""

    chunk: int
    document: int
    source: int
    policy: int
    superseded: int


def every_entry(page: Callable[[int], Sequence[IndexEntry]]) -> Iterator[IndexEntry]:
    """Yield all entries, read through `page`: the next ones above a chunk, in order of chunk, and none at the end."""
    after = -1
    while entries := page(after):
        yield from entries
        after = entries[-1].chunk


@dataclass(frozen=True, slots=True)
class IndexFilter:
    """What a viewer may find.

    A chunk is found when its policy is in `policies` AND its source is in `sources`; an empty set admits nothing.
    `superseded=False` leaves out chunks of replaced versions. `documents` narrows further; None does not narrow.
    `sample` are chunks of this viewer's own over which a term's rarity is judged instead of over all of them; it finds
    nothing and hides nothing. `share`, where it is known, is about how much of everything passes: it chooses the way
    of searching, never what is found.
    """

    policies: frozenset[int]
    sources: frozenset[int]
    superseded: bool
    documents: frozenset[int] | None = None
    sample: frozenset[int] | None = None
    share: float | None = None

    @property
    def is_empty(self) -> bool:
        """True when nothing can pass, so that no engine is asked."""
        return not self.policies or not self.sources or (self.documents is not None and not self.documents)

    def narrowed(self, documents: frozenset[int] | None) -> IndexFilter:
        """Return this filter with a further narrowing to documents; None narrows nothing."""
        if documents is None:
            return self
        both = documents if self.documents is None else self.documents & documents
        return replace(self, documents=both)

    @property
    def corpus(self) -> IndexFilter:
        """The documents over which a term's rarity is judged: all the viewer's, however narrow the question."""
        return replace(self, documents=None)


class IndexQuery(NamedTuple):
    """One question to the index: its vector, its words, and words from around it that weigh ASIDE_WEIGHT as much.

    `documents` narrows this question beyond the filter it is asked under; None does not narrow.
    """

    vector: Vector
    text: str
    aside: str = ""
    documents: frozenset[int] | None = None


ASIDE_WEIGHT = 0.2
"""Weight of a word that only the conversation before a question holds. Flat from 0.1 to 0.3 on mtrag's follow-ups."""


class IndexHit(NamedTuple):
    """A chunk that one retriever found, with that retriever's own score."""

    chunk: int
    document: int
    score: float


class IndexHits(NamedTuple):
    """What the two retrievers found, each list best first.

    Dense scores are cosines in [-1, 1]. Keyword scores are BM25 sums above 0, with term statistics taken over the
    viewer's own documents only.
    """

    dense: tuple[IndexHit, ...] = ()
    keyword: tuple[IndexHit, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as columns: two hundred hits one by one take three times as long."""
        return _of_columns, (tuple(zip(*self.dense, strict=True)), tuple(zip(*self.keyword, strict=True)))


def _of_columns(dense: tuple[Sequence[Any], ...], keyword: tuple[Sequence[Any], ...]) -> IndexHits:
    return IndexHits(
        tuple(map(IndexHit, *dense)) if dense else (), tuple(map(IndexHit, *keyword)) if keyword else ()
    )


class ChunkScores(NamedTuple):
    """Both scores of one chunk; `keyword` is 0 when the chunk shares no term with the question."""

    dense: float
    keyword: float


class VectorIndex(Protocol):
    """The index of chunks, whatever engine is behind it. Safe to share between threads.

    Every method raises IndexUnavailable when the engine does not answer.
    """

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Add chunks, or replace those already there."""

    def set_access(self, document: int, *, source: int, policy: int) -> None:
        """Change under which source and rule a document's chunks are found."""

    def set_superseded(self, document: int, value: bool, *, chunks: Collection[int] | None = None) -> None:
        """Mark a document's chunks, or only those named, as belonging to a replaced version or not."""

    def delete_chunks(self, chunks: Collection[int]) -> None:
        """Remove chunks; those that are not there are ignored."""

    def delete_document(self, document: int) -> None:
        """Remove every chunk of a document."""

    def search(self, vector: Vector, text: str, where: IndexFilter, limit: int) -> IndexHits:
        """Return up to `limit` chunks per retriever that pass the filter, in one round trip."""

    def search_many(self, queries: Sequence[IndexQuery], where: IndexFilter, limit: int) -> list[IndexHits]:
        """Return the hits of several questions of one viewer, in the order asked, in one round trip."""

    def scores(
        self, queries: Sequence[tuple[IndexQuery, Collection[int]]], where: IndexFilter
    ) -> list[Mapping[int, ChunkScores]]:
        """Return for each question exact scores of the chunks named beside it, in one round trip.

        Chunks that do not pass the filter are absent.
        """

    def entries(self) -> Iterator[IndexEntry]:
        """Yield what is held about every chunk, in order of chunk."""

    def count(self) -> int:
        """Return the number of chunks held."""

    def optimize(self) -> None:
        """Build the search structures for what was added; slow, and never needed for correctness."""

    def flush(self) -> None:
        """Return once everything written so far will survive a crash."""

    def close(self) -> None:
        """Release the engine; the index cannot be used afterwards."""
