"""One form for every value: two machines, and both databases, arrive at the same digest."""

import json
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.audit import By, record
from accounts.canonical import canonical_json, digest_of, storable
from accounts.chain import event_digest, event_fields
from accounts.models import AuditEvent

numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
def test_the_order_in_which_keys_were_written_does_not_matter(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical_json(turned) == canonical_json(value)


@given(values)
def test_canonical_json_read_back_and_written_again_is_the_same(value: Any) -> None:
    stored = storable(value)
    assert canonical_json(json.loads(canonical_json(stored))) == canonical_json(stored)


@given(values)
def test_what_is_storable_stays_as_it_is(value: Any) -> None:
    stored = storable(value)
    assert canonical_json(storable(stored)) == canonical_json(stored)


@given(values, values)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == (canonical_json(one) == canonical_json(other))


def test_canonical_json_is_spelled_out_here_so_that_it_never_changes() -> None:
    value = {"ü": ["a", 1, 1.5, None, True], "a": {"b": "“quoted”"}}
    assert canonical_json(value) == '{"a":{"b":"“quoted”"},"ü":["a",1,1.5,null,true]}'
    assert digest_of({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_numbers_that_json_lacks_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)
    with pytest.raises(ValueError, match="JSON"):
        storable(value)


def test_keys_and_values_that_json_lacks_are_refused_rather_than_turned_into_text() -> None:
    with pytest.raises(TypeError, match="The key 9"):
        storable({9: "a", 10: "b"})
    with pytest.raises(TypeError, match="set"):
        storable({"a": {1, 2}})


def test_what_postgresql_cannot_keep_is_replaced_before_it_is_digested() -> None:
    assert storable({"a\x00": "\ud800x"}) == {"a\ufffd": "\ufffdx"}
    assert canonical_json(storable([-0.0, 1e16, (1, 2)])) == "[0.0,10000000000000000,[1,2]]"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(details=st.dictionaries(st.text(max_size=8), values, max_size=4), label=st.text(max_size=400))
def test_an_event_read_back_from_the_database_gives_the_digest_it_was_written_with(
    db: None, details: dict[str, Any], label: str
) -> None:
    with transaction.atomic():
        written = record(
            "demo.loaded", by=By("system", label), subject="demo:1", subject_label=label, details=details
        )
        read = AuditEvent.objects.get(pk=written.pk)
        assert event_digest(event_fields(read)) == written.digest
        transaction.set_rollback(True)
    assert connection.in_atomic_block
