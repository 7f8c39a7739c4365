"""manage.py verify_audit: derive every digest again and say what disagrees."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from accounts.audit import By
from accounts.triggers import protect_all
from accounts.verification import verify_and_record


class Command(BaseCommand):
    help = "Derive every digest of the audit records again. Exits with 1 and names what disagrees."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument(
            "--protect",
            action="store_true",
            help="first put back the database triggers that refuse changes to records",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        if options["protect"]:
            protect_all(connection)
        reports = verify_and_record(by=By.system("manage.py verify_audit"))
        if options["json"]:
            listed = [
                asdict(report) | {"is_intact": report.is_intact, "found": report.found} for report in reports
            ]
            self.stdout.write(json.dumps(listed, indent=2))
        else:
            for report in reports:
                self._print(report.name, report.checked, report.is_intact)
                if report.head_position:
                    self.stdout.write(f"  The chain ends at {report.head_position} with {report.head_digest}")
                for disagreement in report.disagreements:
                    self.stdout.write(f"  {disagreement.position}: {disagreement.sentence}")
                if report.left_off:
                    self.stdout.write(f"  … and {report.left_off} more.")
        found = sum(report.found for report in reports)
        if found:
            raise CommandError(
                f"The audit records are not intact: {found} disagreement{'' if found == 1 else 's'}, named above."
            )

    def _print(self, name: str, checked: int, is_intact: bool) -> None:
        verdict = self.style.SUCCESS("intact") if is_intact else self.style.ERROR("NOT INTACT")
        self.stdout.write(f"{name.capitalize()}: {checked} checked, {verdict}.")
