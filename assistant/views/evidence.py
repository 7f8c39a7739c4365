"""Evidence: what a footnote stands on, how an answer came about, and what the asker thinks of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import by_request, record
from accounts.permissions import signed_in
from accounts.requests import SignedInRequest
from assistant import actions
from assistant.auditing.stored import quoted
from assistant.history import shown_answer
from assistant.models import Answer, Question, TraceStep
from assistant.shown import ShownCitation
from assistant.views.ask import desk_turn, place_of
from assistant.views.turns import FEEDBACK_REASONS, DeskTurn, duration, own_question
from ingestion.models import Document, DocumentVersion
from ingestion.rendering import blocks_around, page_span
from ingestion.views.reading import is_paged, page_image_url


@signed_in
@never_cache
@require_GET
def footnote(request: SignedInRequest, question: UUID, number: int) -> HttpResponse:
    """Show what one footnote stands on: beside the answer for HTMX, on a page of its own without script."""
    found = own_question(request.user, question)
    answer = get_object_or_404(Answer, question=found)
    citations = {c.number: c for c in shown_answer(answer, request.viewer).citations}
    note = citations.get(number)
    if note is None or not note.is_available:
        raise Http404
    # The words passed the gate above; the document around them is asked for under the same rights.
    document = get_object_or_404(
        Document.objects.visible_to(request.viewer).select_related("source", "current_version"),
        public_id=note.document,
    )
    version = document.current_version
    if version is None or not 0 <= note.start < note.end <= len(version.text):
        raise Http404
    record(
        "citation.opened",
        by=by_request(request),
        subject=f"question:{found.public_id}",
        subject_label=document.title,
        details={"footnote": number, "document": str(document.public_id), "version": version.number},
    )
    open_ones = sorted(n for n, c in citations.items() if c.is_available)
    context = {
        "question": found,
        "note": note,
        "count": len(citations),
        "document": document,
        "version": version,
        "back_url": place_of(found),
        "previous_url": _footnote_url(found, max((n for n in open_ones if n < number), default=0)),
        "next_url": _footnote_url(found, min((n for n in open_ones if n > number), default=0)),
        "original_url": reverse("ingestion:original", args=[document.public_id]) if version.file else "",
        "document_url": f"{reverse('ingestion:document', args=[document.public_id])}?quote={note.start}-{note.end}#quote",
        "why": note.why,
        **_view(document, version, note),
    }
    page = "assistant/footnote.html"
    return render(request, f"{page}#panel" if request.htmx else page, context)


def _footnote_url(question: Question, number: int) -> str:
    return reverse("assistant:footnote", args=[question.public_id, number]) if number else ""


def _view(document: Document, version: DocumentVersion, note: ShownCitation) -> dict[str, object]:
    """Return the page's image with the words lit where there are pages, else the section as a sheet."""
    sheet = blocks_around(version, note.start, note.end)
    span = page_span(version, note.page) if note.page else None
    if not is_paged(version) or note.page is None or span is None:
        return {"sheet": sheet}
    lit = ((max(note.start, span[0]), min(note.end, span[1])),)
    image = page_image_url(document.public_id, version.number, note.page, lit)
    return {
        "sheet": sheet,
        "image_url": image,
        "image_srcset": f"{image} 1x, {image}&scale=2 2x",
        "image_alt": f"Page {note.page} of {document.title} with these words lit: {note.quote}",
        "image_loading": "eager",
    }


@dataclass(frozen=True)
class Stage:
    """One stage of answering, told to the asker."""

    title: str
    lines: tuple[str, ...] = ()
    time: str = ""
    mood: str = ""


