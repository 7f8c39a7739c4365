"""The audit chain: how one event's digest is made, and how the whole chain is derived again and compared."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.utils.dateparse import parse_datetime

from accounts.canonical import digest_of
from accounts.models import AuditEvent, AuditHead
from accounts.triggers import is_protected

GENESIS = "sha256:" + "0" * 64
"""What the first event names as the digest before it."""

EVENT_FIELDS = (
    "position", "at", "type", "actor", "actor_label", "subject", "subject_label", "details", "reason", "address",
    "previous",
)  # fmt: skip
"""What an event's digest covers: every column but the digest itself and the id, which equals the position."""

_PAGE = 2000
_MOST_NAMED = (
    200  # of disagreements; beyond that they are counted only, so that a ruined chain cannot fill memory
)


@dataclass(frozen=True)
class Disagreement:
    """One place where the record and its digests disagree. `position` is counted as the record itself counts."""

    position: int
    sentence: str


@dataclass(frozen=True)
class ChainReport:
    """What a verification found. `left_off` counts disagreements beyond those listed."""

    name: str
    checked: int
    disagreements: tuple[Disagreement, ...] = ()
    left_off: int = 0
    head_position: int = 0
    head_digest: str = ""

    @property
    def is_intact(self) -> bool:
        return not self.disagreements

    @property
    def found(self) -> int:
        """How many disagreements there are, listed or not."""
        return len(self.disagreements) + self.left_off


Verifier = Callable[[], ChainReport]
_verifiers: dict[str, Verifier] = {}


def register_verifier(name: str, check: Verifier) -> None:
    """Have `verify_everything` also run `check`. Apps to the right call this when they are ready."""
    _verifiers[name] = check


def verify_everything() -> list[ChainReport]:
    """Return the report on the audit chain, then one per registered verifier, in the order of their names."""
    return [verify_chain(), *(_verifiers[name]() for name in sorted(_verifiers))]


def moment(at: datetime) -> str:
    """Return a time as digests spell it: ISO 8601, UTC, always six decimals."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def event_fields(event: AuditEvent) -> dict[str, Any]:  # Any: JSON values
    """Return what the event's digest covers, as JSON values."""
    values = {name: getattr(event, name) for name in EVENT_FIELDS}
    return values | {"at": moment(event.at)}


def event_digest(fields: dict[str, Any]) -> str:  # Any: JSON values
    """Return the digest of one event's fields (EVENT_FIELDS, all of them, and nothing else)."""
    return digest_of({name: fields[name] for name in EVENT_FIELDS})


@dataclass
class _Findings:
    """Disagreements as they are found, the first of them in full."""

    named: list[Disagreement] = field(default_factory=list)
    left_off: int = 0

    def add(self, position: int, sentence: str) -> None:
        if len(self.named) < _MOST_NAMED:
            self.named.append(Disagreement(position, sentence))
        else:
            self.left_off += 1


def verify_chain() -> ChainReport:
    """Derive every audit event's digest again, page by page, and name each disagreement.

    Finds changed rows, missing positions, broken links, forks, a cut tail, a lost head, and missing triggers. Events
    appended while it runs are neither checked nor held against the chain.
    """
    findings = _Findings()
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        if AuditEvent.objects.exists():
            findings.add(
                0, "The row that says where the chain ends is missing: a cut tail could not be seen."
            )
        head = AuditHead(position=0, digest=GENESIS)
        checked = _verify_rows(_rows(None), None, findings)
    else:
        checked = _verify_rows(_rows(head.position), head, findings)
        _verify_nothing_beyond(head, findings)
    if not is_protected(connection, AuditEvent._meta.db_table):
        findings.add(
            0,
            "The database does not refuse changes to the audit events: its triggers are missing or switched off. "
            "`manage.py verify_audit --protect` puts them back.",
        )
    return ChainReport(
        name="audit events",
        checked=checked,
        disagreements=tuple(findings.named),
        left_off=findings.left_off,
        head_position=head.position,
        head_digest=head.digest,
    )


def _verify_rows(rows: Iterator["_Row"], head: AuditHead | None, findings: _Findings) -> int:
    """Compare each row with the one before and the one after; return how many there were."""
    checked, expected, previous = 0, 1, GENESIS
    known = True  # whether `previous` is the digest of the event directly before
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        checked += 1
        if not isinstance(row.position, int):
            findings.add(
                expected, f"An event's position was changed to {row.position!r}, which is no number."
            )
            row = following
            continue
        if row.position < expected:
            findings.add(
                row.position, f"Position {row.position} is taken more than once: the chain was forked."
            )
            row = following
            continue
        if row.position > expected:
            findings.add(expected, _missing(expected, row.position - 1))
            known = False
        claimed = following.values.get("previous") if following else head.digest if head else None
        previous = _verify_row(row, previous if known else None, claimed, findings)
        known, expected = True, row.position + 1
        row = following
    if head is not None and head.position >= expected:
        findings.add(
            expected,
            f"{_missing(expected, head.position)} The head says that the chain ends at {head.position}: its tail was cut.",
        )
    elif head is not None and head.digest != previous:
        findings.add(
            head.position,
            f"The head names {head.digest} as the digest of event {head.position}, but that event has {previous}.",
        )
    return checked


