"""`manage.py evaluate SUITE_DIR`: measure retrieval and extraction on a suite, in a throw-away installation."""

import json
import os
import subprocess
import sys
import tempfile
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from assistant.suites import SuiteError, read_suite


class Command(BaseCommand):
    help = "Ingest a suite into a throw-away index and measure how well its questions are answered."
    # The parent process touches neither database nor index, so it runs beside a serving one.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("suite", type=Path, help="folder with corpus.jsonl, queries.jsonl and qrels.tsv")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        parser.add_argument(
            "--queries", type=int, default=0, help="ask only this many questions, spread over the suite"
        )
        parser.add_argument("--inside", type=Path, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        inside: Path | None = options["inside"]
        if inside is None:
            self._start_throw_away(options)
            return
        if inside.resolve() != settings.DATA_DIR:
            raise CommandError("--inside is for this command's own use.")
        self._measure(options)

    def _start_throw_away(self, options: dict[str, Any]) -> None:  # Any: Django's own signature
        """Run the measurement in a process of its own with a data folder of its own: nothing of yours is touched."""
        with tempfile.TemporaryDirectory(prefix="footnote-evaluate-") as folder:
            environment = {**os.environ, "FOOTNOTE_DATA_DIR": folder, "CELERY_BROKER_URL": "memory://"}
            for name in ("DATABASE_URL", "QDRANT_URL"):
                environment.pop(name, None)
            command = [
                sys.executable,
                str(settings.BASE_DIR / "manage.py"),
                "evaluate",
                str(options["suite"]),
                "--inside",
                folder,
            ]
            command += ["--json"] * options["json"] + (
                ["--queries", str(options["queries"])] if options["queries"] else []
            )
            code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
        if code:
            raise SystemExit(code)

    def _measure(self, options: dict[str, Any]) -> None:  # Any: Django's own signature
        from assistant.evaluation import evaluate

        def say(line: str) -> None:
            if not options["json"]:
                self.stderr.write(line)

        try:
            suite = read_suite(options["suite"])
        except SuiteError as error:
            raise CommandError(str(error)) from error
        if options["queries"]:
            step = max(1, len(suite.queries) // options["queries"])
            suite = type(suite)(
                suite.name, suite.documents, suite.queries[::step][: options["queries"]], suite.grades
            )
        call_command("migrate", verbosity=0)
        result = evaluate(suite, say)
        self.stdout.write(json.dumps(result, indent=None if options["json"] else 2, ensure_ascii=False))
