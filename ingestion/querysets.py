"""Querysets that carry the access decision into SQL. `ingestion.access` holds the same decision for one document."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Exists, F, Func, OuterRef, Q
from django.db.models.lookups import Exact, IsNull
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.datastructures import BaseTable

from accounts.viewer import Viewer
from ingestion.prepared import Bound, Slot, any_of, as_parameter

if TYPE_CHECKING:
    from ingestion.access import Reach


class AccessPolicyQuerySet(
    models.QuerySet[Any]
):  # Any: the model is defined in the module that imports this one
    """Access policies."""

    def admitting(self, viewer: Viewer) -> "AccessPolicyQuerySet":
        """Return the policies whose every clause the viewer meets and none of whose denials they hold.

        Starts from the viewer's principals, so its cost follows what the viewer may read, not what exists.
        A policy without clauses has no clause rows and can never be reached: nobody.
        """
        from ingestion.models import PolicyClause, PolicyDenial

        principals = sorted(viewer.principals)
        met = (
            PolicyClause.objects.filter(principal__in=principals)
            .values("policy_id")
            .annotate(met=Count("number", distinct=True))
            .filter(met=F("policy__clause_count"), policy__is_dark=False)
            .values("policy_id")
        )
        denied = PolicyDenial.objects.filter(policy_id=OuterRef("pk"), principal__in=principals)
        return self.filter(pk__in=met).filter(~Exists(denied))


class ChunkQuerySet(models.QuerySet[Any]):  # Any: as above
    """Chunks."""

    def readable_by(self, viewer: Viewer) -> "ChunkQuerySet":
        """Return the chunks of the versions on show whose documents this viewer may read.

        The decision of `Document.objects.visible_to`, taken on the rows that a chunk leads to: its cost follows the
        chunks asked for, not the documents there are. A rule never changes once it is written, so which rules admit a
        viewer is the same a moment later; under which rule a document stands is read by the query itself.
        """
        from ingestion.access import admitting_policies

        return self.admitted(admitting_policies(viewer))

    def admitted(self, policies: Collection[int] | Slot) -> "ChunkQuerySet":
        """Return the chunks on show of documents under these rules, by their own and by their source's.

        The rules that admit a viewer are `ingestion.access.admitting_policies`; no others belong here.
        """
        document = "version__document__"
        return self.filter(
            Exact(F("version_id"), _Read(f"{document}current_version_id")),
            IsNull(_Read(f"{document}removed_at"), True),
            IsNull(_Read(f"{document}source__removed_at"), True),
            Among(f"{document}policy_id", policies),
            Among(f"{document}source__policy_id", policies),
        )


class _Read(Func):
    """A column that is read from the rows at hand and never looked up through its index.

    Without statistics SQLite takes any index for a good one and starts from all documents that are not removed: 64 ms
    instead of 2 ms at 12,000 documents. PostgreSQL keeps statistics and is left alone.
    """

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, Any]:  # Any: Django's own signature
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class Among(_Read):
    """Whether a column holds one of some integers, which are written into the query: hundreds of rules are admitted by.

    As parameters they cost more time to prepare than the query takes. Nothing but integers gets in. Those of a slot are
    handed over as one parameter.
    """

    output_field = models.BooleanField()

    def __init__(
        self, column: str | F, numbers: Collection[int] | Slot, **extra: Any
    ) -> None:  # Any: Django's own
        if not isinstance(numbers, Slot):
            # No row has the id -1: an empty set admits nothing.
            numbers = tuple(sorted(int(number) for number in numbers)) or (-1,)
        super().__init__(column, numbers=numbers, **extra)

    # Any, here and below: Django's own signature.
    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_: Any, **context: Any) -> Any:
        numbers = self.extra["numbers"]
        template = context.get("template", self.template)
        if isinstance(numbers, Slot):
            context["template"] = f"{template} {any_of(connection.vendor)}"
            column, parameters = super().as_sql(compiler, connection, **context)
            return column, (*parameters, numbers)
        context["template"] = f"{template} IN ({','.join(str(number) for number in numbers)})"
        return super().as_sql(compiler, connection, **context)


class Through(Among):
    """As Among, for a column whose index leads to the rows."""

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        return self.as_sql(compiler, connection, **context)


class AnyOfTexts(Func):
    """Whether a column holds one of many texts, handed over as one parameter. Looked up through the column's index."""

    arity = 1
    output_field = models.BooleanField()
    conditional = True

    def __init__(
        self, column: str | F, texts: Collection[str] | Slot, **extra: Any
    ) -> None:  # Any: Django's own
        super().__init__(column, texts=texts if isinstance(texts, Slot) else tuple(sorted(texts)), **extra)

    # Any: Django's own signature.
    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_: Any, **__: Any) -> Any:
        texts = self.extra["texts"]
        template = f"%(expressions)s {any_of(connection.vendor)}"
        column, parameters = super().as_sql(compiler, connection, template=template)
        return column, (*parameters, _given(texts, connection))


