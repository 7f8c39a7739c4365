"""Run Footnote: the web server with worker and schedule, the index, and what answers, each in processes of its own."""

import errno
import os
import signal
import socket
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from assistant import demo, runner
from assistant.golden import running
from assistant.processes import Processes
from assistant.serving import TaskThreads
from ingestion import outbox, pipeline, schedule
from ingestion.data_folder import DataFolderBusy, alone_on_data_folder
from ingestion.index import close_index, dimensions, finish_swap, get_index, model_name
from ingestion.index.process import IndexProcess
from ingestion.index.types import IndexFailure
from ingestion.weights import EmbeddingUnavailable

STOP_SECONDS = 8.0
"""How long running tasks get to reach a good place to stop. All they do survives being cut off anyway."""

WAITING_FOR_A_MODEL = 4
"""Answers one process works on at a time where a language model writes them: it waits most of the time."""


class Command(BaseCommand):
    help = "Run Footnote: web server, worker, schedule, index and what answers questions."
    requires_system_checks = ["models", "synonyms"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        self._server: uvicorn.Server | None = None
        # uvicorn puts its own handlers in place while it serves, and afterwards sends the signal again to these.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            with alone_on_data_folder():
                self._serve(options["host"], options["port"])
        except (DataFolderBusy, IndexFailure, EmbeddingUnavailable) as error:
            raise CommandError(str(error)) from error

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        pipeline.stopping.set()
        if self._server is None:
            raise SystemExit(0)

    def _serve(self, host: str, port: int) -> None:
        with _listening(host, port) as listener, index_served() as index, _answering() as processes:
            bring_database_up_to_date(self)
            if index is not None:
                index.wait()
            expected, held = outbox.expected_chunks().count(), get_index().count()
            tasks = None
            if settings.TASKS_IN_PROCESS:
                schedule.take_up_after_restart()
                runner.take_up_after_restart()
                running.take_up_after_restart()
                tasks = TaskThreads()
            # The port given may be 0: any free one.
            self._greet(host, listener.getsockname()[1])
            if held < expected:
                self.stderr.write(
                    f"The search index holds {held} of {expected} chunks, so answers may be missing. "
                    "Stop this and run `manage.py check_index --repair`."
                )
            connection.close()
            self._server = uvicorn.Server(
                uvicorn.Config(
                    "config.asgi:application", log_config=None, access_log=False, lifespan="off",
                    timeout_graceful_shutdown=3, server_header=False,
                )
            )  # fmt: skip
            if tasks is not None:
                tasks.start()
            if processes is None:
                threading.Thread(target=runner.warm, name="warm", daemon=True).start()
            try:
                self._server.run(sockets=[listener])
            finally:
                is_done = self._stop(tasks)
        self.stdout.write("Footnote has stopped.")
        if not is_done:
            # A file is still being read in a thread that nothing can interrupt. The run it belongs to is taken up
            # again at the next start; waiting for it would only keep the machine from shutting down.
            self.stdout.flush()
            os._exit(0)

    def _stop(self, tasks: TaskThreads | None) -> bool:
        """Let the tasks come to an end; return whether they did."""
        pipeline.stopping.set()
        self.stdout.write("Stopping …")
        is_done = tasks is None or tasks.stop(STOP_SECONDS)
        close_index()
        return is_done

    def _greet(self, host: str, port: int) -> None:
        shown = "localhost" if host in {"0.0.0.0", "::", "127.0.0.1"} else host  # noqa: S104 - only compared
        self.stdout.write(self.style.SUCCESS(f"\nFootnote is running at http://{shown}:{port}/"))
        people = demo.who_can_sign_in()
        if people:
            self.stdout.write(f"\nThe demo organisation is loaded. Everybody's password is {demo.PASSWORD}\n")
            width = max(len(person.email) for person in people)
            names = max(len(f"{person.name}, {person.job_title}") for person in people)
            for person in people:
                who = f"{person.name}, {person.job_title}"
                self.stdout.write(f"  {person.email:<{width}}  {who:<{names}}  {person.reads}")
        self.stdout.write("\nStop it with Ctrl-C.\n")
        self.stdout.flush()


@contextmanager
def index_served() -> Iterator[IndexProcess | None]:
    """Have the embedded index served by a process of its own; nothing is done where a Qdrant server has the index."""
    if settings.QDRANT_URL:
        yield None
        return
    folder = Path(settings.INDEX_DIR)
    finish_swap(folder)
    # It searches itself, so with one fewer each process that answers finds one to search for it.
    readers = max(0, settings.ANSWERING_PROCESSES - 1)
    index = IndexProcess(folder, dimensions=dimensions(), model=model_name(), readers=readers)
    try:
        yield index
    finally:
        index.stop()


@contextmanager
def _answering() -> Iterator[Processes | None]:
    processes = None
    if settings.ANSWERING_PROCESSES > 0:
        at_once = WAITING_FOR_A_MODEL if settings.MODEL_URL else 1
        processes = Processes(
            settings.ANSWERING_PROCESSES, at_once=at_once, heard=runner.hear, first=runner.warm
        )
    with runner.answering_elsewhere(processes):
        yield processes


def bring_database_up_to_date(command: BaseCommand) -> None:
    """Apply what is new in the schema. On a database of its own that is a matter of course; a shared one is asked for."""
    try:
        executor = MigrationExecutor(connection)
    except OperationalError as error:
        raise CommandError(f"The database cannot be reached: {error}") from error
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    if connection.vendor != "sqlite":
        raise CommandError("The database's tables are not up to date. Run `manage.py migrate` first.")
    command.stdout.write("Bringing the database up to date …")
    call_command("migrate", verbosity=0, interactive=False)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise CommandError with a sentence when that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} on {host} is in use by another program. Choose another one with --port."
            ) from error
        raise CommandError(f"Footnote cannot listen on {host}, port {port}: {error.strerror}.") from error
    except OverflowError as error:
        raise CommandError(f"{port} is not a port. Ports go from 0 to 65535.") from error
    listener.set_inheritable(True)
    return listener
