"""Asking: the empty page, a conversation, and the fragment of one answer."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import by_request
from accounts.permissions import signed_in
from accounts.requests import SignedInRequest
from assistant import actions
from assistant.history import shown_answer, shown_turns
from assistant.models import Answer, Conversation, Question
from assistant.narrowing import NO_PICKS, Picks, filters_from, picked, picker_for
from assistant.shown import ShownTurn
from assistant.suggestions import suggested_questions
from assistant.types import NotAskable
from assistant.views.conversations import listing
from assistant.views.turns import (
    FEEDBACK_REASONS,
    DeskTurn,
    box,
    desk_turns,
    own_conversation,
    own_question,
)
from ingestion.models import Document


@signed_in
@never_cache
@require_http_methods(["GET", "POST"])
def ask(request: SignedInRequest) -> HttpResponse:
    """Show the empty page, or take a first question and go to its conversation."""
    if request.method == "GET":
        return _empty_page(request, NO_PICKS)
    text, picks = request.POST.get("text", ""), Picks.posted(request.POST)
    try:
        question = _taken(request, None, text, picks)
    except NotAskable as error:
        return _empty_page(request, picks, text, str(error))
    return redirect("assistant:conversation", question.conversation.public_id)


def _taken(request: SignedInRequest, conversation: Conversation | None, text: str, picks: Picks) -> Question:
    """Take a question with what was picked beside it. Raises NotAskable."""
    return actions.ask(
        by=by_request(request),
        user=request.user,
        conversation=conversation,
        text=text,
        filters=picked(request.viewer, picks),
    )


def _empty_page(request: SignedInRequest, picks: Picks, text: str = "", error: str = "") -> HttpResponse:
    context = {
        "suggested": suggested_questions(request.viewer),
        "has_documents": Document.objects.visible_to(request.viewer).exists(),
        **listing(request.user),
        **box(picker_for(request.viewer, picks), text, error),
    }
    return render(request, "assistant/conversation.html", context, status=422 if error else 200)


@signed_in
@never_cache
@require_http_methods(["GET", "POST"])
def conversation(request: SignedInRequest, conversation: UUID) -> HttpResponse:
    """Show one of the person's conversations, or take a follow-up into it."""
    found = own_conversation(request.user, conversation)
    if request.method == "GET":
        return _thread(request, found, _still_picked(found))
    text, picks = request.POST.get("text", ""), Picks.posted(request.POST)
    try:
        question = _taken(request, found, text, picks)
    except NotAskable as error:
        return _not_taken(request, found, picks, text, str(error))
    return _new_turn(request, question)


@signed_in
@require_POST
def ask_again(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Ask a question once more that failed or was interrupted."""
    found = own_question(request.user, question)
    try:
        again = actions.ask_again(by=by_request(request), user=request.user, question=found)
    except NotAskable as error:
        return _not_taken(
            request, found.conversation, Picks.of(filters_from(found.filters)), found.text, str(error)
        )
    return _new_turn(request, again)


@signed_in
@never_cache
@require_GET
def question(request: SignedInRequest, question: UUID) -> HttpResponse:
    """Show one question with its answer: a fragment for the page that waits for it, else the page it stands on."""
    found = own_question(request.user, question)
    if not request.htmx:
        return redirect(place_of(found))
    return _turn(request, found)


def place_of(question: Question) -> str:
    """Return the address of a question within its conversation."""
    page = reverse("assistant:conversation", args=[question.conversation.public_id])
    return f"{page}#q-{question.public_id}"


def _still_picked(conversation: Conversation) -> Picks:
    """Return what the conversation's last question was narrowed to: it stays picked until it is taken out."""
    last = conversation.questions.order_by("-position").first()
    return Picks.of(filters_from(last.filters)) if last else NO_PICKS


def _thread(
    request: SignedInRequest, conversation: Conversation, picks: Picks, text: str = "", error: str = ""
) -> HttpResponse:
    turns = desk_turns(shown_turns(conversation, request.viewer), request.viewer)
    context = {
        "conversation": conversation,
        "turns": turns,
        "is_running": any(turn.question.state == Question.State.RUNNING for turn in turns),
        "feedback_reasons": FEEDBACK_REASONS,
        **listing(request.user, current=conversation.public_id),
        **box(picker_for(request.viewer, picks), text, error),
    }
    return render(request, "assistant/conversation.html", context, status=422 if error else 200)


def _not_taken(
    request: SignedInRequest, conversation: Conversation, picks: Picks, text: str, error: str
) -> HttpResponse:
    """Answer with the reason beside the box, and the words still in it."""
    if not request.htmx:
        return _thread(request, conversation, picks, text, error)
    context = {"conversation": conversation, **box(picker_for(request.viewer, picks), text, error)}
    response = render(request, "assistant/_box.html", context, status=422)
    response["HX-Retarget"], response["HX-Reswap"] = "#box", "outerHTML"
    return response


def _new_turn(request: SignedInRequest, question: Question) -> HttpResponse:
    return _turn(request, question) if request.htmx else redirect(place_of(question))


def _turn(request: SignedInRequest, question: Question) -> HttpResponse:
    context = {
        "turn": desk_turn(request, question),
        "is_last": not question.conversation.questions.filter(position__gt=question.position).exists(),
        "feedback_reasons": FEEDBACK_REASONS,
    }
    return render(request, "assistant/_turn.html", context)


def desk_turn(request: SignedInRequest, question: Question) -> DeskTurn:
    """Return one question with its answer as this viewer may see it now."""
    answer = Answer.objects.filter(question=question).first()
    shown = shown_answer(answer, request.viewer) if answer else None
    return desk_turns([ShownTurn(question, shown, answer.pk if answer else None)], request.viewer)[0]
