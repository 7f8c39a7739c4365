"""Finished questions for tests that are about showing answers, not about making them."""

from collections.abc import Sequence

from django.utils import timezone

from accounts.canonical import digest_of_bytes
from accounts.models import User
from accounts.viewer import viewer_of
from assistant import trace
from assistant.models import Conversation, Question
from assistant.types import Claim, Nearest, Quote, Refusal, Support, VerifiedAnswer
from assistant.writing import write_answer
from ingestion.models import Chunk, Document

Cited = tuple[Document, str]


def make_question(
    asker: User, text: str, state: str = "running", conversation: Conversation | None = None, error: str = ""
) -> Question:
    """Return a question of this person's, with its plan on record."""
    now = timezone.now()
    if conversation is None:
        conversation = Conversation.objects.create(owner=asker, title=text[:80], updated_at=now)
    question = Question.objects.create(
        conversation=conversation, position=conversation.questions.count() + 1, text=text, state=state,
        viewer_digest=trace.viewer_digest(viewer_of(asker)), asked_at=now, heartbeat_at=now, error=error,
    )  # fmt: skip
    plan = {"standalone": text, "rule": "one ask", "sub_queries": [{"number": 1, "text": text, "after": []}]}
    trace.append(question, "plan", plan, 1.5)
    return question


def make_answer(
    asker: User,
    text: str,
    cited: Sequence[Cited],
    support: Support = "supported",
    conversation: Conversation | None = None,
    lacking: tuple[str, ...] = (),
) -> Question:
    """Return an answered question: one verbatim sentence for each (document, words)."""
    question = make_question(asker, text, conversation=conversation)
    quotes = [_quote(number, document, words) for number, (document, words) in enumerate(cited, start=1)]
    items = [{"chunk": q.chunk, "document": q.document, "sub_queries": [1]} for q in quotes]
    trace.append(question, "gate", {"withheld": [{"chunk": 7001, "reason": "not_permitted"}] * 7}, 1.0)
    trace.append(question, "context", {"items": items}, 2.0)
    claims = tuple(Claim(None, (quote,), support, lacking=lacking) for quote in quotes)
    write_answer(question, VerifiedAnswer("answered", claims, tuple(quotes)), 431.0)
    return _ended(question, Question.State.ANSWERED)


def make_refusal(asker: User, text: str, near: Sequence[Cited] = ()) -> Question:
    """Return a question to which no answer was found, with the (document, words) that came nearest."""
    question = make_question(asker, text)
    trace.append(question, "context", {"items": []}, 2.0)
    quotes = [_quote(0, document, words) for document, words in near]
    nearest = tuple(Nearest(q.chunk, q.start, q.end) for q in quotes)
    refusal = Refusal((text,), ("Handbook",), "", advice=("Ask with other words.",), nearest=nearest)
    write_answer(question, VerifiedAnswer("refused", (), (), refusal), 88.0)
    return _ended(question, Question.State.REFUSED)


def _quote(number: int, document: Document, words: str) -> Quote:
    chunk = Chunk.objects.get(version=document.current_version, text__contains=words)
    start = chunk.start + chunk.text.index(words)
    assert chunk.digest == digest_of_bytes(chunk.text.encode())
    return Quote(
        number, chunk.pk, chunk.digest, document.pk, chunk.version_id, start, start + len(words), words
    )


def _ended(question: Question, state: str) -> Question:
    question.state, question.finished_at = state, timezone.now()
    question.save(update_fields=["state", "finished_at"])
    return question