def _verify_row(row: "_Row", previous: str | None, claimed: object, findings: _Findings) -> str:
    """Check one row; return the digest that the next one should name.

    `previous` is the digest of the event before, None when that event is missing; `claimed` is what the next event, or
    the head, says this one's digest is.
    """
    position = int(row.position)
    if row.id != row.position:
        findings.add(position, f"Event {position}: its id was changed to {row.id!r}.")
    if row.unreadable:
        findings.add(position, f"Event {position}: {row.unreadable}")
        return str(row.digest)
    derived = event_digest(row.values)
    if derived == row.digest:
        if previous is not None and row.values["previous"] != previous:
            findings.add(
                position,
                f"The link from event {position} to event {position - 1} is broken: event {position} names "
                f"{row.values['previous']}, event {position - 1} has {previous}.",
            )
        return derived
    if previous is not None and event_digest(row.values | {"previous": previous}) == row.digest:
        findings.add(position, f"Event {position}: its field `previous` was changed.")
        return str(row.digest)
    if claimed == derived:
        findings.add(position, f"Event {position}: its field `digest` was changed to {row.digest}.")
        return derived
    covered = ", ".join(name for name in EVENT_FIELDS if name not in {"position", "previous"})
    findings.add(
        position,
        f"Event {position} was changed after it was written: its fields give {derived}, its record says {row.digest}. "
        f"At least one of {covered} is not what was written.",
    )
    return str(row.digest)


def _verify_nothing_beyond(head: AuditHead, findings: _Findings) -> None:
    """Report events after the head. The head is read again after them: honest appends move both at once."""
    beyond = list(
        AuditEvent.objects.filter(position__gt=head.position)
        .order_by("position")
        .values_list("position", flat=True)[:_PAGE]
    )
    now = AuditHead.objects.filter(pk=1).values_list("position", flat=True).first() or 0
    for position in beyond:
        if not isinstance(position, int) or position > now:
            findings.add(
                now + 1, f"An event stands at position {position}, beyond the end of the chain at {now}."
            )


def _missing(first: int, last: int) -> str:
    return f"Event {first} is missing." if first == last else f"Events {first} to {last} are missing."


@dataclass(frozen=True)
class _Row:
    """One event as the database holds it, read without trusting that its columns still hold what they should."""

    id: object
    position: Any  # Any: SQLite lets tampering put any type into any column
    values: dict[str, Any]  # Any: JSON values
    digest: object
    unreadable: str


_COLUMNS = ("id", *EVENT_FIELDS, "digest")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM accounts_auditevent"  # noqa: S608 - names from this file only
_ORDER = "ORDER BY position, id LIMIT %s"


def _rows(until: int | None) -> Iterator[_Row]:
    """Yield every event up to a position, by position, a page at a time: no cursor or transaction is held open."""
    bound = "" if until is None else "position <= %s AND"
    bounds = [] if until is None else [until]
    after: tuple[int, int] | None = None
    while True:
        with connection.cursor() as cursor:
            if after is None:
                where = "" if until is None else "WHERE position <= %s"
                cursor.execute(f"{_SELECT} {where} {_ORDER}", [*bounds, _PAGE])
            else:
                cursor.execute(
                    f"{_SELECT} WHERE {bound} (position, id) > (%s, %s) {_ORDER}", [*bounds, *after, _PAGE]
                )
            page = cursor.fetchall()
        for columns in page:
            yield _row(dict(zip(_COLUMNS, columns, strict=True)))
        if len(page) < _PAGE:
            return
        after = (page[-1][1], page[-1][0])


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _row(columns: dict[str, Any]) -> _Row:  # Any: whatever the database holds
    values = {name: columns[name] for name in EVENT_FIELDS}
    unreadable = ""
    try:
        at = values["at"] if isinstance(values["at"], datetime) else parse_datetime(values["at"])
        if at is None:
            raise ValueError
        values["at"] = moment(
            at if at.tzinfo else at.replace(tzinfo=UTC)
        )  # SQLite keeps UTC without saying so
    except (TypeError, ValueError, OverflowError):
        unreadable = f"its field `at` was changed to {values['at']!r}, which is no time."
    try:
        if isinstance(values["details"], str | bytes):
            values["details"] = json.loads(values["details"], parse_constant=_no_constant)
    except (ValueError, RecursionError):
        unreadable = "its field `details` was changed to something that is not JSON."
    if not unreadable:
        odd = [
            name
            for name in EVENT_FIELDS
            if name not in {"position", "details"} and not isinstance(values[name], str)
        ]
        if odd:
            unreadable = f"its field `{odd[0]}` was changed to {values[odd[0]]!r}, which is no text."
    return _Row(columns["id"], columns["position"], values, columns["digest"], unreadable)
