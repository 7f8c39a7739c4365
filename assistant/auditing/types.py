"""The values an answer's record is told with. References, scores and decisions; nowhere a document's words."""

from collections import Counter
from dataclasses import dataclass

from accounts.models import AuditEvent
from assistant.auditing.stored import shortened, spent
from assistant.models import Question

SHOWN = 8
"""Candidates of a search that stand in the open; the rest is one click away."""


@dataclass(frozen=True)
class Reference:
    """What a passage is, without its words. `document` is the public id, "" when the document was deleted for good."""

    chunk: int
    title: str
    source: str = ""
    document: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None

    @property
    def place(self) -> str:
        """Return where in the document it stands: its heading, else its page."""
        own = [heading for heading in self.headings if heading.casefold() != self.title.casefold()]
        return " › ".join(own[-2:]) or (f"page {self.page}" if self.page else "")


@dataclass(frozen=True)
class Fate:
    """What became of a passage: `kind` is cited, read, lost or withheld; `words` say it."""

    kind: str
    words: str


@dataclass(frozen=True)
class Candidate:
    """A passage a search proposed. Parts are of a hundred, for bars; None where that search did not find it."""

    of: Reference
    keyword: float | None
    meaning: float | None
    fused: float
    keyword_part: float
    meaning_part: float
    fused_part: float
    fate: Fate


@dataclass(frozen=True)
class Search:
    """What one sub-question brought in, best first."""

    number: int
    text: str
    candidates: tuple[Candidate, ...]

    @property
    def first(self) -> tuple[Candidate, ...]:
        return self.candidates[:SHOWN]

    @property
    def rest(self) -> tuple[Candidate, ...]:
        return self.candidates[SHOWN:]


@dataclass(frozen=True)
class Kept:
    """A passage that was kept back or left out, and why."""

    of: Reference
    reason: str


@dataclass(frozen=True)
class Bridge:
    """A document that was followed because something named it, or linked to it."""

    title: str
    document: str
    named_in: str
    is_link: bool = False


@dataclass(frozen=True)
class Ranked:
    """A passage in the final order, with what its score is made of."""

    rank: int
    of: Reference
    score: float
    part: float
    fused: float
    together: float
    bridge: float
    fate: Fate


@dataclass(frozen=True)
class Evidence:
    """A passage that the answer could be made from."""

    number: int
    of: Reference
    tokens: int
    fate: Fate


@dataclass(frozen=True)
class QuoteCheck:
    """A quote held against its passage, by offsets into the text of the document's version."""

    number: int
    of: Reference
    start: int
    end: int
    digest: str
    struck: str = ""

    @property
    def short_digest(self) -> str:
        return shortened(self.digest)


@dataclass(frozen=True)
class Stage:
    """One step of the record. `is_true`: its digest, derived again, agrees and it follows from the step before."""

    position: int
    name: str
    title: str
    lines: tuple[str, ...]
    milliseconds: float
    digest: str
    is_true: bool
    mood: str = ""
    searches: tuple["Search", ...] = ()  # of a search
    admitted_as: tuple[str, ...] = ()  # of a gate
    is_last: bool = True  # of those of its name

    @property
    def took(self) -> str:
        return spent(self.milliseconds)

    @property
    def short_digest(self) -> str:
        return shortened(self.digest)


@dataclass(frozen=True)
class Opening:
    """Something the asker or somebody else opened afterwards, from the audit."""

    event: AuditEvent
    words: str


@dataclass(frozen=True)
class AnswerRecord:
    """Everything that is kept about how one question was answered, in the order in which it happened."""

    question: Question
    asker: str
    stages: tuple[Stage, ...]
    searches: tuple[Search, ...] = ()
    withheld: tuple[Kept, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    ranked: tuple[Ranked, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    left_out: tuple[Kept, ...] = ()
    weighed: tuple[tuple[str, int], ...] = ()
    quotes: tuple[QuoteCheck, ...] = ()
    cited: tuple[QuoteCheck, ...] = ()
    pointed_to: tuple[Reference, ...] = ()
    openings: tuple[Opening, ...] = ()
    anchor: str = ""
    last_digest: str = ""
    ending: AuditEvent | None = None

    @property
    def is_true(self) -> bool:
        return all(stage.is_true for stage in self.stages)

    @property
    def read_on(self) -> tuple[Ranked, ...]:
        """The ranking as far as it mattered: everything up to the last passage that became evidence, and a few more."""
        used = max((r.rank for r in self.ranked if r.fate.kind in {"cited", "read"}), default=0)
        return self.ranked[: max(used, SHOWN)]

    @property
    def left_out_because(self) -> tuple[tuple[str, int], ...]:
        """How many passages were left out for each reason; duplicates are named one by one elsewhere."""
        reasons = Counter(
            "the same as another passage" if "“" in kept.reason else kept.reason for kept in self.left_out
        )
        return tuple(reasons.most_common())

    @property
    def duplicates(self) -> tuple[Kept, ...]:
        return tuple(kept for kept in self.left_out if "“" in kept.reason)

    @property
    def openers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(opening.event.actor_name for opening in self.openings))

    @property
    def short_anchor(self) -> str:
        return shortened(self.anchor)
