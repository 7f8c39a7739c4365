"""Everything that was asked, for auditors: narrowed, listed and exported. References and outcomes, no document's words."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.chain import moment
from accounts.events import spreadsheet_text
from accounts.models import User
from assistant.auditing.stored import spent
from assistant.models import Answer, Citation, Feedback, Question, TraceStep
from ingestion.models import Document, Source

PAGE = 25
_EXPORT_PAGE = 500


@dataclass(frozen=True)
class QuestionFilter:
    """What a list of questions is narrowed to; an empty field narrows nothing. Days are days of the server's time zone.

    `person` is part of a name or an e-mail address; `document` is part of a title or a document's public id.
    """

    text: str = ""
    person: str = ""
    outcome: str = ""
    feedback: str = ""
    source: Source | None = None
    document: str = ""
    since: date | None = None
    until: date | None = None

    def questions(self) -> QuerySet[Question]:
        """Return the matching questions, newest first."""
        found: QuerySet[Question] = Question.objects.select_related("conversation__owner").order_by(
            "-asked_at", "-pk"
        )
        if self.text:
            found = found.filter(text__icontains=self.text)
        if self.person:
            owner = "conversation__owner__"
            found = found.filter(
                Q(**{f"{owner}name__icontains": self.person}) | Q(**{f"{owner}email__icontains": self.person})
            )
        if self.outcome:
            found = found.filter(state=self.outcome)
        if self.feedback:
            found = _by_feedback(found, self.feedback)
        if self.source:
            found = found.filter(_citing(Document.objects.filter(source=self.source)))
        if self.document:
            found = found.filter(_citing(_documents(self.document)))
        if self.since:
            found = found.filter(asked_at__gte=_midnight(self.since))
        if self.until:
            found = found.filter(asked_at__lt=_midnight(self.until + timedelta(days=1)))
        return found

    def as_query(self) -> dict[str, str]:
        """Return what is narrowed, as the page's address spells it."""
        fields = {
            "text": self.text,
            "person": self.person,
            "outcome": self.outcome,
            "feedback": self.feedback,
            "source": str(self.source.public_id) if self.source else "",
            "document": self.document,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True)
class CitedDocument:
    """A document that an answer cites, by reference only. `title` says so when the document was deleted for good."""

    public_id: str
    title: str
    source: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """One question and what became of it."""

    question: Question
    asker: User
    answer: Answer | None
    feedback: Feedback | None
    documents: tuple[CitedDocument, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(document.source for document in self.documents if document.source))

    @property
    def footnotes(self) -> int:
        return sum(len(document.numbers) for document in self.documents)

    @property
    def took(self) -> str:
        return spent(self.answer.milliseconds) if self.answer else ""


GONE = "A document that was deleted for good"


def lines_of(questions: Iterable[Question]) -> list[Line]:
    """Return the questions with answers, feedback and cited documents, in a fixed number of queries."""
    questions = list(questions)
    answers = {
        answer.question_id: answer
        for answer in Answer.objects.filter(question__in=[q.pk for q in questions]).prefetch_related(
            "citations"
        )
    }
    feedback = {
        given.answer_id: given
        for given in Feedback.objects.filter(answer__in=[answer.pk for answer in answers.values()])
    }
    cited = {citation.document_id for answer in answers.values() for citation in answer.citations.all()}
    known = references(cited)
    lines = []
    for question in questions:
        answer = answers.get(question.pk)
        lines.append(
            Line(
                question,
                question.conversation.owner,
                answer,
                feedback.get(answer.pk) if answer else None,
                _documents_of(answer.citations.all(), known) if answer else (),
            )
        )
    return lines


def references(documents: Iterable[int]) -> dict[int, tuple[str, str, str]]:
    """Return public id, title and source's name of documents by primary key, the removed ones included. No text."""
    rows = Document.objects.filter(pk__in=set(documents)).values_list(
        "pk", "public_id", "title", "source__name"
    )
    return {pk: (str(public_id), title, source) for pk, public_id, title, source in rows}


