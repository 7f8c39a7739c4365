"""`manage.py access DOCUMENT --as EMAIL`: may this person read this document, and why."""

from argparse import ArgumentParser
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from accounts.audit import By, record
from assistant.management.commands.ask import person
from ingestion.explain import explain_user
from ingestion.models import Document

NOT_ALLOWED = 3
"""Exit code when the person may not read the document; 1 when something went wrong."""
MOST_NAMED = 10


class Command(BaseCommand):
    help = "Say whether a person may read a document, and why. Exit code 3: they may not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("document", help="public id, path or name within its source, or title")
        parser.add_argument("--as", dest="email", required=True, help="e-mail address of the person")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        user = person(options["email"])
        document = named(options["document"])
        explained = explain_user(user, document)
        record(
            "document.access_explained",
            by=By.system("manage.py access"),
            subject=f"document:{document.public_id}",
            subject_label=document.title,
            details={"person": user.subject, "allowed": explained.allowed},
        )
        self.stdout.write(f"{document.title} ({document.source.name}: {document.external_id})")
        self.stdout.write(explained.headline)
        for reason in explained.reasons:
            self.stdout.write(f"  {'✓' if reason.is_met else '✗'} {reason.text}")
        if not explained.allowed:
            raise SystemExit(NOT_ALLOWED)


def named(name: str) -> Document:
    """Return the one document with this public id, external id or title. Raises CommandError when it is none or many."""
    documents = Document.objects.select_related("source__policy", "policy")
    lookups = [Q(external_id=name), Q(title__iexact=name)]
    with suppress(ValueError):  # what is not an id is a name
        lookups.insert(0, Q(public_id=UUID(name)))
    for lookup in lookups:
        found = list(documents.filter(lookup).order_by("removed_at", "pk")[: MOST_NAMED + 1])
        if len(found) == 1:
            document: Document = found[0]
            return document
        if found:
            listed = "\n".join(
                f"  {d.public_id}  {d.source.name}: {d.external_id}" for d in found[:MOST_NAMED]
            )
            raise CommandError(f"Several documents are called {name}. Give the id of one:\n{listed}")
    raise CommandError(
        f"There is no document with the id, path or title {name}. Give it as the Sources desk shows it."
    )
