"""What people do with questions: ask, ask again, tidy up their conversations, say what they think of an answer.

Every action is one transaction that ends in one audit event. Answering itself starts when the transaction is through.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.audit import By, record
from accounts.canonical import digest_of_bytes
from accounts.models import User
from accounts.viewer import viewer_of
from assistant import runner
from assistant.models import Answer, Conversation, Feedback, Question
from assistant.narrowing import NO_FILTERS, Json, as_json
from assistant.screening import label_of, masked, screen
from assistant.trace import anchor_of, viewer_digest
from assistant.types import NotAskable
from retrieval.courtesy import without_courtesy
from retrieval.types import Filters

# A person who asks in a script must not fill the pool that everybody's questions wait for.
MOST_RUNNING = 3
TITLE_CHARACTERS = 80


def ask(
    *, by: By, user: User, conversation: Conversation | None, text: str, filters: Filters = NO_FILTERS
) -> Question:
    """Take a question into a conversation of the user's, or into a new one, and have it answered.

    `filters` are what was picked beside the box; see assistant.narrowing.picked for how they are read and checked.
    Raises NotAskable with a sentence when the text cannot be asked, the conversation is gone, or too many of the user's
    questions are still being answered.
    """
    asked = screen(text).text
    with transaction.atomic():
        return _ask(by, user, conversation, asked, as_json(filters), {})


def ask_again(*, by: By, user: User, question: Question) -> Question:
    """Ask the same words once more in the same conversation, with today's rights and documents."""
    with transaction.atomic():
        return _ask(
            by, user, question.conversation, question.text, question.filters,
            {"again_of": f"question:{question.public_id}"},
        )  # fmt: skip


def rename_conversation(*, by: By, user: User, conversation: Conversation, title: str) -> Conversation:
    """Give one of the user's conversations another title. Raises NotAskable when the title is empty."""
    title = " ".join(title.split())[:200]
    if not title:
        raise NotAskable("A conversation needs a title. Write a few words.")
    with transaction.atomic():
        conversation = _own(conversation, user)
        conversation.title = title
        conversation.save(update_fields=["title"])
        _record_conversation("conversation.renamed", by, conversation)
    return conversation


def remove_conversation(*, by: By, user: User, conversation: Conversation) -> Conversation:
    """Take one of the user's conversations out of their list. The record of what was asked and answered stays."""
    with transaction.atomic():
        conversation = _own(conversation, user)
        conversation.removed_at = timezone.now()
        conversation.save(update_fields=["removed_at"])
        _record_conversation("conversation.removed", by, conversation)
    return conversation


def give_feedback(*, by: By, user: User, answer: Answer, is_good: bool, reason: str = "") -> Feedback:
    """Keep what the asker thinks of an answer; a second opinion replaces the first, the audit keeps both."""
    reason = " ".join(reason.split())[:500]
    with transaction.atomic():
        _own(answer.question.conversation, user)
        feedback, _ = Feedback.objects.update_or_create(
            answer=answer, defaults={"is_good": is_good, "reason": reason}
        )
        record(
            "answer.feedback",
            by=by,
            subject=f"question:{answer.question.public_id}",
            subject_label=label_of(answer.question.text),
            details={"is_good": is_good},
            reason=masked(reason),
        )
    return feedback


def _ask(
    by: By,
    user: User,
    conversation: Conversation | None,
    text: str,
    filters: Json,
    details: Mapping[str, Any],  # Any: JSON values
) -> Question:
    now = timezone.now()
    # The person's row is the lock: two questions sent at once are counted one after the other.
    User.objects.select_for_update().get(pk=user.pk)
    running = Question.objects.filter(conversation__owner=user, state=Question.State.RUNNING).count()
    if running >= MOST_RUNNING:
        raise NotAskable(
            f"{running} of your questions are still being answered. Wait for one of them, then ask again."
        )
    conversation = _open(conversation, user, text, now)
    last = conversation.questions.aggregate(last=Max("position"))["last"] or 0
    question = Question(
        conversation=conversation,
        position=last + 1,
        text=text,
        filters=filters,
        viewer_digest=viewer_digest(viewer_of(user)),
        asked_at=now,
        heartbeat_at=now,
    )
    question.save(force_insert=True)
    record(
        "question.asked",
        by=by,
        subject=f"question:{question.public_id}",
        subject_label=label_of(text),
        details={
            "conversation": str(conversation.public_id),
            "position": question.position,
            "text_digest": digest_of_bytes(text.encode()),
            "viewer_digest": question.viewer_digest,
            "anchor": anchor_of(question),
            **({"filters": filters} if filters else {}),
            **details,
        },
    )
    # Robust: the question is committed by then. Should the pool refuse it, it is closed as interrupted a little later.
    transaction.on_commit(partial(runner.start, question.pk), robust=True)
    return question


def _open(conversation: Conversation | None, user: User, text: str, now: datetime) -> Conversation:
    if conversation is None:
        # A list in which every other line begins with "Hi Anna" tells nothing.
        typed = " ".join(text.split())
        bare = without_courtesy(typed)
        title = typed if bare == typed else bare[:1].upper() + bare[1:]
        title = title if len(title) <= TITLE_CHARACTERS else f"{title[: TITLE_CHARACTERS - 1]}…"
        return Conversation.objects.create(owner=user, title=title, updated_at=now)
    conversation = _own(conversation, user)
    conversation.updated_at = now
    conversation.save(update_fields=["updated_at"])
    return conversation


def _own(conversation: Conversation, user: User) -> Conversation:
    """Return the conversation as it is now, locked. Somebody else's is as gone as a removed one."""
    found = (
        Conversation.objects.select_for_update()
        .filter(pk=conversation.pk, owner=user, removed_at__isnull=True)
        .first()
    )
    if found is None:
        raise NotAskable("This conversation no longer exists. Start a new one.")
    return found


def _record_conversation(event: str, by: By, conversation: Conversation) -> None:
    record(
        event,
        by=by,
        subject=f"conversation:{conversation.public_id}",
        subject_label=label_of(conversation.title),
    )
