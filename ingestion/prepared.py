"""Queries that are put together once for each kind of database and asked again and again.

A queryset's SQL is the same every time but for what it is asked about, and putting it together costs Django more than
asking: of the 3.1 ms in which the gate read forty passages from SQLite, 2.1. What changes stands as a Slot in the queryset and is
given each time, so the querysets stay the one place that says who may read what.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, models


@dataclass(frozen=True)
class Slot:
    """Stands in a queryset for a collection of integers or texts that is given when it is asked."""

    name: str


Given = Collection[int] | Collection[str]
Bound = str | list[Any]  # Any: integers or texts
Converters = Sequence[tuple[int, tuple[Sequence[Callable[..., Any]], Any]]]  # Any: Django's own


class Prepared:
    """A queryset of plain columns (`values_list`) with slots. Safe to share between threads."""

    def __init__(self, make: Callable[[], "models.QuerySet[Any, Any]"]) -> None:  # Any: rows of columns
        """Say how the queryset is made; it is made at the first use."""
        self._make = make
        self._known: dict[str, tuple[str, tuple[Any, ...], Converters]] = {}  # Any: SQL parameters

    def rows(self, **given: Given) -> list[Sequence[Any]]:  # Any: column values
        """Return the rows, converted as Django converts them. Raises KeyError for a slot that nothing is given for."""
        sql, parameters, converters = self._known.get(connection.vendor) or self._prepare()
        ready = {name: as_parameter(values, connection.vendor) for name, values in given.items()}
        bound = [ready[p.name] if isinstance(p, Slot) else p for p in parameters]
        with connection.cursor() as cursor:
            cursor.execute(sql, bound)
            rows: list[Sequence[Any]] = cursor.fetchall()  # Any: as above
        if not converters:
            return rows
        changed = [list(row) for row in rows]
        for position, (steps, expression) in converters:
            for row in changed:
                for step in steps:
                    row[position] = step(row[position], expression, connection)
        return list(changed)

    def _prepare(self) -> tuple[str, tuple[Any, ...], Converters]:  # Any: as above
        compiler = self._make().query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        columns = [column[0] for column in compiler.select[: compiler.col_count]]
        made = (sql, tuple(parameters), tuple(compiler.get_converters(columns).items()))
        self._known[connection.vendor] = made
        return made


def as_parameter(values: Given, vendor: str) -> Bound:
    """Return a collection as the one parameter that `any_of` takes."""
    listed = list(values)
    return json.dumps(listed) if vendor == "sqlite" else listed


def any_of(vendor: str) -> str:
    """Return the condition, to stand behind a column, that it holds one of the values of one parameter."""
    return "IN (SELECT value FROM json_each(%%s))" if vendor == "sqlite" else "= ANY(%%s)"