class _ReachedFrom(BaseTable):
    """A table that is looked up for one of many texts after the other, for `_Reached` to say by which column.

    Asked whether a column is among the texts, SQLite first makes a sorted list of them, which for the hundreds that a
    few passages hold takes longer than all the lookups. PostgreSQL is asked by `AnyOfTexts`.
    """

    def __init__(self, name: str, alias: str | None, texts: Collection[str] | Slot) -> None:
        super().__init__(name, alias)
        self._texts = texts

    # Any, here and below: Django's own signatures.
    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        table, parameters = super().as_sql(compiler, connection)
        if connection.vendor != "sqlite":
            return table, parameters
        return f"json_each(%s) AS asked CROSS JOIN {table}", [_given(self._texts, connection), *parameters]

    def relabeled_clone(self, change_map: dict[str | None, str]) -> "_ReachedFrom":
        return _ReachedFrom(self.table_name, change_map.get(self.table_alias, self.table_alias), self._texts)

    @classmethod
    def put_first(cls, query: Query, texts: Collection[str] | Slot) -> None:
        """Have a query on one table begin with the texts."""
        alias = query.get_initial_alias()
        assert alias is not None
        table = query.alias_map[alias]
        query.alias_map[alias] = cls(table.table_name, table.table_alias, texts)


class _Reached(AnyOfTexts):
    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Any:
        return Func.as_sql(self, compiler, connection, template="%(expressions)s = asked.value")


def _given(texts: Collection[str] | Slot, connection: BaseDatabaseWrapper) -> Slot | Bound:
    return texts if isinstance(texts, Slot) else as_parameter(texts, connection.vendor)


class SourceQuerySet(models.QuerySet[Any]):  # Any: as above
    """Sources."""

    def current(self) -> "SourceQuerySet":
        """Return sources that have not been removed."""
        return self.filter(removed_at__isnull=True)

    def with_readable(self, policies: Collection[int] | Slot) -> "SourceQuerySet":
        """Return the current sources under these rules that hold a current document under them.

        The rules that admit a viewer are `ingestion.access.admitting_policies`; no others belong here. What is left are
        the sources of which the viewer may read something.
        """
        from ingestion.models import Document

        documents = Document.objects.under(policies).filter(source=OuterRef("pk"))
        return self.current().filter(Among("policy_id", policies), Exists(documents))


class DocumentQuerySet(models.QuerySet[Any]):  # Any: as above
    """Documents."""

    def current(self) -> "DocumentQuerySet":
        """Return documents that are neither removed themselves nor part of a removed source."""
        return self.filter(removed_at__isnull=True, source__removed_at__isnull=True)

    def dark(self) -> "DocumentQuerySet":
        """Return current documents whose access rule could not be read."""
        return self.current().filter(Q(policy__is_dark=True) | Q(source__policy__is_dark=True))

    def within(self, reach: "Reach") -> "DocumentQuerySet":
        """Return the current documents within what a viewer reached a moment ago; see `ingestion.access.reach_of`.

        What `visible_to` returns, fast where other conditions leave few documents. Shows nothing by itself: whatever
        is found here goes through the gate, which decides again.
        """
        return self.among(reach.policies, reach.sources)

    def among(self, policies: Collection[int] | Slot, sources: Collection[int] | Slot) -> "DocumentQuerySet":
        """Return the current documents under these rules and of these sources: those of a Reach."""
        return self.under(policies).filter(Among("source_id", sources))

    def under(self, policies: Collection[int] | Slot) -> "DocumentQuerySet":
        """Return the documents on show whose own rule is one of these; nothing is said of their source's."""
        return self.filter(
            IsNull(_Read("current_version_id"), False),
            IsNull(_Read("removed_at"), True),
            Among("policy_id", policies),
        )

    def called(self, keys: Collection[str] | Slot, *, without_brackets: bool) -> "DocumentQuerySet":
        """Return the documents whose title, whole or without the brackets at its end, has one of these keys.

        One of the two at a time: of both together SQLite makes a pass over all documents.
        """
        if without_brackets:
            found = self.filter(_Reached("short_title_key", keys), short_title_key__gt="")
        else:
            found = self.filter(_Reached("title_key", keys))
        _ReachedFrom.put_first(found.query, keys)
        return found

    def visible_to(self, viewer: Viewer) -> "DocumentQuerySet":
        """Return the current documents this viewer may read: admitted by the document's and by its source's policy."""
        from ingestion.models import AccessPolicy

        admitting = AccessPolicy.objects.admitting(viewer).values("pk")
        return self.current().filter(
            policy__in=admitting, source__policy__in=admitting, current_version__isnull=False
        )
