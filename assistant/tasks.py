"""What Celery runs for questions and evaluations. Tasks only call; every import is inside, so naming one loads nothing heavy."""

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


@shared_task
def run_evaluation(run_id: int) -> None:
    """Ask the golden questions of a run, or those of them that are left. A run that somebody else carries out is theirs."""
    from assistant.golden import running

    running.carry_out(run_id)


@shared_task
def take_up_evaluations() -> None:
    """Take up evaluation runs that wait or were cut off."""
    from assistant.golden import running

    for run_id in running.waiting():
        run_evaluation.delay(run_id)
