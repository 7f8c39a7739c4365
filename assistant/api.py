"""The JSON API: the same actions and the same gate as the pages, for programs that act as a signed-in person."""

from uuid import UUID

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.audit import by_request
from accounts.models import User
from accounts.viewer import Viewer, viewer_of
from assistant import actions
from assistant.history import shown_answer, shown_turns
from assistant.models import Answer, Conversation, Question
from assistant.narrowing import AUTHOR_CHARACTERS, MOST_AUTHORS, MOST_SOURCES, Picks, picked
from assistant.shown import ShownTurn
from assistant.types import NotAskable
from assistant.views.turns import DeskTurn, desk_turns, own_conversation, own_question
from retrieval.filtering import KINDS

PAGE = 50


class Session(SessionAuthentication):
    """Django's session, with 401 instead of 403 for those who have none: "sign in", not "you may not"."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


# --- Shapes -------------------------------------------------------------------------------------------------------


class FiltersShape(serializers.Serializer[dict[str, object]]):
    """What narrows a search. Days are written 2024-03-31; a month or a year stands for its first or last day."""

    sources = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=MOST_SOURCES,
        help_text="ids of sources you may read",
    )
    authors = serializers.ListField(
        child=serializers.CharField(max_length=AUTHOR_CHARACTERS), required=False, max_length=MOST_AUTHORS
    )
    types = serializers.ListField(
        child=serializers.ChoiceField(choices=list(KINDS)), required=False, help_text="kinds of file"
    )
    since = serializers.CharField(required=False, help_text="dated on this day or later")
    until = serializers.CharField(required=False, help_text="dated on this day or earlier")


class Asked(serializers.Serializer[dict[str, object]]):
    """A question to ask."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)
    conversation = serializers.UUIDField(required=False, help_text="continue this conversation of yours")
    filters = FiltersShape(required=False, help_text="where to look; what is left out narrows nothing")


class Problem(serializers.Serializer[dict[str, object]]):
    """Why something was not done, as a sentence."""

    detail = serializers.CharField()


class SearchShape(serializers.Serializer[object]):
    """One sub-query and what it brought in."""

    number = serializers.IntegerField()
    text = serializers.CharField()
    passages = serializers.IntegerField()
    sources = serializers.ListField(child=serializers.CharField())


class ClaimShape(serializers.Serializer[object]):
    """One sentence of an answer. `text` is empty when its source is no longer shared with you."""

    text = serializers.CharField(source="words")
    footnotes = serializers.ListField(child=serializers.IntegerField(), source="numbers")
    support = serializers.ChoiceField(choices=["supported", "partial", "struck"])
    lacking = serializers.ListField(
        child=serializers.CharField(), help_text="words of the question that stand nowhere near the sentence"
    )
    is_available = serializers.BooleanField()


class PlacedShape(serializers.Serializer[object]):
    """Words of a document, and where they stand."""

    quote = serializers.CharField()
    table_head = serializers.CharField(
        help_text="first row of the table that the quote is of, where the quote does not hold it"
    )
    title = serializers.CharField()
    # The stubs know `source` as the attribute of every field; on a serializer it is a field like any other.
    source = serializers.CharField()  # type: ignore[assignment]
    headings = serializers.ListField(child=serializers.CharField())
    page = serializers.IntegerField(allow_null=True)
    dated = serializers.DateField(allow_null=True)
    document = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()


class FootnoteShape(PlacedShape):
    """The exact words a sentence rests on, and where they stand."""

    number = serializers.IntegerField()
    is_available = serializers.BooleanField()
    has_moved = serializers.BooleanField()
    why = serializers.ListField(child=serializers.CharField())


class NearestShape(PlacedShape):
    """Words that come near what was asked and do not state it, and where they stand."""

    author = serializers.CharField()


class RefusalShape(serializers.Serializer[object]):
    """What was looked for, where, and what to do next."""

    looked_for = serializers.ListField(child=serializers.CharField())
    sources = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField())
    advice = serializers.ListField(child=serializers.CharField())
    nearest = NearestShape(many=True)


class AnswerShape(serializers.Serializer[object]):
    """An answer as you may see it now."""

    outcome = serializers.ChoiceField(choices=["answered", "refused", "clarify"])
    claims = ClaimShape(many=True)
    footnotes = FootnoteShape(many=True, source="citations")
    refusal = RefusalShape(allow_null=True)
    clarification = serializers.CharField(help_text="what is asked back, when the outcome is `clarify`")
    method = serializers.CharField()
    milliseconds = serializers.FloatField()


