"""Reading the audit events: narrowing them, paging through them, and saying in words what each one was."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.audit import EVENT_TYPES
from accounts.canonical import canonical_json
from accounts.chain import event_fields
from accounts.models import AuditEvent, Group, User

PAGE = 50
_EXPORT_PAGE = 1000


@dataclass(frozen=True)
class EventFilter:
    """What a list of events is narrowed to; an empty field narrows nothing. Days are days of the server's time zone."""

    type: str = ""
    actor: str = ""
    subject: str = ""
    since: date | None = None
    until: date | None = None

    def events(self) -> QuerySet[AuditEvent]:
        """Return the matching events, newest first."""
        events: QuerySet[AuditEvent] = AuditEvent.objects.order_by("-position")
        if "." in self.type:
            events = events.filter(type=self.type)
        elif self.type:
            events = events.filter(type__startswith=f"{self.type}.")
        if self.actor:
            events = events.filter(Q(actor=self.actor) | Q(actor_label__icontains=self.actor))
        if self.subject:
            events = events.filter(Q(subject=self.subject) | Q(subject_label__icontains=self.subject))
        if self.since:
            events = events.filter(at__gte=_midnight(self.since))
        if self.until:
            events = events.filter(at__lt=_midnight(self.until + timedelta(days=1)))
        return events

    def as_details(self) -> dict[str, str]:
        """Return what is narrowed, for the audit event that says somebody looked."""
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Line:
    """One event in words: `sentence` says what was done, `detail` the particulars the sentence leaves out."""

    event: AuditEvent
    sentence: str
    detail: str


@dataclass(frozen=True)
class EventPage:
    """One page of events, newest first. `older` and `newer` are the positions to page on from, None at the ends."""

    lines: tuple[Line, ...]
    older: int | None
    newer: int | None


def page_of(events: QuerySet[AuditEvent], *, before: int | None, after: int | None) -> EventPage:
    """Return the page of events before a position, after one, or the newest. Positions make paging exact."""
    if after is not None:
        found = list(events.filter(position__gt=after).order_by("position")[: PAGE + 1])
        has_newer, has_older = len(found) > PAGE, True
        shown = found[:PAGE][::-1]
    else:
        if before is not None:
            events = events.filter(position__lt=before)
        found = list(events[: PAGE + 1])
        has_newer, has_older = before is not None, len(found) > PAGE
        shown = found[:PAGE]
    return EventPage(
        lines=tuple(line_of(event) for event in shown),
        older=shown[-1].position if shown and has_older else None,
        newer=shown[0].position if shown and has_newer else None,
    )


def line_of(event: AuditEvent) -> Line:
    """Return an event in words."""
    details = _mapping(event.details)
    sentence = EVENT_TYPES.get(event.type, event.type)
    if event.type in _WITH_NAMES:
        other = str(details.get("person_label") or details.get("group_label") or "somebody")
        sentence = _WITH_NAMES[event.type].format(other=other.partition(" <")[0], group=event.subject_label)
    parts = [
        f"{_FIELD_NAMES.get(field, field.replace('_', ' '))}: {_word(change[0])} → {_word(change[1])}"
        for field, change in _mapping(details.get("changes")).items()
        if isinstance(change, list) and len(change) == 2
    ]
    return Line(event, sentence, "; ".join(parts))


def recent_about_person(person: User, most: int = 12) -> list[Line]:
    """Return what was last done to a person, their memberships included, newest first."""
    memberships = AuditEvent.objects.filter(
        type__in=["group.person_added", "group.person_removed"], details__person=str(person.public_id)
    )
    own = AuditEvent.objects.filter(subject=person.subject).exclude(type__startswith="session.")
    return _newest([own, memberships], most)


def recent_about_group(group: Group, most: int = 12) -> list[Line]:
    """Return what was last done to a group, newest first."""
    nestings = AuditEvent.objects.filter(
        type__in=["group.nested", "group.unnested"], details__group=str(group.public_id)
    )
    return _newest([AuditEvent.objects.filter(subject=group.subject), nestings], most)


def jsonl_lines(events: QuerySet[AuditEvent]) -> Iterator[bytes]:
    """Yield the events oldest first, one JSON object a line, each with its digest."""
    for event in _oldest_first(events):
        line = event_fields(event) | {"digest": event.digest}
        yield canonical_json(line).encode("utf-8", "surrogatepass") + b"\n"


def csv_lines(events: QuerySet[AuditEvent]) -> Iterator[bytes]:
    """Yield the events oldest first as CSV with a header line, safe to open in a spreadsheet."""
    columns = [
        "position", "at", "type", "actor", "actor_label", "subject", "subject_label", "reason", "address",
        "details", "previous", "digest",
    ]  # fmt: skip
    yield _csv_row(columns)
    for event in _oldest_first(events):
        values = event_fields(event) | {"digest": event.digest, "details": canonical_json(event.details)}
        yield _csv_row([spreadsheet_text(values[column]) for column in columns])


def _newest(querysets: list[QuerySet[AuditEvent]], most: int) -> list[Line]:
    events = [event for queryset in querysets for event in queryset.order_by("-position")[:most]]
    return [line_of(event) for event in sorted(events, key=lambda event: -event.position)[:most]]


def _oldest_first(events: QuerySet[AuditEvent]) -> Iterator[AuditEvent]:
    """Yield page by page up to what is the newest event now."""
    last = events.order_by("-position").values_list("position", flat=True).first()
    after = 0
    while last is not None:
        page = list(events.filter(position__gt=after, position__lte=last).order_by("position")[:_EXPORT_PAGE])
        yield from page
        if len(page) < _EXPORT_PAGE:
            return
        after = page[-1].position


def _csv_row(values: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue().encode("utf-8", "replace")


def spreadsheet_text(value: object) -> str:
    """Return a value as the text of a CSV cell that no spreadsheet takes for a formula."""
    # A spreadsheet runs cells that begin like this as formulas; the apostrophe makes it show them instead.
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _mapping(value: object) -> dict[str, Any]:  # Any: JSON values
    return value if isinstance(value, dict) else {}


# Events about two things say both names in one sentence.
_WITH_NAMES = {
    "group.person_added": "Added {other} to {group}.",
    "group.person_removed": "Took {other} out of {group}.",
    "group.nested": "Put {other} into {group}.",
    "group.unnested": "Took {other} out of {group}.",
}
_FIELD_NAMES = {"is_admin": "administrator", "is_auditor": "auditor", "is_active": "active"}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "nothing"
