"""The record of how an answer came about: one row per stage, each chained to the one before, and its verification.

The chain begins at the question itself and ends in the audit event that says how the question ended; whoever changes a
step, a citation, the question's words or the answer breaks a digest that somebody else holds. Rows name chunks by id
and digest and hold no document text: the record is not a second corpus.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.canonical import digest_of, digest_of_bytes, storable
from accounts.chain import ChainReport, Disagreement, moment
from accounts.models import AuditEvent
from accounts.triggers import is_protected
from accounts.viewer import Viewer
from assistant.models import Answer, Citation, Question, TraceStep
from assistant.types import Record
from ingestion.models import Chunk

ENDINGS = {
    Question.State.ANSWERED: "question.answered",
    Question.State.REFUSED: "question.refused",
    Question.State.CLARIFY: "question.clarified",
    Question.State.FAILED: "question.failed",
    Question.State.INTERRUPTED: "question.interrupted",
}
"""The audit event that each final state ends in; its details name the last step's digest."""
STATES = {
    "answered": Question.State.ANSWERED,
    "refused": Question.State.REFUSED,
    "clarify": Question.State.CLARIFY,
}
"""The state that each outcome of an answer leaves its question in."""

_PAGE = 200
_MOST_NAMED = 200


def viewer_digest(viewer: Viewer) -> str:
    """Return the digest that proves under whose rights something was asked without storing the rights."""
    return digest_of({"user": viewer.user_id, "principals": sorted(viewer.principals)})


def anchor_of(question: Question) -> str:
    """Return what the first step of a question names as the digest before it: the digest of the question itself."""
    picked = {"filters": question.filters} if question.filters else {}
    return digest_of(
        {
            "question": str(question.public_id),
            "text": question.text,
            "viewer": question.viewer_digest,
            "asked_at": moment(question.asked_at),
            **picked,
        }
    )


def digest_of_step(
    position: int, name: str, record: Record, milliseconds: float, at: datetime, previous: str
) -> str:
    """Return the digest of one step over its canonical JSON."""
    return digest_of(
        {
            "position": position,
            "name": name,
            "record": record,
            "milliseconds": milliseconds,
            "at": moment(at),
            "previous": previous,
        }
    )


def last_digest(question: Question) -> str:
    """Return the digest the next step will name: the last step's, or the question's own while there is none."""
    last = TraceStep.objects.filter(question_id=question.pk).order_by("-position").first()
    return last.digest if last else anchor_of(question)


def append(
    question: Question,
    name: str,
    record: Mapping[str, Any],  # Any: JSON values
    milliseconds: float,
) -> TraceStep:
    """Write the next step of a question's record and return it. The caller holds the question's row locked."""
    last = TraceStep.objects.filter(question_id=question.pk).order_by("-position").first()
    position = last.position + 1 if last else 1
    previous = last.digest if last else anchor_of(question)
    kept: Record = storable(dict(record))
    at = timezone.now()
    took = round(float(milliseconds), 2)
    step = TraceStep(
        question_id=question.pk, position=position, name=name, record=kept, milliseconds=took, at=at,
        previous=previous, digest=digest_of_step(position, name, kept, took, at, previous),
    )  # fmt: skip
    step.save()
    return step


def read_steps(question: Question) -> list[TraceStep]:
    """Return a question's steps in order, as they stand in the database, also where a record is no longer JSON.

    Tampering must not keep a record from being shown and verified: such a step holds what was found in its place, and
    its digest disagrees.
    """
    rows = TraceStep.objects.filter(question_id=question.pk).defer("record").order_by("position")
    steps = []
    for step in rows.annotate(stored=Cast("record", TextField())):
        try:
            kept = json.loads(step.stored)
        except (TypeError, ValueError):
            kept = None
        step.record = kept if isinstance(kept, dict) else {"unreadable": str(step.stored)}
        steps.append(step)
    return steps


def record_of_answer(answer: Answer, citations: Sequence[Citation]) -> Record:
    """Return what the last step keeps of an answer: everything its rows say, so that the rows can be held against it."""
    asked_back = {"clarification": answer.clarification} if answer.clarification else {}
    return {
        **asked_back,
        "outcome": answer.outcome,
        "method": answer.method,
        "claims": answer.claims,
        "refusal": answer.refusal,
        "citations": [
            {
                "number": c.number,
                "chunk": c.chunk_id,
                "chunk_digest": c.chunk_digest,
                "document": c.document_id,
                "version": c.version_id,
                "start": c.start,
                "end": c.end,
                "quote_digest": c.quote_digest,
            }
            for c in citations
        ],
    }


@dataclass(frozen=True)
class RecordReport:
    """What verifying one question's record found. `unverifiable` names citations whose text has been purged since."""

    question: str
    steps: int
    citations: int
    last_digest: str
    disagreements: tuple[Disagreement, ...] = ()
    unverifiable: tuple[int, ...] = ()

    @property
    def is_intact(self) -> bool:
        return not self.disagreements


def verify_record(question: Question) -> RecordReport:
    """Derive every digest of a question's record again and hold answer and citations against it. Shows no text."""
    found: list[Disagreement] = []
    steps = read_steps(question)
    last = _verify_steps(question, steps, found)
    _verify_events(question, last, found)
    answer = Answer.objects.filter(question=question).first()
    citations = list(Citation.objects.filter(answer=answer).order_by("number")) if answer else []
    _verify_answer(question, steps, answer, citations, found)
    unverifiable = _verify_citations(citations, found)
    return RecordReport(
        str(question.public_id), len(steps), len(citations), last, tuple(found), tuple(unverifiable)
    )


