"""Failed sign-ins are counted before the password is checked, so that guesses made at once cannot slip past the count."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.canonical import digest_of
from accounts.models import SignInThrottle

WINDOW = timedelta(minutes=15)
# Per e-mail and address together, so that nobody can lock somebody else out from elsewhere; and per address, with room
# for an office behind one, so that nobody tries one password on everybody.
MOST_PER_PERSON = 10
MOST_PER_ADDRESS = 100


@dataclass(frozen=True)
class Attempt:
    """One try at signing in. `minutes_left` is 0 while further tries are allowed."""

    keys: tuple[str, str]
    minutes_left: int
    is_first_refused: bool


def begin_attempt(email: str, address: str) -> Attempt:
    """Count one attempt as failed and return whether it may go on. Call `succeeded` when the password was right."""
    person_key = digest_of(["person", email.strip().lower(), address])
    address_key = digest_of(["address", address])
    now = timezone.now()
    with transaction.atomic():
        _forget_old(now)
        counts = [_count(key, now) for key in (person_key, address_key)]
    left, first = 0, False
    for (failures, since), most in zip(counts, (MOST_PER_PERSON, MOST_PER_ADDRESS), strict=True):
        if failures > most:
            left = max(left, 1 + int((since + WINDOW - now).total_seconds() // 60))
            first = first or failures == most + 1
    return Attempt((person_key, address_key), left, first)


def succeeded(attempt: Attempt) -> None:
    """Take the attempt back: the person starts anew, and the address has one failure less."""
    person_key, address_key = attempt.keys
    with transaction.atomic():
        SignInThrottle.objects.filter(key=person_key).delete()
        SignInThrottle.objects.filter(key=address_key, failures__gt=0).update(failures=F("failures") - 1)


def _count(key: str, now: datetime) -> tuple[int, datetime]:
    row, is_new = SignInThrottle.objects.get_or_create(key=key, defaults={"since": now, "failures": 1})
    if is_new:
        return row.failures, row.since
    mine = SignInThrottle.objects.filter(pk=row.pk)
    if not mine.filter(since__gt=now - WINDOW).update(failures=F("failures") + 1):
        mine.update(since=now, failures=1)
    return mine.values_list("failures", "since").first() or (1, now)  # forgiven meanwhile: counted anew


def _forget_old(now: datetime) -> None:
    # Rows that another sign-in holds are left to the next one: waiting for them in any order could deadlock.
    old = SignInThrottle.objects.select_for_update(skip_locked=True).filter(since__lte=now - WINDOW)
    SignInThrottle.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:500])).delete()
