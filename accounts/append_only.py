"""Rows that are written once: refused at the model, at the queryset and (by trigger) in the database."""

from typing import Any, NoReturn

from django.db import models


class AppendOnlyViolation(Exception):
    """Something tried to change or delete a row that is a record of the past."""


class AppendOnlyQuerySet(models.QuerySet[Any]):  # Any: shared by every append-only model
    """A queryset that can read and create, and nothing else."""

    def update(self, **kwargs: Any) -> NoReturn:  # Any: Django's own signature
        raise AppendOnlyViolation(f"{self.model.__name__} rows are never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnlyViolation(f"{self.model.__name__} rows are never deleted.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:  # Any: Django's own signature
        raise AppendOnlyViolation(f"{self.model.__name__} rows are never changed.")

    # The raw path Django's own delete and update take.
    _raw_delete = delete  # type: ignore[assignment]


class AppendOnlyModel(models.Model):
    """Base of rows that can be inserted and read, never changed."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's own signature
        if self.pk is not None and not self._state.adding:
            raise AppendOnlyViolation(
                f"{type(self).__name__} {self.pk} is already written and cannot be changed."
            )
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:  # Any: Django's own signature
        raise AppendOnlyViolation(f"{type(self).__name__} {self.pk} is a record and cannot be deleted.")
