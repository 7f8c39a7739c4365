"""Load the demo organisation."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant import demo
from assistant.management.commands.serve import bring_database_up_to_date
from ingestion.actions import NotPossible
from ingestion.data_folder import DataFolderBusy, alone_on_data_folder
from ingestion.index import close_index


class Command(BaseCommand):
    help = "Load the demo organisation: people, groups and documents. A second time it changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true",
            help="do nothing where it was loaded before, or where other people than the demo's are already",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        started = time.monotonic()
        try:
            with alone_on_data_folder():
                bring_database_up_to_date(self)
                if options["once"] and not demo.is_wanted():
                    return
                has_changed = demo.load(lambda line: self.stdout.write(f"  {line}"))
                close_index()
        except (DataFolderBusy, demo.DemoRefused, NotPossible) as error:
            raise CommandError(str(error)) from error
        seconds = time.monotonic() - started
        done = "is loaded" if has_changed else "was loaded already; nothing was changed"
        self.stdout.write(self.style.SUCCESS(f"The demo organisation {done} ({seconds:.1f} s)."))
        if options["once"]:
            return  # the server that starts next says who can sign in
        for person in demo.who_can_sign_in():
            self.stdout.write(f"  {person.email:<24} {person.name}, {person.job_title}: {person.reads}")
        self.stdout.write(f"Everybody's password is {demo.PASSWORD}. Start with `manage.py serve`.")
