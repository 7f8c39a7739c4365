"""The database's own refusal to change or delete rows that are records, on SQLite and on PostgreSQL.

The model and the queryset refuse politely; these triggers refuse whoever comes past them with SQL. Whoever drops the
triggers first is found by the digests.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.migrations.state import StateApps

from accounts.append_only import AppendOnlyModel

Keys = Sequence[tuple[str, ...]]


def create_sql(vendor: str, table: str, keys: Keys) -> list[str]:
    """Return the statements that make a table append-only. `keys` are its unique column sets, the primary key first."""
    if vendor == "postgresql":
        return _postgresql(table)
    if vendor == "sqlite":
        return _sqlite(table, keys)
    raise ValueError(
        f"Footnote keeps its records on SQLite and PostgreSQL; {vendor} has no append-only rule here."
    )


def drop_sql(vendor: str, table: str) -> list[str]:
    """Return the statements that take the rule away again; they succeed when it is already gone."""
    if vendor == "postgresql":
        return [f"DROP FUNCTION IF EXISTS {table}_refuse_change() CASCADE"]
    return [f"DROP TRIGGER IF EXISTS {name}" for name in trigger_names(vendor, table)]


def trigger_names(vendor: str, table: str) -> list[str]:
    """Return the names of the triggers that guard a table."""
    if vendor == "postgresql":
        return [f"{table}_no_change", f"{table}_no_truncate"]
    return [f"{table}_no_update", f"{table}_no_delete", f"{table}_no_replace"]


def _postgresql(table: str) -> list[str]:
    # Class 23 so that the driver raises IntegrityError, as SQLite's ABORT does. ALWAYS so that a session which poses as
    # a replica (session_replication_role) is refused too.
    statements = [
        f"""CREATE OR REPLACE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'Rows of {table} are records: they are never changed or deleted.'
                    USING ERRCODE = 'restrict_violation';
            END $$""",
        f"""CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_refuse_change()""",
        f"""CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse_change()""",
    ]
    enable = [
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for name in trigger_names("postgresql", table)
    ]
    return statements + enable


def _sqlite(table: str, keys: Keys) -> list[str]:
    refuse = (
        f"BEGIN SELECT RAISE(ABORT, 'Rows of {table} are records: they are never changed or deleted.'); END"
    )
    # INSERT OR REPLACE deletes the row in its way without firing delete triggers, hence the third one.
    same = " OR ".join(
        "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns) + ")" for columns in keys
    )
    taken = f"SELECT 1 FROM {table} WHERE {same}"  # noqa: S608 - names from our own migrations
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({taken}) {refuse}",
    ]


def protect(connection: BaseDatabaseWrapper, table: str, keys: Keys) -> None:
    """Make a table append-only, replacing what remains of an earlier rule."""
    with connection.cursor() as cursor:
        for statement in [
            *drop_sql(connection.vendor, table),
            *create_sql(connection.vendor, table, keys),
        ]:
            cursor.execute(statement)


def lift(connection: BaseDatabaseWrapper, table: str) -> None:
    """Take the rule off a table. For migrations run backwards and for tests that tamper."""
    with connection.cursor() as cursor:
        for statement in drop_sql(connection.vendor, table):
            cursor.execute(statement)


def is_protected(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Return whether every trigger of the rule is in place and switched on."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgenabled = 'A'", [table]
            )
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [table])
        found = {name for (name,) in cursor.fetchall()}
    return found.issuperset(trigger_names(connection.vendor, table))


class RefuseChanges(RunPython):
    """The migration that makes a table append-only; run backwards it lifts the rule."""

    def __init__(self, table: str, keys: Keys) -> None:
        self.table, self.keys = table, keys
        super().__init__(self._protect, self._lift)

    def deconstruct(self) -> tuple[str, Sequence[object], dict[str, object]]:
        return type(self).__name__, [], {"table": self.table, "keys": self.keys}

    def describe(self) -> str:
        return f"Refuse changes to {self.table} in the database itself"

    def _protect(self, _apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        protect(editor.connection, self.table, self.keys)

    def _lift(self, _apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        lift(editor.connection, self.table)


def append_only_models() -> list[type[models.Model]]:
    """Return every installed model whose rows are records."""
    return [model for model in apps.get_models() if issubclass(model, AppendOnlyModel)]


def keys_of(model: type[models.Model]) -> list[tuple[str, ...]]:
    """Return a model's unique column sets, the primary key first, as the migration of its table names them."""
    fields = sorted(
        (f for f in model._meta.local_concrete_fields if f.unique), key=lambda f: not f.primary_key
    )
    columns = {field.name: str(field.column) for field in model._meta.local_concrete_fields}
    unique_together = [
        constraint.fields
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
    ]
    return [(columns[f.name],) for f in fields] + [
        tuple(columns[name] for name in names) for names in unique_together
    ]


def protect_all(connection: BaseDatabaseWrapper) -> None:
    """Put the rule on the tables of every append-only model."""
    for model in append_only_models():
        protect(connection, model._meta.db_table, keys_of(model))


@contextmanager
def all_lifted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Empty-handed for the length of a block: tests empty their tables between each other."""
    for model in append_only_models():
        lift(connection, model._meta.db_table)
    try:
        yield
    finally:
        protect_all(connection)