def verify_records() -> ChainReport:
    """Verify the record of every finished question; the check that `verify_audit` runs beside the audit chain."""
    found: list[Disagreement] = []
    left_off = checked = 0
    if not is_protected(connection, TraceStep._meta.db_table):
        found.append(
            Disagreement(
                0,
                "The database does not refuse changes to the trace steps: its triggers are missing or switched off. "
                "`manage.py verify_audit --protect` puts them back.",
            )
        )
    for question in _finished():
        report = verify_record(question)
        checked += report.steps
        for disagreement in report.disagreements:
            if len(found) < _MOST_NAMED:
                found.append(
                    Disagreement(
                        question.pk, f"Question {question.public_id}: {_lowered(disagreement.sentence)}"
                    )
                )
            else:
                left_off += 1
    return ChainReport(name="answer records", checked=checked, disagreements=tuple(found), left_off=left_off)


def _finished() -> Iterable[Question]:
    after = 0
    while True:
        page = list(
            Question.objects.filter(pk__gt=after).exclude(state=Question.State.RUNNING).order_by("pk")[:_PAGE]
        )
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].pk


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _verify_steps(question: Question, steps: Sequence[TraceStep], found: list[Disagreement]) -> str:
    """Check each step and its link; return the digest the last step has, or the question's own when there is none."""
    previous, expected = anchor_of(question), 1
    for step in steps:
        if step.position != expected:
            found.append(Disagreement(expected, f"Step {expected} is missing."))
        elif step.previous != previous:
            what = "question" if expected == 1 else f"step {expected - 1}"
            found.append(
                Disagreement(step.position, f"Step {step.position} does not follow from the {what}.")
            )
        derived = digest_of_step(
            step.position, step.name, step.record, step.milliseconds, step.at, step.previous
        )
        if derived != step.digest:
            found.append(
                Disagreement(
                    step.position, f"Step {step.position} ({step.name}) was changed after it was written."
                )
            )
        previous, expected = step.digest, step.position + 1
    return previous


def _verify_events(question: Question, last: str, found: list[Disagreement]) -> None:
    """Hold the chain's two ends against the audit events that name them."""
    subject = f"question:{question.public_id}"
    events = list(
        AuditEvent.objects.filter(subject=subject, type__in=["question.asked", *ENDINGS.values()]).order_by(
            "position"
        )
    )
    asked = [event for event in events if event.type == "question.asked"]
    ended = [event for event in events if event.type != "question.asked"]
    if len(asked) != 1:
        found.append(Disagreement(0, f"The audit holds {len(asked)} events of its being asked, not one."))
    elif asked[0].details.get("anchor") != anchor_of(question):
        found.append(
            Disagreement(0, "The question's words, time or asker's rights are not those the audit recorded.")
        )
    if question.state == Question.State.RUNNING:
        return
    if len(ended) != 1:
        found.append(Disagreement(0, f"The audit holds {len(ended)} events of how it ended, not one."))
        return
    event = ended[0]
    if event.details.get("last_digest") != last:
        found.append(
            Disagreement(0, "The last step is not the one the audit names: steps were cut or added.")
        )
    if event.type != ENDINGS[Question.State(question.state)]:
        found.append(
            Disagreement(
                0, f"The question says “{question.get_state_display()}”, the audit says {event.type}."
            )
        )


def _verify_answer(
    question: Question,
    steps: Sequence[TraceStep],
    answer: Answer | None,
    citations: Sequence[Citation],
    found: list[Disagreement],
) -> None:
    recorded = next((step for step in reversed(steps) if step.name == "record"), None)
    if answer is None:
        if recorded is not None:
            found.append(Disagreement(recorded.position, "The answer that the last step records is gone."))
        return
    if recorded is None:
        found.append(Disagreement(0, "There is an answer that no step records."))
        return
    now = storable(record_of_answer(answer, citations))
    for part, words in (
        ("outcome", "outcome is"), ("method", "method is"), ("claims", "claims are"), ("refusal", "refusal is"),
        ("citations", "footnotes are"), ("clarification", "question back is"),
    ):  # fmt: skip
        if recorded.record.get(part) != now.get(part):
            found.append(
                Disagreement(recorded.position, f"The answer's {words} not what the last step recorded.")
            )
    if question.state != STATES.get(answer.outcome):
        found.append(Disagreement(0, "The question's state does not fit its answer."))


def _verify_citations(citations: Sequence[Citation], found: list[Disagreement]) -> list[int]:
    """Check that each footnote's words still stand in its chunk; return the numbers whose chunk has been purged."""
    rows = {
        pk: (start, text, digest)
        for pk, start, text, digest in Chunk.objects.filter(
            pk__in=[c.chunk_id for c in citations]
        ).values_list("pk", "start", "text", "digest")
    }
    purged = []
    for citation in citations:
        row = rows.get(citation.chunk_id)
        if row is None:
            purged.append(citation.number)
            continue
        start, text, digest = row
        words = text[citation.start - start : citation.end - start] if citation.start >= start else ""
        if (
            digest_of_bytes(text.encode()) != citation.chunk_digest
            or digest != citation.chunk_digest
            or digest_of_bytes(words.encode()) != citation.quote_digest
        ):
            found.append(
                Disagreement(
                    citation.number, f"Footnote {citation.number}: the cited text is not what was cited."
                )
            )
    return purged
