"""Querysets that carry the access decision into SQL. `ingestion.access` holds the same decision for one document."""

from typing import Any

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q

from accounts.viewer import Viewer


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


class SourceQuerySet(models.QuerySet[Any]):  # Any: as above
    """Sources."""

    def current(self) -> "SourceQuerySet":
        """Return sources that have not been removed."""
        return self.filter(removed_at__isnull=True)

    def admitting(self, viewer: Viewer) -> "SourceQuerySet":
        """Return the current sources whose own policy admits the viewer."""
        from ingestion.models import AccessPolicy

        return self.current().filter(policy__in=AccessPolicy.objects.admitting(viewer))


class DocumentQuerySet(models.QuerySet[Any]):  # Any: as above
    """Documents."""

    def current(self) -> "DocumentQuerySet":
        """Return documents that are neither removed themselves nor part of a removed source."""
        return self.filter(removed_at__isnull=True, source__removed_at__isnull=True)

    def dark(self) -> "DocumentQuerySet":
        """Return current documents whose access rule could not be read."""
        return self.current().filter(Q(policy__is_dark=True) | Q(source__policy__is_dark=True))

    def visible_to(self, viewer: Viewer) -> "DocumentQuerySet":
        """Return the current documents this viewer may read: admitted by the document's and by its source's policy."""
        from ingestion.models import AccessPolicy

        admitting = AccessPolicy.objects.admitting(viewer).values("pk")
        return self.current().filter(
            policy__in=admitting, source__policy__in=admitting, current_version__isnull=False
        )
