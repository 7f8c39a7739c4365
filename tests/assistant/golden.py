"""Golden questions and runs for tests, made the short way."""

from accounts.audit import By
from accounts.models import User
from accounts.viewer import viewer_of
from assistant.golden import running
from assistant.golden.actions import add_golden_question, start_evaluation
from assistant.golden.models import EvaluationResult, EvaluationRun, GoldenQuestion
from assistant.golden.types import Entry
from ingestion.models import Document
from retrieval.options import Options
from tests.world import World

TRAVEL = "What is the budget for travel this year?"
ATLANTIS = "Who founded Atlantis?"


def golden(
    by: User, asker: User, text: str = TRAVEL, *documents: Document, words: str = "", refused: bool = False
) -> GoldenQuestion:
    """Keep a golden question as an administrator who may read its documents."""
    outcome = "refused" if refused else "answered"
    entry = Entry(text, asker, outcome, tuple(str(d.public_id) for d in documents), words)
    return add_golden_question(by=By.user(by), user=by, viewer=viewer_of(by), entry=entry)


def requested(world: World, options: str = "", label: str = "") -> EvaluationRun:
    """Request a run; nothing carries it out yet."""
    return start_evaluation(
        by=By.user(world.adam), user=world.adam, options=Options.parse(options), label=label
    )


def evaluated(world: World, options: str = "", label: str = "") -> EvaluationRun:
    """Request a run and carry it out to its end."""
    run = requested(world, options, label)
    running.carry_out(run.pk)
    run.refresh_from_db()
    return run


def result_of(run: EvaluationRun, question: GoldenQuestion) -> EvaluationResult:
    """Return what came of one question."""
    return run.results.get(question=question)
