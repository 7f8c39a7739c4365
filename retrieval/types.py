"""The values that travel between the stages of retrieval. Frozen; never ORM rows, never an engine's own types."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

from ingestion.words import WORD, words_of


@dataclass(frozen=True)
class Turn:
    """An earlier question of the conversation and what of its answer this viewer may still read."""

    question: str
    answer: str
    clarification: str = ""  # what was asked back instead of answering


@dataclass(frozen=True)
class SubQuery:
    """One search to be made. `number` counts from 1; `after` names the sub-queries whose findings it may use.

    `typed` is the text before words of it were read as documents have them, where any were. `side_of` is the number of the
    sub-query that asks for a comparison of which this is one side, 0 for what is none.
    """

    number: int
    text: str
    after: tuple[int, ...] = ()
    typed: str = ""
    side_of: int = 0


@dataclass(frozen=True)
class Filters:
    """What the asker narrowed the search to, by typing or by picking. What is empty or None narrows nothing.

    `sources` are public ids of sources, `authors` names as documents state them, `types` kinds of file such as `pdf`;
    `since` and `until` are days, both included, held against the day a document is dated.
    """

    sources: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    @property
    def is_empty(self) -> bool:
        return self == Filters()


@dataclass(frozen=True)
class Plan:
    """What will be searched for. `standalone` is the question with everything a follow-up left unsaid put back in.

    `clarification`, where it is not empty, is a question back to the asker: nothing is searched. `typed` is `standalone`
    before words of it were read as documents have them, `read_as` those words: as they were read, and as they were typed.
    """

    question: str
    standalone: str
    sub_queries: tuple[SubQuery, ...]
    rule: str  # the planning rule that applied, in words
    wants_superseded: bool = False  # the question asks about how things were
    filters: Filters = Filters()
    filters_not_used: tuple[str, ...] = ()  # sentences about filter words that could not be understood
    # What the conversation was about, the question before first: it weighs a little in the search, and is not asked.
    background: tuple[str, ...] = ()
    clarification: str = ""
    model: str = ""  # the model that made the plan; empty: rules did
    typed: str = ""
    read_as: tuple[tuple[str, str], ...] = ()

    def in_words_of(self, words: Callable[[str], str], read_as: Iterable[tuple[str, str]]) -> "Plan":
        """Return the plan that asks the same in other words: `words` puts a text in them, `read_as` are pairs of read and typed."""
        return replace(
            self,
            standalone=words(self.standalone),
            sub_queries=tuple(
                replace(s, text=words(s.text), typed=s.typed or s.text) for s in self.sub_queries
            ),
            typed=self.typed or self.standalone,
            read_as=(*self.read_as, *read_as),
        )

    def as_typed(self, text: str) -> str:
        """Return what the asker typed for a text that is asked, or for a word of it."""
        if text == self.standalone:
            return self.typed or text
        asked = {s.text: s.typed or s.text for s in self.sub_queries}
        if text in asked:
            return asked[text]
        # A word is told with the capitals it was typed with.
        own = (word for word in WORD.findall(self.typed or self.standalone) if word.lower() == text.lower())
        read = (typed for read, typed in self.read_as if text.lower() in words_of(read))
        return next(chain(own, read), text)

    def words_as_typed(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return words of what is asked as the asker typed them, each once: "UK" is no other word than "uk"."""
        typed: dict[str, str] = {}
        for word in map(self.as_typed, words):
            typed.setdefault(word.lower(), word)
        return tuple(typed.values())


class Candidate(NamedTuple):
    """A chunk the index proposed. It holds ids and scores and, on purpose, no text: it has not passed the gate.

    `dense` is a cosine in [-1, 1], `keyword` a BM25 score ≥ 0 over the viewer's own documents, `fused` in [0, 1];
    None means that retriever did not return the chunk.
    """

    chunk: int
    document: int
    dense: float | None
    keyword: float | None
    fused: float


@dataclass(frozen=True)
class Grant:
    """Why the viewer may read a passage: for each clause of the rules, the principals they hold that meet it."""

    policy: int
    source_policy: int
    through: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Passage:
    """A chunk's text, with the reason this viewer may read it. Made in `retrieval.gate` only.

    `start` and `end` are character offsets into the text of the document's version; `text` is exactly that slice.
    """

    chunk: int
    chunk_digest: str
    ordinal: int
    document: int
    document_public_id: str
    version: int
    title: str
    source_name: str
    author: str
    dated: date | None
    is_superseded: bool
    page: int | None
    headings: tuple[str, ...]
    start: int
    end: int
    text: str
    grant: Grant
    authority: int = 0  # the source's: -1 informal, 0 ordinary, 1 authoritative
    source: int = 0
    links: tuple[str, ...] = ()  # names within the source that its words link to
    sentence_embeddings: bytes = field(default=b"", repr=False)  # see ingestion/sentences.py
    words: bytes = field(default=b"", repr=False)  # see ingestion/words.py
    table_head: str = ""  # first row of the table that the text begins in the middle of

    @property
    def above(self) -> tuple[str, ...]:
        """What stands over its words: its title, its headings, and the head of the table that it begins in."""
        return (self.title, *self.headings, *filter(None, (self.table_head,)))

    @property
    def with_titles(self) -> str:
        """Its words together with those that stand over them."""
        return " ".join((*self.above, self.text))


@dataclass(frozen=True)
class Withheld:
    """A candidate the gate did not let through, and why. For auditors; never shown or counted to the asker."""

    chunk: int
    document: int | None
    reason: str  # not_permitted, removed, old_version, unknown


@dataclass(frozen=True)
class Gated:
    """What the gate made of candidates: the permitted passages, in the candidates' order, and the withheld rest."""

    passages: tuple[Passage, ...]
    withheld: tuple[Withheld, ...]


@dataclass(frozen=True)
class Ranked:
    """A passage with its final score and what the score is made of (each feature in [0, 1])."""

    passage: Passage
    score: float
    sub_queries: tuple[int, ...]  # which sub-queries found it
    candidate: Candidate | None  # None: it came over a bridge, not out of the index
    features: Mapping[str, float] = field(default_factory=dict)
    via: str = ""  # for bridged passages: what led here, such as `title "Travel policy" in passage 2`


@dataclass(frozen=True)
class Step:
    """One finished stage: its name, its value for the code that goes on, and what the record keeps of it.

    `record` holds ids, scores, counts and reasons, never document text: the trace is not a second corpus.
    """

    name: str
    value: Any  # the stage's own frozen dataclass; each consumer knows which by the name
    record: Mapping[str, Any] = field(default_factory=dict)
    milliseconds: float = 0.0

    @property
    def plan_after(self) -> Plan | None:
        """The plan that this stage leaves; None for a stage that leaves it as it was."""
        plan = getattr(self.value, "plan", self.value)
        return plan if isinstance(plan, Plan) else None
