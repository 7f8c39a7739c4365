"""`manage.py evaluate SUITE_DIR`: measure retrieval and extraction on a suite, in a throw-away installation."""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from assistant.suites import Suite, SuiteError, read_suite
from ingestion.data_folder import DataFolderBusy, alone_on_data_folder
from retrieval.options import Options, UnknownOption

# What the process inside is told as it was typed.
PASSED_ON = ("queries", "options", "history", "keep")


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
        parser.add_argument(
            "--options",
            help="how retrieval is to work, such as “fusion=rrf bridge=off”; the configured way without this",
        )
        parser.add_argument(
            "--ablation",
            action="store_true",
            help="ask once more for each option turned off or set otherwise, and print the differences",
        )
        parser.add_argument(
            "--history",
            choices=("on", "off", "standalone"),
            default="on",
            help="ask follow-ups with their history (on), alone (off), or as somebody rewrote them (standalone)",
        )
        parser.add_argument(
            "--keep", type=Path, help="keep the ingested suite in this folder, and use what is kept there"
        )
        parser.add_argument("--inside", type=Path, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        try:
            _options_of(options)
            if options["inside"] is None:
                self._start(options)
            elif options["inside"].resolve() != settings.DATA_DIR:
                raise CommandError("--inside is for this command's own use.")
            else:
                with alone_on_data_folder():
                    self._measure(options)
        except (SuiteError, UnknownOption, DataFolderBusy) as error:
            raise CommandError(str(error)) from error

    def _start(self, options: dict[str, Any]) -> None:  # Any: Django's own signature
        """Run the measurement in a process of its own with a data folder of its own: nothing of yours is touched."""
        if options["keep"] is not None:
            from assistant.evaluation.keeping import prepare

            self._run_inside(prepare(options["keep"].resolve(), options["suite"]), options)
            return
        with tempfile.TemporaryDirectory(prefix="footnote-evaluate-") as folder:
            self._run_inside(Path(folder), options)

    def _run_inside(self, folder: Path, options: dict[str, Any]) -> None:  # Any: as above
        environment = {**os.environ, "FOOTNOTE_DATA_DIR": str(folder), "CELERY_BROKER_URL": "memory://"}
        for name in ("DATABASE_URL", "QDRANT_URL"):
            environment.pop(name, None)
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "evaluate", str(options["suite"])]
        command += ["--inside", str(folder)]
        for name in PASSED_ON:
            if options[name] not in (None, 0):
                command += [f"--{name}", str(options[name])]
        command += [f"--{name}" for name in ("json", "ablation") if options[name]]
        code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
        if code:
            raise SystemExit(code)

    def _measure(self, options: dict[str, Any]) -> None:  # Any: as above
        from assistant.evaluation.asking import Asking, ask_all, wants_extraction
        from assistant.evaluation.figures import figures_of
        from assistant.evaluation.telling import text_of
        from assistant.evaluation.variants import ablation

        def say(line: str) -> None:
            if not options["json"]:
                self.stderr.write(line)

        whole = read_suite(options["suite"])
        call_command("migrate", verbosity=0)
        chunks, per_second = _ingest(whole, options["keep"], say)
        suite = _some_of(whole, options["queries"])
        asking = Asking(_options_of(options), options["history"], wants_extraction(suite))
        asked = ask_all(suite, asking, say)
        figures = figures_of(suite, asking, asked)
        figures |= {"chunks": chunks, "chunks_per_second": per_second}
        if options["ablation"]:
            figures["ablation"] = ablation(suite, asking, asked, say)
        self.stdout.write(json.dumps(figures, ensure_ascii=False) if options["json"] else text_of(figures))


def _options_of(options: dict[str, Any]) -> Options:  # Any: Django's own signature
    text = options["options"]
    return Options.configured() if text is None else Options.parse(text)


def _ingest(suite: Suite, keep: Path | None, say: Callable[[str], None]) -> tuple[int, float]:
    from assistant.evaluation import keeping
    from assistant.evaluation.storing import ingest, make_readers
    from ingestion.models import Chunk

    kept = keeping.read(keep.resolve()) if keep is not None else None
    if kept is not None and kept.is_complete:
        # The questions may be others than when it was ingested, and with them their readers.
        make_readers(suite)
        say(f"{kept.chunks} chunks of {len(suite.documents)} documents are kept in {keep}")
        return kept.chunks, kept.chunks_per_second
    started = time.perf_counter()
    ingest(suite, say)
    chunks = Chunk.objects.count()
    per_second = round(chunks / (time.perf_counter() - started), 1)
    say(f"{chunks} chunks of {len(suite.documents)} documents, {per_second} chunks/s")
    if keep is not None and kept is not None:
        keeping.write(
            keep.resolve(), replace(kept, is_complete=True, chunks=chunks, chunks_per_second=per_second)
        )
    return chunks, per_second


def _some_of(suite: Suite, wanted: int) -> Suite:
    """Return the suite with only so many of its questions, spread over it; 0 keeps all."""
    if not wanted:
        return suite
    step = max(1, len(suite.queries) // wanted)
    return replace(suite, queries=suite.queries[::step][:wanted])
