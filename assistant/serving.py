"""Tasks inside the web process: Celery's worker and beat in threads, for installations without a broker."""

import logging
import threading

from celery import current_app
from celery.app import app_or_default
from celery.beat import Scheduler, Service
from celery.worker import WorkController

from ingestion import pipeline

log = logging.getLogger(__name__)

# A sync may take one for an hour; an upload, the outbox and the clean-up must not wait for it.
THREADS = 3


class TaskThreads:
    """A Celery worker and beat in threads of this process. They leave its signal handlers and its logging alone."""

    def __init__(self) -> None:
        app = app_or_default()
        # Celery's bare controller: the command-line worker around it installs signal handlers and logging.
        self._worker = WorkController(
            app=app, pool_cls="threads", concurrency=THREADS, hostname="footnote", without_gossip=True,
            without_mingle=True, without_heartbeat=True, quiet=True,
        )  # fmt: skip
        # Beat's own default keeps its times in a file; ours are in the database.
        self._beat = Service(app, max_interval=1, scheduler_cls=Scheduler)
        self._threads = [
            threading.Thread(target=self._worker.start, name="tasks", daemon=True),
            threading.Thread(target=self._beat.start, name="beat", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads and send for whatever was left undone by the process before."""
        pipeline.stopping.clear()
        for thread in self._threads:
            thread.start()
        for name in (
            "ingestion.tasks.start_due_syncs",
            "ingestion.tasks.deliver_outbox",
            "assistant.tasks.take_up_evaluations",
        ):
            current_app.send_task(name)

    def stop(self, seconds: float) -> bool:
        """Stop after the documents being worked on; return whether that was done within the time."""
        pipeline.stopping.set()
        self._beat.stop(wait=False)
        stopper = threading.Thread(target=self._worker.stop, name="stop-tasks", daemon=True)
        stopper.start()
        stopper.join(seconds)
        self._threads[0].join(1.0)
        return not stopper.is_alive() and not self._threads[0].is_alive()