@signed_in
@never_cache
@require_GET
def steps(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Tell the asker how their own answer came about: what was looked for, where, and how long it took."""
    found = own_question(request.user, question)
    context = {
        "question": found,
        "stages": stages(request, found),
        "spent": time_spent(found),
        "back_url": place_of(found),
    }
    return render(request, "assistant/steps.html", context)


@dataclass(frozen=True)
class Spent:
    """Time spent on one part of answering, and where its stretch lies on a bar 1000 wide."""

    name: str
    kind: str
    time: str
    start: float
    width: float


PLANNING = ("screen", "plan")
SEARCHING = ("search", "gate", "spelling", "synonyms", "bridge", "sufficiency", "rerank", "context")
PARTS = (
    ("planning", "same", PLANNING),
    ("searching", "part", SEARCHING),
    ("answering and checking", "done", ("answer", "verify")),
)


def time_spent(question: Question) -> list[Spent]:
    """Return how the time of an answer was spent, for a bar."""
    steps = TraceStep.objects.filter(question_id=question.pk).values_list("name", "milliseconds")
    took: dict[str, float] = {}
    for name, milliseconds in steps:
        took[name] = took.get(name, 0.0) + milliseconds
    sums = [sum(took.get(name, 0.0) for name in names) for _, _, names in PARTS]
    total, at, spent = sum(sums), 0.0, []
    for (name, kind, _), milliseconds in zip(PARTS, sums, strict=True):
        if milliseconds and total:
            width = milliseconds / total * 1000
            spent.append(Spent(name, kind, duration(milliseconds), round(at, 1), round(width, 1)))
            at += width
    return spent


def stages(request: SignedInRequest, question: Question) -> list[Stage]:
    """Return the stages in the asker's terms. Says nothing of what was found and not permitted."""
    turn = desk_turn(request, question)
    steps = list(TraceStep.objects.filter(question_id=question.pk).order_by("position"))
    rows = {step.name: step for step in steps}

    def took(*names: str) -> str:
        spent = [step.milliseconds for step in steps if step.name in names]
        return duration(sum(spent)) if spent else ""

    asked = question.asked_at
    told = [Stage("You asked", (f"{asked:%-d %B %Y, %H:%M:%S} UTC, {len(question.text)} characters.",))]
    if turn.searches:
        count = len(turn.searches)
        plan = rows["plan"].record
        lines = [f"{search.number}. {search.text}" for search in turn.searches]
        where = [f"Searched in: {' · '.join(turn.narrowed)}."] if turn.narrowed else []
        if plan.get("standalone", question.text) != question.text and count == 1:
            lines = [f"Read as: {plan['standalone']}"]
        told.append(
            Stage(
                f"Planned into {count} sub-question{'' if count == 1 else 's'}",
                (*lines, *where, *turn.not_used, _planned_by(plan)),
                took(*PLANNING),
            )
        )
        if turn.searches[0].is_done:
            lines = [f"{search.number}. {search.found}" for search in turn.searches]
            if "spelling" in rows:
                words = quoted(rows["spelling"].record.get("words"))
                lines.append(f"Nothing found spells {words} so: searched again with the nearest words there.")
            if "synonyms" in rows:
                read = rows["synonyms"].record
                then = ": searched again with what it is called there"
                other = then if read.get("read_otherwise") else ", nor of what else it may be called"
                lines.append(f"Nothing found speaks of {quoted(read.get('words'))}{other}.")
            told.append(
                Stage(
                    "Searched the documents you may read",
                    (*lines, "Each passage was checked against your rights again before it was read."),
                    took(*SEARCHING),
                )
            )
    return told + _ending(turn, took("answer", "verify", "clarify"))


def _planned_by(plan: Mapping[str, object]) -> str:
    if plan.get("model"):
        return f"Planned by the model {plan['model']}."
    rule = plan.get("rule", "")
    return f"Planning rule: {rule}. No model used." if rule else "No model used."


def _ending(turn: DeskTurn, time: str) -> list[Stage]:
    question, answer = turn.question, turn.answer
    if question.state in {Question.State.FAILED, Question.State.INTERRUPTED}:
        return [Stage("Ended without an answer", (question.error,), "", "bad")]
    if answer is None:
        return [Stage("Still being answered")]
    if answer.outcome == "clarify":
        return [Stage("Asked back", (answer.clarification, "Nothing was searched."), time)]
    if answer.outcome == "refused":
        return [Stage("Found no answer", ("Nothing is claimed without a passage that says it.",), time)]
    claims = turn.claims
    whole = sum(claim.support == "supported" for claim in claims)
    sources = ", ".join(answer.sources) or "no source you may still read"
    lines = [f"{len(answer.citations)} footnote{'' if len(answer.citations) == 1 else 's'} from {sources}."]
    if answer.method == "extractive":
        lines.append("Every sentence is taken word for word from its source; no model wrote any of it.")
        checked = "Every sentence stands, character for character, where its footnote says."
    else:
        checked = f"{whole} of {len(claims)} sentences are fully supported by the words they cite."
    return [
        Stage("Put the answer together", tuple(lines), time),
        Stage(
            "Checked sentence by sentence",
            (checked, *(caution.words for caution in turn.cautions)),
            "",
            "good" if whole == len(claims) else "",
        ),
    ]


@signed_in
@require_POST
def feedback(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Keep what the asker thinks of an answer."""
    found = own_question(request.user, question)
    answer = get_object_or_404(Answer, question=found)
    is_good = request.POST.get("verdict") == "good"
    reason = request.POST.get("reason", "")
    said = [reason if reason in FEEDBACK_REASONS else "", request.POST.get("words", "").strip()]
    given = actions.give_feedback(
        by=by_request(request),
        user=request.user,
        answer=answer,
        is_good=is_good,
        reason="" if is_good else ": ".join(filter(None, said)),
    )
    thanks = "Thank you. It is kept with the answer."
    if not request.htmx:
        messages.success(request, thanks)
        return redirect(place_of(found))
    context = {"question": found, "feedback": given, "feedback_reasons": FEEDBACK_REASONS}
    response = render(request, "assistant/_feedback.html", context)
    response["HX-Trigger"] = '{"footnote:toast": {"value": "Thank you. It is kept with the answer."}}'
    return response
