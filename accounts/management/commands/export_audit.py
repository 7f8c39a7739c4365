"""manage.py export_audit: the audit chain as a bundle that can be checked anywhere."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import By, record
from accounts.bundle import write_bundle


class Command(BaseCommand):
    help = "Write the audit chain to FILE (a zip) with a small verifier that needs nothing but Python."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the zip to write; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        path = Path(options["file"])
        part = path.with_name(path.name + ".part")
        if path.exists():
            raise CommandError(f"{path} exists already. Choose another name; an export overwrites nothing.")
        by = By.system("manage.py export_audit")
        try:
            with part.open("xb") as file:
                # Recorded first, so that the bundle holds the record of its own making.
                record("audit.exported", by=by, subject="audit:bundle", details={"form": "bundle"})
                position, digest = write_bundle(file)
            part.rename(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{position} events written to {path}. The chain ends with {digest}")
