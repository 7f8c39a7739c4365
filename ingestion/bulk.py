"""Writing many rows at once where Django's own way costs more than the work: `bulk_update` builds an expression for every
value, 0.6 ms a row; the same statement for all rows, prepared once, 0.02 ms."""

from collections.abc import Iterable, Sequence

from django.db import connection, models


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[object, Sequence[object]]]
) -> None:
    """Set fields by name for rows given as (primary key, values). A row that is no longer there is left out."""
    fields = [model._meta.get_field(name) for name in columns]
    plain = [field for field in fields if isinstance(field, models.Field)]
    key = model._meta.pk
    if len(plain) != len(fields) or key is None:
        raise ValueError(f"{model.__name__} has no columns for all of {', '.join(columns)}.")
    quote = connection.ops.quote_name
    settings = ", ".join(f"{quote(str(field.column))} = %s" for field in plain)
    values = [
        [
            *(field.get_db_prep_save(v, connection) for field, v in zip(plain, row, strict=True)),
            key.get_db_prep_value(pk, connection),
        ]
        for pk, row in rows
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {quote(model._meta.db_table)} SET {settings} WHERE {quote(str(key.column))} = %s",  # noqa: S608 (names of our own)
                values,
            )