class QuestionShape(serializers.Serializer[DeskTurn]):
    """A question and, once `state` is answered, refused or clarify, its answer."""

    id = serializers.UUIDField(source="question.public_id")
    conversation = serializers.UUIDField(source="question.conversation.public_id")
    text = serializers.CharField(source="question.text")
    state = serializers.ChoiceField(choices=Question.State.values, source="question.state")
    error = serializers.CharField(source="question.error")
    asked_at = serializers.DateTimeField(source="question.asked_at")
    filters = FiltersShape(source="question.filters", help_text="what was picked beside the question")
    narrowed = serializers.ListField(
        child=serializers.CharField(), help_text="what narrowed the search, typed or picked, in words"
    )
    not_used = serializers.ListField(
        child=serializers.CharField(),
        help_text="typed filter words that could not be understood, as sentences",
    )
    searches = SearchShape(many=True)
    answer = AnswerShape(allow_null=True)


class ConversationShape(serializers.Serializer[Conversation]):
    """One of your conversations."""

    id = serializers.UUIDField(source="public_id")
    title = serializers.CharField()
    updated_at = serializers.DateTimeField()


class ConversationsShape(serializers.Serializer[dict[str, object]]):
    """A page of your conversations, newest first."""

    count = serializers.IntegerField()
    conversations = ConversationShape(many=True)


class WholeConversationShape(ConversationShape):
    """One of your conversations with its questions."""

    questions = QuestionShape(many=True)


# --- Addresses ----------------------------------------------------------------------------------------------------


@extend_schema(
    request=Asked, responses={201: QuestionShape, 400: Problem, 404: Problem}, operation_id="ask_question"
)
@api_view(["POST"])
@authentication_classes([Session])
@permission_classes([IsAuthenticated])
def questions(request: Request) -> Response:
    """Ask a question. It is answered in the background: fetch it again until its state is not `running`."""
    asked = Asked(data=request.data)
    asked.is_valid(raise_exception=True)
    user, viewer = _person(request)
    within = asked.validated_data.get("conversation")
    conversation = own_conversation(user, within) if within else None
    try:
        question = actions.ask(
            by=by_request(request._request),
            user=user,
            conversation=conversation,
            text=asked.validated_data["text"],
            filters=picked(viewer, Picks(**asked.validated_data.get("filters", {}))),
        )
    except NotAskable as error:
        return Response({"detail": str(error)}, status=status.HTTP_400_BAD_REQUEST)
    where = reverse("assistant:api_question", args=[question.public_id])
    return Response(_shape(question, viewer), status=status.HTTP_201_CREATED, headers={"Location": where})


@extend_schema(responses={200: QuestionShape, 404: Problem}, operation_id="read_question")
@api_view(["GET"])
@authentication_classes([Session])
@permission_classes([IsAuthenticated])
def question(request: Request, question: UUID) -> Response:
    """Return one of your questions with its answer as you may see it now."""
    user, viewer = _person(request)
    return _private(Response(_shape(own_question(user, question), viewer)))


@extend_schema(
    parameters=[
        OpenApiParameter("offset", int, description="how many to pass over; 50 are returned at a time")
    ],
    responses={200: ConversationsShape},
    operation_id="list_conversations",
)
@api_view(["GET"])
@authentication_classes([Session])
@permission_classes([IsAuthenticated])
def conversations(request: Request) -> Response:
    """List your conversations, newest first."""
    user, _ = _person(request)
    written = request.query_params.get("offset", "0")
    offset = int(written) if written.isdecimal() and len(written) < 9 else 0
    own = Conversation.objects.filter(owner=user, removed_at__isnull=True).order_by("-updated_at", "-pk")
    page = {"count": own.count(), "conversations": own[offset : offset + PAGE]}
    return _private(Response(ConversationsShape(page).data))


@extend_schema(responses={200: WholeConversationShape, 404: Problem}, operation_id="read_conversation")
@api_view(["GET"])
@authentication_classes([Session])
@permission_classes([IsAuthenticated])
def conversation(request: Request, conversation: UUID) -> Response:
    """Return one of your conversations with its questions and their answers as you may see them now."""
    user, viewer = _person(request)
    found = own_conversation(user, conversation)
    turns = desk_turns(shown_turns(found, viewer), viewer)
    shape = {**ConversationShape(found).data, "questions": [QuestionShape(turn).data for turn in turns]}
    return _private(Response(shape))


class Schema(SpectacularAPIView):
    """The API described as OpenAPI 3."""

    authentication_classes = [Session]
    permission_classes = [IsAuthenticated]


def _person(request: Request) -> tuple[User, Viewer]:
    """Return who asks, and what they hold now. A session of somebody deactivated meanwhile finds nothing."""
    user = request.user
    if not isinstance(user, User):
        raise Http404
    return user, viewer_of(user)


def _shape(question: Question, viewer: Viewer) -> object:
    answer = Answer.objects.filter(question=question).first()
    shown = shown_answer(answer, viewer) if answer else None
    turn = ShownTurn(question, shown, answer.pk if answer else None)
    return QuestionShape(desk_turns([turn], viewer)[0]).data


def _private(response: Response) -> Response:
    response["Cache-Control"] = "private, no-store"
    return response
