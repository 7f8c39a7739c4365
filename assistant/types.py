"""The values that travel between the stages of answering. Frozen; never rows, never an engine's own types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from retrieval.synonyms import Synonyms
from retrieval.types import Passage, Ranked

Outcome = Literal["answered", "refused", "clarify"]
Support = Literal["supported", "partial", "struck"]


class NotAskable(Exception):
    """A question that cannot be taken as it is. The message is a sentence for the person who asked."""


@dataclass(frozen=True)
class Finding:
    """Something in the question that the record should know of: where it stands, never the words themselves."""

    kind: Literal["injection", "personal_data", "cleaned"]
    what: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Screened:
    """A question fit to be searched for: trimmed, in normal form, without control characters."""

    text: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ContextItem:
    """One passage the answer may use, numbered from 1 in the order in which it will be read (`assistant.context`)."""

    number: int
    ranked: Ranked
    tokens: int

    @property
    def passage(self) -> Passage:
        return self.ranked.passage


@dataclass(frozen=True)
class LeftOut:
    """A ranked passage that did not get into the context, and why: `duplicate of <chunk>`, `below the cut`, `budget`."""

    chunk: int
    reason: str


@dataclass(frozen=True)
class Context:
    """The evidence an answer is made from, and what was left out of it.

    `rarity` weighs each stem by how few of the passages found for this viewer hold it; `unseen` is the weight of a stem
    that none of them holds. `synonyms` are the terms that a text may say instead of the question's.
    """

    items: tuple[ContextItem, ...]
    left_out: tuple[LeftOut, ...] = ()
    tokens: int = 0
    rarity: Mapping[str, float] = field(default_factory=dict)
    unseen: float = 0.0
    synonyms: Synonyms = field(default_factory=dict)

    @property
    def ranked(self) -> tuple[Ranked, ...]:
        """The passages by rank, best first: not the order in which they are read."""
        entries = (item.ranked for item in self.items)
        return tuple(sorted(entries, key=lambda entry: (-entry.score, entry.passage.chunk)))


@dataclass(frozen=True)
class Quote:
    """Exact words of one passage: `text` is `version.text[start:end]`. `number` is the footnote's, 0 until verified."""

    number: int
    chunk: int
    chunk_digest: str
    document: int
    version: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Claim:
    """One thing the answer says. `text` None: the claim is its first quote's words; further quotes say the same.

    `lacking` are words of the question, as typed, that stand nowhere near a quote of which it is in doubt that it answers.
    """

    text: str | None
    quotes: tuple[Quote, ...]
    support: Support = "supported"
    sub_queries: tuple[int, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nearest:
    """Where something stands that comes near what was asked and does not state it: a passage and offsets, no words."""

    chunk: int
    start: int
    end: int


@dataclass(frozen=True)
class Refusal:
    """Why no answer is given, in words for the asker: what was looked for and where, what is missing, what to do.

    Names only sources this viewer may read; says nothing about how much was withheld. `nearest` are places to go and look,
    the best first.
    """

    looked_for: tuple[str, ...]
    sources: tuple[str, ...]
    reason: str
    missing: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    nearest: tuple[Nearest, ...] = ()


@dataclass(frozen=True)
class Considered:
    """A sentence that was weighed: offsets and scores, no words. `lost` is empty when it was chosen."""

    chunk: int
    start: int
    end: int
    score: float
    features: Mapping[str, float] = field(default_factory=dict)
    lost: str = ""


@dataclass(frozen=True)
class Draft:
    """What an answering method proposes. `stated` in [0, 1]: how surely the evidence states what was asked."""

    outcome: Outcome
    claims: tuple[Claim, ...]
    refusal: Refusal | None = None
    method: str = "extractive"
    stated: float = 0.0
    considered: tuple[Considered, ...] = ()


@dataclass(frozen=True)
class Struck:
    """A quote or a claim that did not stand up to verification, and why."""

    chunk: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class VerifiedAnswer:
    """An answer whose every quote was found, character for character, in the passage it cites.

    `footnotes` are all its quotes once, in the order of their numbers; refused answers have neither claims nor footnotes.
    An answered one with a refusal answers some parts of the question, and the refusal speaks of the others. One that
    asks back holds nothing but its `clarification`.
    """

    outcome: Outcome
    claims: tuple[Claim, ...]
    footnotes: tuple[Quote, ...]
    refusal: Refusal | None = None
    method: str = "extractive"
    struck: tuple[Struck, ...] = ()
    clarification: str = ""


Record = dict[str, Any]  # Any: JSON values
