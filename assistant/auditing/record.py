"""An answer's record as an auditor reads it: the steps of its trace, made into one plain value that can be told in order.

References, scores and decisions only. Titles and headings name what a chunk is; its words are not read here at all, and
an auditor without a grant never gets them. Steps are read as they stand: what tampering left of them must still show.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from accounts.models import AuditEvent
from assistant import trace
from assistant.auditing.questions import GONE, references
from assistant.auditing.stored import (
    Json,
    entries_of,
    mapping,
    number_of,
    numbers_in,
    part_of,
    whole_of,
    words_of,
)
from assistant.auditing.telling import told
from assistant.auditing.types import (
    AnswerRecord,
    Bridge,
    Candidate,
    Evidence,
    Fate,
    Kept,
    Opening,
    QuoteCheck,
    Ranked,
    Reference,
    Search,
    Stage,
)
from assistant.models import Question, TraceStep
from ingestion.explain import names_of
from ingestion.models import Chunk

WITHHELD = {
    "not_permitted": "its rule does not admit the asker",
    "removed": "the document had been removed",
    "old_version": "from a version that has been replaced",
    "unknown": "no longer held at all",
}
"""Why the gate kept a passage back, in words."""


def answer_record(question: Question) -> AnswerRecord:
    """Return the record of one question, finished or not."""
    steps = trace.read_steps(question)
    read = _Reader(question, steps)
    anchor = trace.anchor_of(question)
    subject = f"question:{question.public_id}"
    ending = (
        AuditEvent.objects.filter(subject=subject, type__in=trace.ENDINGS.values())
        .order_by("position")
        .last()
    )
    return AnswerRecord(
        question=question,
        asker=read.asker,
        stages=read.stages(anchor),
        searches=read.searches(read.record("search")),
        withheld=tuple(read.kept(entry) for entry in read.withheld()),
        bridges=read.bridges(),
        ranked=read.ranked(),
        evidence=read.evidence(),
        left_out=tuple(
            Kept(read.of(whole_of(entry, "chunk")), read.left_out_because(entry))
            for entry in entries_of(read.record("context"), "left_out")
        ),
        weighed=read.weighed(),
        quotes=read.quotes(),
        cited=read.cited(),
        pointed_to=read.pointed_to(),
        openings=_openings(question, read.cited_documents()),
        anchor=anchor,
        last_digest=steps[-1].digest if steps else anchor,
        ending=ending,
    )


@dataclass
class _Reader:
    """The steps of one question with the names of everything they refer to."""

    question: Question
    steps: Sequence[TraceStep]
    by_name: dict[str, TraceStep] = field(init=False)
    chunks: dict[int, Reference] = field(init=False)
    documents: dict[int, tuple[str, str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.asker = self.question.conversation.owner.name
        self.by_name = {step.name: step for step in self.steps}
        found = [numbers_in(step.record, "chunk") for step in self.steps if step.name == "search"]
        self.not_found_again = set[int]().union(*found).difference(*found[-1:])
        documents = {number for step in self.steps for number in numbers_in(step.record, "document")}
        self.documents = references(documents)
        self.chunks = _references({n for step in self.steps for n in numbers_in(step.record, "chunk")})
        self.numbers: dict[int, list[int]] = {}
        for entry in entries_of(self.record("record"), "citations"):
            self.numbers.setdefault(whole_of(entry, "chunk"), []).append(whole_of(entry, "number"))
        self.withheld_because = {whole_of(e, "chunk"): words_of(e, "reason") for e in self.withheld()}
        self.left_out = {whole_of(e, "chunk"): e for e in entries_of(self.record("context"), "left_out")}
        self.in_evidence = {whole_of(e, "chunk") for e in entries_of(self.record("context"), "items")}

    def record(self, name: str) -> Json:
        step = self.by_name.get(name)
        return step.record if step else {}

    def of(self, chunk: int, document: int = 0) -> Reference:
        """Return what a chunk is; of one that was purged at least its document, where that is still known."""
        found = self.chunks.get(chunk)
        if found is not None:
            return found
        public_id, title, source = self.documents.get(document, ("", GONE, ""))
        return Reference(chunk, title, source, public_id)

    # What each part of the record holds -------------------------------------------------------------------------

    def withheld(self) -> list[Json]:
        found = {
            whole_of(entry, "chunk"): entry
            for step in self.steps
            if step.name in {"gate", "synonyms", "bridge", "sufficiency", "record"}
            for entry in entries_of(step.record, "withheld")
        }
        return list(found.values())

    def kept(self, entry: Json) -> Kept:
        reason = words_of(entry, "reason")
        return Kept(
            self.of(whole_of(entry, "chunk"), whole_of(entry, "document")),
            WITHHELD.get(reason, reason or "unknown"),
        )

    def fate(self, chunk: int) -> Fate:
        """Return what became of a chunk in the end."""
        if chunk in self.numbers:
            numbers = " and ".join(str(number) for number in sorted(self.numbers[chunk]))
            return Fate("cited", f"cited as {numbers}")
        if chunk in self.withheld_because:
            reason = self.withheld_because[chunk]
            return Fate("withheld", f"withheld: {WITHHELD.get(reason, reason)}")
        if chunk in self.in_evidence:
            return Fate("read", "read, not quoted")
        if chunk in self.left_out:
            return Fate("lost", f"lost: {self.left_out_because(self.left_out[chunk])}")
        if chunk in self.not_found_again:
            return Fate("lost", "lost: not found when searched again")
        return Fate("lost", "lost: the run ended before it was weighed")

    def left_out_because(self, entry: Json) -> str:
        reason = words_of(entry, "reason")
        before, _, twin = reason.rpartition(" ")
        # "says the same as <chunk>": an id means nothing to a reader.
        return f"{before} “{self.of(int(twin)).title}”" if before and twin.isdecimal() else reason

    def searches(self, record: Json) -> tuple[Search, ...]:
        """Return the searches of one search step; a question that was read in other words has two such steps."""
        texts = {
            whole_of(entry, "number"): words_of(entry, "text")
            for entry in entries_of(self.record("plan"), "sub_queries")
        }
        return tuple(
            Search(number, texts.get(number, ""), self._candidates(entries_of(entry, "candidates")))
            for entry in entries_of(record, "sub_queries")
            for number in [whole_of(entry, "number")]
        )

    def _candidates(self, entries: Sequence[Json]) -> tuple[Candidate, ...]:
        highest = max((number_of(entry, "keyword") for entry in entries), default=0.0) or 1.0
        return tuple(
            Candidate(
                of=self.of(chunk, whole_of(entry, "document")),
                keyword=None if entry.get("keyword") is None else number_of(entry, "keyword"),
                meaning=None if entry.get("dense") is None else number_of(entry, "dense"),
                fused=number_of(entry, "fused"),
                keyword_part=part_of(number_of(entry, "keyword") / highest),
                meaning_part=part_of(number_of(entry, "dense")),
                fused_part=part_of(number_of(entry, "fused")),
                fate=self.fate(chunk),
            )
            for entry in entries
            for chunk in [whole_of(entry, "chunk")]
        )

    def admitted_as(self, record: Json) -> tuple[str, ...]:
        """Return the names through which the asker was admitted to what passed a gate, the most frequent first."""
        held: Counter[str] = Counter()
        for entry in entries_of(record, "passed"):
            clauses = entry.get("through")
            for clause in clauses if isinstance(clauses, list) else []:
                held.update(str(p) for p in clause if isinstance(clause, list))
        name_of = names_of(held)
        return tuple(dict.fromkeys(name_of(principal) for principal, _ in held.most_common()))

    def bridges(self) -> tuple[Bridge, ...]:
        """Return the documents that the question or a passage called by their title, and where."""
        found = []
        for entry in entries_of(mapping(self.record("search").get("named")), "documents"):
            public_id, title, _ = self.documents.get(whole_of(entry, "document"), ("", GONE, ""))
            found.append(Bridge(title, public_id, "the question"))
        for entry in entries_of(self.record("bridge"), "bridges"):
            public_id, title, _ = self.documents.get(whole_of(entry, "document"), ("", GONE, ""))
            chunk = whole_of(entry, "chunk")
            where = f"“{self.of(chunk).title}”" if chunk else f"the {words_of(entry, 'named_in')}"
            found.append(Bridge(title, public_id, where, entry.get("is_link") is True))
        return tuple(found)

    def ranked(self) -> tuple[Ranked, ...]:
        entries = entries_of(self.record("rerank"), "ranked")
        highest = max((number_of(entry, "score") for entry in entries), default=0.0) or 1.0
        found = []
        for rank, entry in enumerate(entries, start=1):
            chunk, features = whole_of(entry, "chunk"), mapping(entry.get("features"))
            found.append(
                Ranked(
                    rank=rank,
                    of=self.of(chunk, whole_of(entry, "document")),
                    score=number_of(entry, "score"),
                    part=part_of(number_of(entry, "score") / highest),
                    fused=number_of(features, "fused"),
                    together=number_of(features, "window"),
                    bridge=max(number_of(features, "bridge"), number_of(features, "named")),
                    fate=self.fate(chunk),
                )
            )
        return tuple(found)

    def evidence(self) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(
                whole_of(entry, "number"),
                self.of(whole_of(entry, "chunk"), whole_of(entry, "document")),
                whole_of(entry, "tokens"),
                self.fate(whole_of(entry, "chunk")),
            )
            for entry in entries_of(self.record("context"), "items")
        )

    def weighed(self) -> tuple[tuple[str, int], ...]:
        """Return how many sentences were weighed with each outcome, the chosen ones first."""
        counts = Counter(words_of(entry, "lost") for entry in entries_of(self.record("answer"), "considered"))
        chosen = counts.pop("", 0)
        lost = [(f"lost: {reason}", number) for reason, number in counts.most_common()]
        return (("chosen", chosen), *lost) if chosen or lost else ()

    def quotes(self) -> tuple[QuoteCheck, ...]:
        """Return every quote that was held against its passage: those that stand, then those that were struck."""
        verified = self.record("verify")
        struck = [*entries_of(verified, "struck"), *entries_of(self.record("record"), "struck")]
        return tuple(self._quote(entry) for entry in (*entries_of(verified, "footnotes"), *struck))

    def cited(self) -> tuple[QuoteCheck, ...]:
        return tuple(self._quote(entry) for entry in entries_of(self.record("record"), "citations"))

    def pointed_to(self) -> tuple[Reference, ...]:
        """Return the passages that a refusal sent the asker to."""
        refusal = mapping(self.record("record").get("refusal"))
        return tuple(self.of(whole_of(entry, "chunk")) for entry in entries_of(refusal, "nearest"))

    def cited_documents(self) -> dict[str, str]:
        """Return the public ids of the cited documents with their titles."""
        return {quote.of.document: quote.of.title for quote in self.cited() if quote.of.document}

    def _quote(self, entry: Json) -> QuoteCheck:
        return QuoteCheck(
            whole_of(entry, "number"),
            self.of(whole_of(entry, "chunk"), whole_of(entry, "document")),
            whole_of(entry, "start"),
            whole_of(entry, "end"),
            words_of(entry, "quote_digest"),
            words_of(entry, "reason"),
        )

    # The steps in words -----------------------------------------------------------------------------------------

    def stages(self, anchor: str) -> tuple[Stage, ...]:
        stages, previous, expected = [], anchor, 1
        for step in self.steps:
            title, lines, mood = told(step, self.asker, self.question.text)
            derived = trace.digest_of_step(
                step.position, step.name, step.record, step.milliseconds, step.at, step.previous
            )
            is_true = (derived, step.previous, step.position) == (step.digest, previous, expected)
            milliseconds = number_of({"ms": step.milliseconds}, "ms")
            stages.append(
                Stage(
                    step.position,
                    step.name,
                    title,
                    lines,
                    milliseconds,
                    step.digest,
                    is_true,
                    mood,
                    self.searches(step.record) if step.name == "search" else (),
                    self.admitted_as(step.record) if step.name == "gate" else (),
                    is_last=step is self.by_name[step.name],
                )
            )
            previous, expected = step.digest, step.position + 1
        return tuple(stages)


def _openings(question: Question, documents: Mapping[str, str]) -> tuple[Opening, ...]:
    """Return who opened a footnote of this answer, and when its asker opened a document it cites, afterwards."""
    found = list(
        AuditEvent.objects.filter(subject=f"question:{question.public_id}", type="citation.opened").order_by(
            "position"
        )
    )
    found += AuditEvent.objects.filter(
        subject__in=[f"document:{public_id}" for public_id in documents],
        type__in=["document.opened", "document.original_downloaded"],
        actor=f"user:{question.conversation.owner_id}",
        at__gte=question.asked_at,
    ).order_by("position")
    return tuple(Opening(event, _opened(event)) for event in sorted(found, key=lambda event: event.position))


def _opened(event: AuditEvent) -> str:
    if event.type == "citation.opened":
        return f"opened footnote {mapping(event.details).get('footnote', '?')}"
    return "downloaded the original of" if event.type.endswith("downloaded") else "opened"


def _references(chunks: Iterable[int]) -> dict[int, Reference]:
    """Return what chunks are: titles, headings and pages. Their text is not among the columns."""
    rows = Chunk.objects.filter(pk__in=set(chunks)).values_list(
        "pk", "version__document__title", "version__document__source__name", "version__document__public_id",
        "headings", "page",
    )  # fmt: skip
    return {
        pk: Reference(pk, title, source, str(public_id), tuple(str(heading) for heading in headings), page)
        for pk, title, source, public_id, headings, page in rows
    }
