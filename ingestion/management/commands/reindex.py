"""Build the search index anew from the database."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingestion.data_folder import DataFolderBusy, alone_on_data_folder
from ingestion.index import close_index
from ingestion.index.types import IndexFailure
from ingestion.rebuilding import rebuild
from ingestion.weights import EmbeddingUnavailable


class Command(BaseCommand):
    help = (
        "Build the search index anew from the database, with the stored vectors where the model is the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="say only what it came to")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        started, self._last = time.monotonic(), 0.0
        try:
            with alone_on_data_folder():
                count = rebuild(None if options["quiet"] else self._report)
                close_index()
        except (DataFolderBusy, IndexFailure, EmbeddingUnavailable) as error:
            raise CommandError(str(error)) from error
        seconds = time.monotonic() - started
        self.stdout.write(self.style.SUCCESS(f"The index holds {count} chunks, built in {seconds:.1f} s."))

    def _report(self, done: int, of: int) -> None:
        now = time.monotonic()
        if done == of or now - self._last >= (0.5 if sys.stdout.isatty() else 5.0):
            self._last = now
            self.stdout.write(f"  {done} of {of} chunks")
