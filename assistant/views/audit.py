"""The Audit desk for answers: what was asked, and the record of each answer, for auditors.

An auditor sees references and decisions. An answer's words come from documents, so they pass the gate under the
auditor's own rights like anybody's; what they show is named in the event that says the auditor looked.
"""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.audit import by_request, record
from accounts.canonical import digest_of
from accounts.models import AuditEvent
from accounts.permissions import auditor_only
from accounts.requests import SignedInRequest
from accounts.streaming import streamed
from accounts.viewer import Viewer
from assistant.auditing.figures import figures_of
from assistant.auditing.forms import QuestionFilterForm
from assistant.auditing.questions import PAGE, QuestionFilter, csv_lines, jsonl_lines, lines_of
from assistant.auditing.record import answer_record
from assistant.cautions import Caution, cautions_about
from assistant.history import shown_answer
from assistant.models import Answer, Feedback, Question
from assistant.screening import label_of
from assistant.shown import ShownAnswer
from assistant.trace import verify_record

_EXPORTS = {"csv": ("text/csv; charset=utf-8", csv_lines), "jsonl": ("application/x-ndjson", jsonl_lines)}
# A ruined record may disagree everywhere; the event that says so names the first of it.
_MOST_NAMED = 50


@auditor_only
@never_cache
@require_safe
def audit(request: SignedInRequest) -> HttpResponse:
    """List questions and how they ended, newest first, narrowed, with what they add up to."""
    form = QuestionFilterForm(request.GET)
    chosen = _filter(form)
    questions = chosen.questions()
    page = Paginator(questions, PAGE).get_page(request.GET.get("page"))
    _record_look(request, chosen)
    context = {
        "form": form,
        "page": page,
        "lines": lines_of(page.object_list),
        "figures": figures_of(questions),
        "query": urlencode(chosen.as_query()),
        "narrowed": chosen.as_query(),
    }
    return render(request, "assistant/audit.html#list" if request.htmx else "assistant/audit.html", context)


@auditor_only
@require_safe
def audit_export(request: SignedInRequest) -> StreamingHttpResponse:
    """Send the narrowed table, oldest first, as CSV or as one JSON object a line."""
    form = request.GET.get("form", "csv")
    if form not in _EXPORTS:
        raise Http404
    chosen = _filter(QuestionFilterForm(request.GET))
    content_type, lines = _EXPORTS[form]
    record(
        "audit.exported",
        by=by_request(request),
        subject="audit:answers",
        details={"form": form, "filter": chosen.as_query()},
    )
    name = f"footnote-answers-{timezone.now():%Y-%m-%d-%H%M}.{form}"
    return streamed(request, lines(chosen.questions()), content_type=content_type, filename=name)


@auditor_only
@never_cache
@require_safe
def audit_answer(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Show how one answer came about, step by step."""
    found = _question(question)
    answer = Answer.objects.filter(question=found).first()
    words = Words.of(answer, request.viewer)
    record(
        "audit.viewed",
        by=by_request(request),
        subject=f"question:{found.public_id}",
        subject_label=label_of(found.text),
        details={"footnotes_read": words.footnotes_read, "documents_read": words.documents_read},
    )
    context = {
        "question": found,
        "asker": found.conversation.owner,
        "answer": answer,
        "record": answer_record(found),
        "words": words,
        "feedback": Feedback.objects.filter(answer=answer).first() if answer else None,
        "checked": _last_check(found),
    }
    return render(request, "assistant/audit_answer.html", context)


@auditor_only
@require_POST
def audit_verify(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Derive every digest of one answer's record again, hold the rows against it, and say what was found."""
    found = _question(question)
    report = verify_record(found)
    sentences = [disagreement.sentence for disagreement in report.disagreements]
    record(
        "answer.verified",
        by=by_request(request),
        subject=f"question:{found.public_id}",
        subject_label=label_of(found.text),
        details={
            "intact": report.is_intact,
            "steps": report.steps,
            "footnotes": report.citations,
            "unverifiable": list(report.unverifiable),
            "last_digest": report.last_digest,
            "found": len(sentences),
            "sentences": sentences[:_MOST_NAMED],
        },
    )
    if request.htmx:
        context = {"question": found, "checked": _last_check(found), "is_fresh": True}
        return render(request, "assistant/audit_answer.html#verdict", context)
    if report.is_intact:
        messages.success(request, "Every digest of this record was derived again, and all agree.")
    else:
        number = len(sentences)
        messages.error(
            request, f"This record does not agree: {number} thing{'' if number == 1 else 's'}, named below."
        )
    return redirect("assistant:audit_answer", found.public_id)


@dataclass(frozen=True)
class SaidSentence:
    """One sentence of an answer as the auditor may see it: its words by grant, its footnotes always."""

    words: str
    numbers: tuple[int, ...]
    support: str


@dataclass(frozen=True)
class Words:
    """What of an answer's words this auditor may read now."""

    sentences: tuple[SaidSentence, ...] = ()
    cautions: tuple[Caution, ...] = ()
    footnotes_read: tuple[int, ...] = ()
    documents_read: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Answer | None, viewer: Viewer) -> "Words":
        """Return the answer's words as far as the gate lets this viewer have them."""
        if answer is None:
            return cls()
        shown: ShownAnswer = shown_answer(answer, viewer)
        read = [citation for citation in shown.citations if citation.is_available]
        return cls(
            tuple(SaidSentence(claim.words, claim.numbers, claim.support) for claim in shown.claims),
            cautions_about(shown.claims),
            tuple(citation.number for citation in read),
            tuple(dict.fromkeys(citation.document for citation in read)),
        )

    @property
    def hidden(self) -> int:
        return sum(not sentence.words for sentence in self.sentences)


def _question(public_id: UUID) -> Question:
    return get_object_or_404(Question.objects.select_related("conversation__owner"), public_id=public_id)


def _last_check(question: Question) -> AuditEvent | None:
    subject = f"question:{question.public_id}"
    return AuditEvent.objects.filter(subject=subject, type="answer.verified").order_by("position").last()


def _filter(form: QuestionFilterForm) -> QuestionFilter:
    # A field that cannot be read narrows nothing; the form says so beside it.
    form.is_valid()
    return QuestionFilter(**{name: value for name, value in form.cleaned_data.items() if value})


def _record_look(request: SignedInRequest, chosen: QuestionFilter) -> None:
    """Record that the auditor looked, once for each thing looked for in a row: paging and reloading add nothing."""
    looked = digest_of(chosen.as_query())
    if request.session.get("answers_looked") == looked:
        return
    request.session["answers_looked"] = looked
    record(
        "audit.viewed",
        by=by_request(request),
        subject="audit:answers",
        details={"filter": chosen.as_query()},
    )
