"""Hold the search index against the database."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingestion import outbox
from ingestion.data_folder import DataFolderBusy, alone_on_data_folder
from ingestion.index import close_index
from ingestion.index.types import IndexFailure
from ingestion.rebuilding import Comparison, compare, repair
from ingestion.weights import EmbeddingUnavailable

SHOWN = 10


class Command(BaseCommand):
    help = "Compare every chunk that ought to be in the search index with every entry that is. Exit 1 if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--repair", action="store_true", help="put right what differs, then compare again"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        try:
            with alone_on_data_folder():
                comparison = self._checked(options["repair"])
                close_index()
        except (DataFolderBusy, IndexFailure, EmbeddingUnavailable) as error:
            raise CommandError(str(error)) from error
        self._tell(comparison)
        if not comparison.is_same:
            raise CommandError(
                "The index differs from the database. Run `manage.py check_index --repair`, or `manage.py reindex`."
            )

    def _checked(self, is_repairing: bool) -> Comparison:
        if is_repairing:
            outbox.deliver()
        comparison = compare()
        if is_repairing and not comparison.is_same:
            self._tell(comparison)
            repair(comparison)
            self.stdout.write("Repaired; comparing again.")
            comparison = compare()
        return comparison

    def _tell(self, comparison: Comparison) -> None:
        self.stdout.write(f"{comparison.expected} chunks expected, {comparison.held} held.")
        if comparison.waiting:
            self.stdout.write(f"  {comparison.waiting} are about to be delivered.")
        for what, chunks in (
            ("missing", comparison.missing),
            ("too many", comparison.extra),
            ("with a wrong document, source, rule or mark", comparison.wrong),
        ):
            if chunks:
                more = ", …" if len(chunks) > SHOWN else ""
                named = ", ".join(str(chunk) for chunk in chunks[:SHOWN])
                self.stdout.write(f"  {len(chunks)} {what}: chunk {named}{more}")
        if comparison.is_same:
            self.stdout.write(self.style.SUCCESS("The index agrees with the database."))
