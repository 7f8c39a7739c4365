"""What Celery runs. Tasks only call; every import is inside, so that naming a task loads nothing heavy."""

import logging

from celery import shared_task

log = logging.getLogger(__name__)


@shared_task
def run_sync(run_id: int) -> None:
    """Carry out a sync run, or what is left of it. A run that somebody else carries out is left to them."""
    from ingestion import outbox, pipeline

    for _ in pipeline.sync(run_id):
        if pipeline.stopping.is_set():
            log.info("Run %s stops here because the server stops; it goes on at the next start.", run_id)
            return
    outbox.optimize()


@shared_task
def deliver_outbox() -> None:
    """Bring the index in line with what the database says is still to be delivered."""
    from ingestion import outbox, pipeline
    from ingestion.index.types import IndexFailure
    from ingestion.weights import EmbeddingUnavailable

    try:
        outbox.deliver(stop=pipeline.stopping.is_set)
    except (IndexFailure, EmbeddingUnavailable) as error:
        # What is due stays due; the sentence says what is in the way, a traceback every few seconds would not.
        log.warning("The index could not be brought up to date: %s", error)


@shared_task
def start_due_syncs() -> None:
    """Request the syncs that are due by schedule, and take up runs that wait or were cut off."""
    from ingestion import schedule

    for run_id in schedule.start_due():
        run_sync.delay(run_id)


@shared_task
def purge_tombstones() -> None:
    """Delete what was removed long enough ago, and files that nothing names."""
    from ingestion import purge

    purge.purge_tombstones()
