"""Questions and answers as one viewer may see them at one moment: what `assistant.history` makes and pages show."""

from dataclasses import dataclass
from datetime import date

from assistant.models import Question
from assistant.types import Support


@dataclass(frozen=True)
class ShownCitation:
    """A footnote as this viewer may see it now. When `is_available` is False every field after it is empty.

    `table_head` is the first row of the table that the quote is of, where it does not hold it: a row means little without.
    `document` is the public id, for links; `start` and `end` are offsets into the text of the version on show, and
    `has_moved` says that the words were cited from an earlier version. `why` are sentences.
    """

    number: int
    public_id: str
    is_available: bool
    quote: str = ""
    table_head: str = ""
    title: str = ""
    source: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    dated: date | None = None
    author: str = ""
    document: str = ""
    start: int = 0
    end: int = 0
    is_superseded: bool = False
    has_moved: bool = False
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShownClaim:
    """A sentence of an answer. `words` is empty when it is no longer available to this viewer, and so is `lacking` then.

    `lacking` are words of the question that stand nowhere near the sentence.
    """

    words: str
    numbers: tuple[int, ...]
    support: Support
    lacking: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        return bool(self.words)


@dataclass(frozen=True)
class ShownPlace:
    """Words near what was asked, which do not state it and which this viewer may read now. `document` is its public id."""

    quote: str
    table_head: str
    title: str
    source: str
    headings: tuple[str, ...]
    page: int | None
    dated: date | None
    author: str
    document: str
    start: int
    end: int
    is_superseded: bool


@dataclass(frozen=True)
class ShownRefusal:
    """A refusal as this viewer may see it now: of its sources and of the nearest places those they may read."""

    looked_for: tuple[str, ...]
    sources: tuple[str, ...]
    reason: str
    missing: tuple[str, ...]
    advice: tuple[str, ...]
    nearest: tuple[ShownPlace, ...]


@dataclass(frozen=True)
class ShownAnswer:
    """An answer as this viewer may see it now."""

    outcome: str
    claims: tuple[ShownClaim, ...]
    citations: tuple[ShownCitation, ...]
    refusal: ShownRefusal | None
    clarification: str
    method: str
    milliseconds: float
    sources: tuple[str, ...]
    suggestions: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return all(claim.is_available for claim in self.claims)


@dataclass(frozen=True)
class ShownTurn:
    """A question and, once there is one, its answer as this viewer may see it now."""

    question: Question
    answer: ShownAnswer | None
    answer_id: int | None = None
