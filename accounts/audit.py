"""Who did what to what, when, from where and why: the one way to write it down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.canonical import storable, storable_text
from accounts.chain import (
    EVENT_FIELDS,
    GENESIS,
    ChainReport,
    Disagreement,
    event_digest,
    event_fields,
    register_verifier,
    verify_chain,
    verify_everything,
)
from accounts.models import AuditEvent, AuditHead, User

__all__ = [
    "EVENT_FIELDS",
    "EVENT_TYPES",
    "GENESIS",
    "AuditBroken",
    "By",
    "ChainReport",
    "Disagreement",
    "UnknownEventType",
    "by_request",
    "record",
    "register_verifier",
    "verify_chain",
    "verify_everything",
]

EVENT_TYPES: dict[str, str] = {
    "session.signed_in": "Signed in.",
    "session.refused": "Was refused at sign-in.",
    "session.signed_out": "Signed out.",
    "person.created": "Created a person.",
    "person.changed": "Changed a person's particulars.",
    "person.roles_changed": "Changed a person's roles.",
    "person.deactivated": "Deactivated a person and ended their sessions.",
    "person.reactivated": "Reactivated a person.",
    "person.password_set": "Set a person's password.",
    "person.sessions_ended": "Signed a person out everywhere.",
    "group.created": "Created a group.",
    "group.changed": "Changed a group's name or description.",
    "group.removed": "Removed a group.",
    "group.person_added": "Added a person to a group.",
    "group.person_removed": "Removed a person from a group.",
    "group.nested": "Put a group into another.",
    "group.unnested": "Took a group out of another.",
    "source.connected": "Connected a source.",
    "source.changed": "Changed a source or who may read it.",
    "source.paused": "Paused a source.",
    "source.resumed": "Resumed a source.",
    "source.removed": "Removed a source.",
    "sync.requested": "Asked for a sync.",
    "sync.paused": "Paused a sync.",
    "sync.resumed": "Resumed a sync.",
    "sync.cancelled": "Cancelled a sync.",
    "sync.finished": "Finished a sync.",
    "sync.item_retried": "Retried documents of a sync.",
    "document.uploaded": "Uploaded a document.",
    "document.removed": "Removed a document.",
    "document.access_changed": "Changed who may read a document.",
    "documents.purged": "Deleted for good what was removed earlier.",
    "document.opened": "Opened a document.",
    "document.page_viewed": "Looked at a page of a document.",
    "document.original_downloaded": "Downloaded a document's original file.",
    "document.access_explained": "Asked who may read a document, and why.",
    "question.asked": "Asked a question.",
    "question.answered": "Was given an answer.",
    "question.refused": "Was told that no answer was found.",
    "question.clarified": "Was asked back before anything was searched.",
    "question.failed": "Got no answer because something failed.",
    "question.interrupted": "Got no answer because the server stopped.",
    "answer.verified": "Verified an answer's record.",
    "answer.feedback": "Said what they think of an answer.",
    "citation.opened": "Opened a footnote.",
    "conversation.renamed": "Renamed a conversation.",
    "conversation.removed": "Removed a conversation.",
    "golden_question.added": "Added a golden question.",
    "golden_question.changed": "Changed a golden question.",
    "golden_question.removed": "Removed a golden question.",
    "golden_question.imported": "Imported golden questions.",
    "golden_question.exported": "Exported golden questions.",
    "evaluation.started": "Had the golden questions asked.",
    "evaluation.stopped": "Stopped an evaluation.",
    "evaluation.finished": "Finished an evaluation.",
    "evaluation.exported": "Exported an evaluation's results.",
    "audit.viewed": "Looked at the audit.",
    "audit.exported": "Exported audit records.",
    "audit.verified": "Verified the audit chain.",
    "demo.loaded": "Loaded the demo organisation.",
}
"""Every type an event may have, with what the actor did. `record` refuses any other."""


class UnknownEventType(Exception):
    """The code tried to record an event of a type that EVENT_TYPES does not list."""


class AuditBroken(Exception):
    """The audit chain cannot be continued, so nothing that must be recorded can be done."""


@dataclass(frozen=True)
class By:
    """Who does something: `actor` is `user:<id>`, `system` or `anonymous`; `label` is for people to read."""

    actor: str
    label: str
    address: str = ""

    @classmethod
    def user(cls, user: User, address: str = "") -> "By":
        """Return a person as the doer."""
        return cls(actor=f"user:{user.pk}", label=f"{user.name} <{user.email}>", address=address)

    @classmethod
    def system(cls, name: str) -> "By":
        """Return a part of the product as the doer, `sync` for instance, or a command run on the machine."""
        return cls(actor="system", label=name)

    @classmethod
    def anonymous(cls, address: str = "") -> "By":
        """Return somebody who has not signed in as the doer."""
        return cls(actor="anonymous", label="", address=address)


def address_of(request: HttpRequest) -> str:
    """Return the network address of a request, "" when there is none.

    Proxy headers are the ASGI server's business: it knows which proxies to believe and sets the address accordingly.
    """
    return str(request.META.get("REMOTE_ADDR") or "")[:64]


def by_request(request: HttpRequest) -> By:
    """Return who makes this request, with their network address."""
    user = request.user
    if isinstance(user, User):
        return By.user(user, address_of(request))
    return By.anonymous(address_of(request))


def record(
    type: str,
    *,
    by: By,
    subject: str,
    subject_label: str = "",
    details: Mapping[str, Any] | None = None,  # Any: JSON values
    reason: str = "",
) -> AuditEvent:
    """Append one event to the chain, in the caller's transaction or in one of its own, and return it.

    Call it last in a transaction: appends wait for each other at the head, which is locked until the transaction ends.
    Labels and reasons are cut to their columns. Raises UnknownEventType, ValueError or TypeError for details that JSON
    has no form for, and AuditBroken when the chain cannot be continued.
    """
    if type not in EVENT_TYPES:
        raise UnknownEventType(f"{type!r} is not in accounts.audit.EVENT_TYPES.")
    try:
        with transaction.atomic():
            head = _locked_head()
            position = head.position + 1
            event = AuditEvent(
                id=position,
                position=position,
                at=timezone.now(),
                type=type,
                actor=by.actor,
                actor_label=_cut(by.label, 254),
                subject=storable_text(subject),
                subject_label=_cut(subject_label, 300),
                details=storable(dict(details or {})),
                reason=_cut(reason, 500),
                address=_cut(by.address, 64),
                previous=head.digest,
            )
            event.digest = event_digest(event_fields(event))
            event.save()
            AuditHead.objects.filter(pk=1).update(position=position, digest=event.digest)
    except IntegrityError as error:
        raise AuditBroken(
            "The audit chain cannot be continued: something else stands where the next event belongs. "
            "Run `manage.py verify_audit` to see what was changed."
        ) from error
    return event


def _locked_head() -> AuditHead:
    """Return the head, locked until the transaction ends. On SQLite the transaction itself holds the only write lock."""
    head = AuditHead.objects.select_for_update().filter(pk=1).first()
    if head is not None:
        return head
    # A database emptied as a whole begins a new chain. Created first and looked at then: of several that begin it at once
    # one creates the row, and the others must not take its first event for the rest of an old chain.
    _, is_new = AuditHead.objects.get_or_create(pk=1, defaults={"position": 0, "digest": GENESIS})
    if is_new and AuditEvent.objects.exists():
        raise AuditBroken(
            "The row that says where the audit chain ends is missing. Run `manage.py verify_audit` to see what was changed."
        )
    return AuditHead.objects.select_for_update().get(pk=1)


def _cut(text: str, longest: int) -> str:
    clean = storable_text(text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
