"""The audit chain: one event after another, no gap, no fork, and no way to change one unseen."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import chain
from accounts.append_only import AppendOnlyViolation
from accounts.audit import (
    EVENT_TYPES,
    GENESIS,
    AuditBroken,
    By,
    UnknownEventType,
    record,
    verify_chain,
    verify_everything,
)
from accounts.chain import (
    EVENT_FIELDS,
    ChainReport,
    Disagreement,
    event_digest,
    event_fields,
    register_verifier,
)
from accounts.models import AuditEvent, AuditHead
from accounts.triggers import append_only_models, create_sql, is_protected, keys_of, lift, protect
from tests.world import World

TABLE = "accounts_auditevent"


def append(count: int) -> list[AuditEvent]:
    return [
        record("demo.loaded", by=By("system", "tests"), subject=f"demo:{n}", details={"n": n, "share": n / 7})
        for n in range(count)
    ]


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))  # type: ignore[arg-type]


def complaints() -> list[Disagreement]:
    """Return what a verification finds, without the missing triggers that every tampering test has to take away."""
    return [found for found in verify_chain().disagreements if "triggers are missing" not in found.sentence]


# --- Appending ---------------------------------------------------------------------------------------------------


def test_events_are_numbered_without_a_gap_and_each_names_the_one_before(db: None) -> None:
    events = append(3)
    assert [event.position for event in events] == [1, 2, 3]
    assert [event.previous for event in events] == [GENESIS, events[0].digest, events[1].digest]
    head = AuditHead.objects.get()
    assert (head.position, head.digest) == (3, events[2].digest)
    report = verify_chain()
    assert report == ChainReport("audit events", 3, (), 0, 3, events[2].digest)
    assert report.is_intact


def test_an_empty_chain_is_intact(db: None) -> None:
    assert verify_chain() == ChainReport("audit events", 0, (), 0, 0, GENESIS)


def test_a_type_that_is_not_listed_is_refused(db: None) -> None:
    with pytest.raises(UnknownEventType):
        record("made.up", by=By.system("tests"), subject="x:1")
    assert not AuditEvent.objects.exists()


def test_an_event_of_a_transaction_that_fails_is_not_written(db: None) -> None:
    append(1)
    with transaction.atomic():
        append(1)
        transaction.set_rollback(True)
    append(1)
    assert verify_chain().checked == 2
    assert verify_chain().is_intact


def test_labels_are_cut_to_their_columns_and_cleaned_of_what_a_database_refuses(db: None) -> None:
    event = record(
        "demo.loaded",
        by=By("system", "x\x00" * 400),
        subject="demo:1",
        subject_label="y" * 400,
        reason="z" * 600,
    )
    event.refresh_from_db()
    assert (len(event.actor_label), len(event.subject_label), len(event.reason)) == (254, 300, 500)
    assert "\x00" not in event.actor_label
    assert verify_chain().is_intact


def test_every_type_has_a_sentence() -> None:
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in EVENT_TYPES.values())
    assert all(kind.count(".") == 1 and len(kind) <= 60 for kind in EVENT_TYPES)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_events_appended_by_many_at_once_still_make_one_chain() -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(8):
                with transaction.atomic():
                    record("demo.loaded", by=By.system(f"thread {number}"), subject=f"demo:{n}")
        except BaseException as error:  # noqa: BLE001 - handed to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    run_at_once([lambda n=n: work(n) for n in range(6)])  # type: ignore[misc]
    assert failures == []
    assert list(AuditEvent.objects.values_list("position", flat=True)) == list(range(1, 49))
    assert verify_chain().is_intact


def run_at_once(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- Refusing changes --------------------------------------------------------------------------------------------


def test_the_model_and_the_queryset_refuse_changes(db: None) -> None:
    event = append(1)[0]
    event.reason = "changed"
    for change in (
        event.save,
        event.delete,
        lambda: AuditEvent.objects.update(reason="changed"),
        lambda: AuditEvent.objects.all().delete(),
        lambda: AuditEvent.objects.bulk_update([event], ["reason"]),
    ):
        with pytest.raises(AppendOnlyViolation):
            change()
    assert verify_chain().is_intact


@pytest.mark.parametrize("table", [model._meta.db_table for model in append_only_models()])
def test_the_database_itself_refuses_changes_to_every_record(db: None, table: str) -> None:
    assert is_protected(connection, table)
    if table == TABLE:
        append(2)
    else:
        sql(
            "INSERT INTO assistant_tracestep (question_id, position, name, record, milliseconds, at, previous, digest)"
            " VALUES (1, 1, 'plan', '{}', 1, %s, '', '')",
            timezone.now(),
        )
    statements = [f"UPDATE {table} SET previous = 'x'", f"DELETE FROM {table}"]
    if connection.vendor == "sqlite":
        statements.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    else:
        statements.append(f"TRUNCATE {table}")
    for statement in statements:
        with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
            sql(statement)


def test_an_insert_that_replaces_a_row_by_another_unique_column_is_refused(db: None) -> None:
    if connection.vendor != "sqlite":
        return
    append(2)
    columns = ", ".join(EVENT_FIELDS)
    with pytest.raises(IntegrityError), transaction.atomic():
        sql(
            f"INSERT OR REPLACE INTO {TABLE} (id, digest, {columns}) SELECT 77, 'x', {columns} FROM {TABLE} WHERE id = 1"
        )
    assert verify_chain().is_intact


def test_the_migrations_guard_what_the_models_say_is_unique() -> None:
    from importlib import import_module

    for module in (
        "accounts.migrations.0004_refuse_changes_to_audit_events",
        "assistant.migrations.0002_refuse_changes_to_trace_steps",
    ):
        (operation,) = import_module(module).Migration.operations
        (model,) = [m for m in append_only_models() if m._meta.db_table == operation.table]
        assert sorted(operation.keys) == sorted(keys_of(model))


def test_the_rule_can_be_lifted_and_put_back(db: None) -> None:
    append(1)
    lift(connection, TABLE)
    lift(connection, TABLE)
    assert not is_protected(connection, TABLE)
    (found,) = verify_chain().disagreements
    assert "--protect" in found.sentence
    protect(connection, TABLE, [("id",), ("position",), ("digest",)])
    assert is_protected(connection, TABLE)
    assert verify_chain().is_intact


def test_other_databases_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="mysql"):
        create_sql("mysql", TABLE, [("id",)])


# --- Finding changes ---------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
TAMPERED: dict[str, st.SearchStrategy[object]] = {
    "id": st.integers(100, 10**6),
    "position": st.integers(100, 10**6),
    "at": st.integers(1, 10**12).map(
        lambda microseconds: timezone.now() - timedelta(microseconds=microseconds)
    ),
    "type": st.sampled_from(sorted(EVENT_TYPES)),
    "actor": texts,
    "actor_label": texts,
    "subject": texts,
    "subject_label": texts,
    "details": st.sampled_from(["{}", '{"n":100}', '{"n":1.0}', "[]", "null", '{"n":"1"}']),
    "reason": texts,
    "address": texts,
    "previous": texts,
    "digest": texts,
}
LENGTH = 5


@pytest.fixture
def tampered_chain(db: None) -> list[AuditEvent]:
    events = append(LENGTH)
    lift(connection, TABLE)
    return events


def test_every_column_is_tampered_with_here() -> None:
    assert set(TAMPERED) == {field.column for field in AuditEvent._meta.local_fields}


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_one_field_of_any_event_changed_by_sql_is_found_at_its_position(
    tampered_chain: list[AuditEvent], data: st.DataObject
) -> None:
    event = data.draw(st.sampled_from(tampered_chain))
    column = data.draw(st.sampled_from(sorted(TAMPERED)))
    value = data.draw(TAMPERED[column])
    if value == getattr(event, column):
        return
    with transaction.atomic():
        sql(f"UPDATE {TABLE} SET {column} = %s WHERE id = %s", value, event.pk)
        found = complaints()
        assert event.position in {complaint.position for complaint in found}, (column, value, found)
        if column in {"id", "previous", "digest"}:
            assert any(f"{column}" in complaint.sentence for complaint in found)
            assert {complaint.position for complaint in found} == {event.position}
        transaction.set_rollback(True)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gone=st.sets(st.integers(1, LENGTH), min_size=1))
def test_any_events_taken_out_are_named(tampered_chain: list[AuditEvent], gone: set[int]) -> None:
    with transaction.atomic():
        for position in gone:
            sql(f"DELETE FROM {TABLE} WHERE position = %s", position)
        sentences = " ".join(complaint.sentence for complaint in complaints())
        for first in sorted(gone):
            if first - 1 not in gone:
                last = max(n for n in range(first, LENGTH + 1) if set(range(first, n + 1)) <= gone)
                assert (
                    f"Event {first} is" if first == last else f"Events {first} to {last} are"
                ) in sentences
        transaction.set_rollback(True)


def test_a_cut_tail_is_found_although_the_rest_is_a_perfect_chain(tampered_chain: list[AuditEvent]) -> None:
    sql(f"DELETE FROM {TABLE} WHERE position >= 4")
    (found,) = complaints()
    assert found.position == 4
    assert "its tail was cut" in found.sentence


def test_a_cut_tail_with_a_head_set_back_is_found_by_the_digest_somebody_kept(
    tampered_chain: list[AuditEvent],
) -> None:
    kept = AuditHead.objects.get().digest
    sql(f"DELETE FROM {TABLE} WHERE position >= 4")
    AuditHead.objects.update(position=3, digest=tampered_chain[2].digest)
    assert complaints() == []  # nothing inside the database can tell; this is what the exported head is for
    assert not AuditEvent.objects.filter(digest=kept).exists()


def test_an_event_rewritten_with_its_digest_breaks_the_link_to_the_next(
    tampered_chain: list[AuditEvent],
) -> None:
    rewritten = tampered_chain[1]
    rewritten.reason = "something else"
    sql(
        f"UPDATE {TABLE} SET reason = %s, digest = %s WHERE position = 2",
        rewritten.reason,
        event_digest(event_fields(rewritten)),
    )
    (found,) = complaints()
    assert found.position == 3
    assert "from event 3 to event 2 is broken" in found.sentence


def test_the_last_event_rewritten_with_its_digest_disagrees_with_the_head(
    tampered_chain: list[AuditEvent],
) -> None:
    last = tampered_chain[-1]
    last.reason = "something else"
    sql(
        f"UPDATE {TABLE} SET reason = %s, digest = %s WHERE position = {LENGTH}",
        last.reason,
        event_digest(event_fields(last)),
    )
    (found,) = complaints()
    assert found.position == LENGTH
    assert "The head names" in found.sentence


def test_events_smuggled_in_behind_the_head_are_found(tampered_chain: list[AuditEvent]) -> None:
    head = AuditHead.objects.get()
    append(2)
    AuditHead.objects.update(position=head.position, digest=head.digest)
    assert [found.position for found in complaints()] == [LENGTH + 1, LENGTH + 1]
    assert "beyond the end" in complaints()[0].sentence


def test_a_lost_head_is_found_and_nothing_more_can_be_recorded(tampered_chain: list[AuditEvent]) -> None:
    sql("DELETE FROM accounts_audithead")
    (found,) = complaints()
    assert "where the chain ends is missing" in found.sentence
    with pytest.raises(AuditBroken, match="verify_audit"):
        append(1)


def test_a_head_set_back_stops_further_recording(tampered_chain: list[AuditEvent]) -> None:
    AuditHead.objects.update(position=2, digest=tampered_chain[1].digest)
    with pytest.raises(AuditBroken, match="verify_audit"):
        append(1)


def test_an_emptied_database_begins_a_new_chain(db: None) -> None:
    AuditHead.objects.all().delete()
    append(2)
    assert verify_chain().is_intact


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("at", "yesterday", "no time"),
        ("at", "0001-01-01 00:00:00+05:00", "no time"),
        ("details", "{", "not JSON"),
        ("details", '{"n": NaN}', "not JSON"),
        ("details", b"\xff", "not JSON"),
        ("reason", b"\xff", "no text"),
    ],
)
def test_columns_that_no_longer_hold_their_type_are_named_and_stop_nothing(
    tampered_chain: list[AuditEvent], column: str, value: object, words: str
) -> None:
    if connection.vendor != "sqlite":
        return  # PostgreSQL's columns cannot hold another type
    sql("PRAGMA ignore_check_constraints = ON")
    sql(f"UPDATE {TABLE} SET {column} = %s WHERE position = 3", value)
    sql("PRAGMA ignore_check_constraints = OFF")
    (found,) = complaints()
    assert found.position == 3
    assert words in found.sentence
    assert verify_chain().checked == LENGTH


def test_a_ruined_chain_is_counted_and_not_listed_in_full(
    tampered_chain: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_MOST_NAMED", 2)
    sql(f"UPDATE {TABLE} SET reason = 'x'")
    report = verify_chain()
    assert len(report.disagreements) == 2
    assert report.found == LENGTH + 1  # and the triggers


def test_a_chain_longer_than_a_page_is_read_page_by_page(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_PAGE", 2)
    append(7)
    assert verify_chain().checked == 7
    assert verify_chain().is_intact


def test_verifiers_of_other_apps_are_run_too(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_verifiers", {})
    register_verifier(
        "trace steps", lambda: ChainReport("trace steps", 4, (Disagreement(2, "Step 2 was changed."),))
    )
    reports = verify_everything()
    assert [report.name for report in reports] == ["audit events", "trace steps"]
    assert [report.is_intact for report in reports] == [True, False]


def test_who_did_it_is_named_with_an_address(world: World) -> None:
    by = By.user(world.alice, "10.1.2.3")
    assert by == By(f"user:{world.alice.pk}", "Alice <alice@example.org>", "10.1.2.3")
    event = record("demo.loaded", by=by, subject="demo:1")
    assert event.actor_name == "Alice"
    assert By.system("sync").actor == "system"
    assert By.anonymous("::1") == By("anonymous", "", "::1")
