"""What Celery runs for questions. Tasks only call; every import is inside, so that naming a task loads nothing heavy."""

import logging

from celery import shared_task

log = logging.getLogger(__name__)


@shared_task
def close_interrupted_questions() -> None:
    """Close questions whose answering was cut off, so that nobody waits for them."""
    from assistant import runner

    closed = runner.close_interrupted()
    if closed:
        log.warning("%d questions whose answering was cut off were closed as interrupted.", closed)
