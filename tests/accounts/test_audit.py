"""The audit chain: one event after another, no gap, no fork, and no way to change one unseen."""

import pytest

from accounts.audit import By, UnknownEventType, record, verify_chain
from accounts.chain import GENESIS
from accounts.models import AuditHead

pytestmark = pytest.mark.django_db


def test_events_are_numbered_without_a_gap_and_each_names_the_one_before() -> None:
    events = [record("demo.loaded", by=By.system("tests"), subject=f"demo:{n}") for n in range(3)]
    assert [event.position for event in events] == [1, 2, 3]
    assert [event.previous for event in events] == [GENESIS, events[0].digest, events[1].digest]
    head = AuditHead.objects.get()
    assert (head.position, head.digest) == (3, events[2].digest)
    report = verify_chain()
    assert report.is_intact, report.disagreements
    assert report.checked == 3


def test_a_type_that_is_not_listed_is_refused() -> None:
    with pytest.raises(UnknownEventType):
        record("made.up", by=By.system("tests"), subject="x:1")