def jsonl_lines(questions: QuerySet[Question]) -> Iterator[bytes]:
    """Yield the questions oldest first, one JSON object a line."""
    for values in _exported(questions):
        yield json.dumps(values, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"


COLUMNS = (
    "question", "asked_at", "finished_at", "asked_by", "email", "text", "outcome", "error", "method", "milliseconds",
    "footnotes", "sources", "documents", "feedback", "feedback_reason", "steps", "last_digest",
)  # fmt: skip


def csv_lines(questions: QuerySet[Question]) -> Iterator[bytes]:
    """Yield the questions oldest first as CSV with a header line, safe to open in a spreadsheet."""
    yield _csv_row(COLUMNS)
    for values in _exported(questions):
        yield _csv_row([_plain(values[column]) for column in COLUMNS])


def _exported(questions: QuerySet[Question]) -> Iterator[Mapping[str, Any]]:  # Any: JSON values
    """Yield each question's fields, page by page, up to what was asked when the export began."""
    ordered = questions.order_by("pk")
    last, after = ordered.values_list("pk", flat=True).last(), 0
    while last is not None:
        page = list(ordered.filter(pk__gt=after, pk__lte=last)[:_EXPORT_PAGE])
        ends = _ends([question.pk for question in page])
        for line in lines_of(page):
            yield _fields(line, *ends.get(line.question.pk, (0, "")))
        if len(page) < _EXPORT_PAGE:
            return
        after = page[-1].pk


def _ends(questions: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Return for each question the position and the digest of its last step."""
    rows = TraceStep.objects.filter(question_id__in=questions).order_by("question_id", "position")
    return {
        pk: (position, digest)
        for pk, position, digest in rows.values_list("question_id", "position", "digest")
    }


def _fields(line: Line, steps: int, last_digest: str) -> Mapping[str, Any]:  # Any: JSON values
    question, answer, feedback = line.question, line.answer, line.feedback
    return {
        "question": str(question.public_id),
        "asked_at": moment(question.asked_at),
        "finished_at": moment(question.finished_at) if question.finished_at else "",
        "asked_by": line.asker.name,
        "email": line.asker.email,
        "text": question.text,
        "outcome": question.state,
        "error": question.error,
        "method": answer.method if answer else "",
        "milliseconds": answer.milliseconds if answer else None,
        "footnotes": line.footnotes,
        "sources": list(line.sources),
        "documents": [document.title for document in line.documents],
        "feedback": "" if feedback is None else "good" if feedback.is_good else "bad",
        "feedback_reason": feedback.reason if feedback else "",
        "steps": steps,
        "last_digest": last_digest,
    }


def _documents_of(
    citations: Iterable[Citation], known: Mapping[int, tuple[str, str, str]]
) -> tuple[CitedDocument, ...]:
    numbers: dict[int, list[int]] = {}
    for citation in citations:
        numbers.setdefault(citation.document_id, []).append(citation.number)
    return tuple(
        CitedDocument(*known.get(document, ("", GONE, "")), numbers=tuple(sorted(found)))
        for document, found in numbers.items()
    )


def _citing(documents: QuerySet[Document]) -> Exists:
    return Exists(
        Citation.objects.filter(answer__question=OuterRef("pk"), document_id__in=documents.values("pk"))
    )


def _documents(words: str) -> QuerySet[Document]:
    try:
        found: QuerySet[Document] = Document.objects.filter(public_id=UUID(words))
    except ValueError:
        found = Document.objects.filter(title__icontains=words)
    return found


def _by_feedback(questions: QuerySet[Question], feedback: str) -> QuerySet[Question]:
    given = Feedback.objects.filter(answer__question=OuterRef("pk"))
    if feedback == "none":
        return questions.filter(~Exists(given))
    return questions.filter(Exists(given.filter(is_good=feedback == "good")))


def _csv_row(values: Iterable[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue().encode("utf-8", "replace")


def _plain(value: object) -> str:
    if isinstance(value, list):
        value = "; ".join(str(part) for part in value)
    return spreadsheet_text("" if value is None else value)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
