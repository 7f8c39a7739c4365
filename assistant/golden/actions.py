"""What administrators do about golden questions: keep them, have them asked, stop that.

Every action is one transaction that ends in one audit event. Expected documents are picked among those the person who
picks them may read; asking with somebody's rights shows nobody else a word of what they may read.
"""

from collections.abc import Sequence
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import By, record
from accounts.models import User
from accounts.viewer import Viewer
from assistant import tasks
from assistant.golden.models import EvaluationResult, EvaluationRun, GoldenQuestion
from assistant.golden.types import Entry, NotPossible
from assistant.screening import label_of
from ingestion.locking import enqueue
from ingestion.models import Document
from retrieval.options import Options

MOST_QUESTIONS = 2_000
OPEN = [str(state) for state in EvaluationRun.OPEN]


def add_golden_question(*, by: By, user: User | None, viewer: Viewer, entry: Entry) -> GoldenQuestion:
    """Keep a golden question. Raises NotPossible with a sentence when it cannot be kept as it is."""
    with transaction.atomic():
        question = _new(user, viewer, entry)
        _record("golden_question.added", by, question)
    return question


def change_golden_question(
    *, by: By, viewer: Viewer, question: GoldenQuestion, entry: Entry
) -> GoldenQuestion:
    """Change a golden question; runs keep it as it was when they asked it. What it expected before may stay expected."""
    with transaction.atomic():
        question = _locked(question)
        _check(viewer, entry, kept=question.documents)
        _fill(question, entry)
        question.updated_at = timezone.now()
        question.save(update_fields=["text", "asker", "expected_outcome", "documents", "words", "updated_at"])
        _record("golden_question.changed", by, question)
    return question


def remove_golden_question(*, by: By, question: GoldenQuestion) -> GoldenQuestion:
    """Take a golden question out of later runs. Earlier runs keep what came of it."""
    with transaction.atomic():
        question = _locked(question)
        question.is_active, question.updated_at = False, timezone.now()
        question.save(update_fields=["is_active", "updated_at"])
        _record("golden_question.removed", by, question)
    return question


def import_golden_questions(*, by: By, user: User, viewer: Viewer, entries: Sequence[Entry]) -> int:
    """Keep many golden questions, all or none, and return how many. One that is kept already word for word is not doubled."""
    with transaction.atomic():
        held = set(GoldenQuestion.objects.filter(is_active=True).values_list("text", "asker_id"))
        added = []
        for entry in entries:
            if (entry.text, entry.asker.pk) not in held:
                held.add((entry.text, entry.asker.pk))
                added.append(_new(user, viewer, entry))
        record(
            "golden_question.imported",
            by=by,
            subject="golden_questions:all",
            details={"added": len(added), "known_already": len(entries) - len(added)},
        )
    return len(added)


def start_evaluation(*, by: By, user: User | None, options: Options, label: str = "") -> EvaluationRun:
    """Have every golden question asked in the background. Raises NotPossible when there is none, or a run is open."""
    with transaction.atomic():
        questions = list(GoldenQuestion.objects.filter(is_active=True).order_by("pk"))
        if not questions:
            raise NotPossible("There is no golden question to ask. Add one first.")
        run = EvaluationRun(
            label=" ".join(label.split())[:120], options=str(options)[:300], requested_by=user
        )
        try:
            with transaction.atomic():
                run.save(force_insert=True)
        except IntegrityError as error:
            raise NotPossible(
                "The golden questions are being asked already. Wait until that run is finished, or stop it."
            ) from error
        EvaluationResult.objects.bulk_create(
            EvaluationResult(
                run=run,
                question=question,
                text=question.text,
                asker_id=question.asker_id,
                expected_outcome=question.expected_outcome,
                expected=question.documents,
                words=question.words,
            )
            for question in questions
        )
        record(
            "evaluation.started",
            by=by,
            subject=run.subject,
            subject_label=run.name,
            details={
                "options": run.options,
                "questions": len(questions),
                # With whose rights they are asked belongs into the record as much as who had them asked.
                "askers": sorted({f"user:{question.asker_id}" for question in questions}),
            },
        )
        enqueue(partial(tasks.run_evaluation.delay, run.pk))
    return run


def stop_evaluation(*, by: By, run: EvaluationRun) -> EvaluationRun:
    """Stop an open run after the question it is at. What was asked stays; it is not gone on with."""
    with transaction.atomic():
        run = EvaluationRun.objects.select_for_update().get(pk=run.pk)
        if run.state not in OPEN:
            raise NotPossible(f"This run is already {run.get_state_display()}.")
        run.state, run.finished_at = EvaluationRun.State.INTERRUPTED, timezone.now()
        run.error = f"Stopped by {by.label.partition(' <')[0] or by.actor} before every question was asked."
        run.save(update_fields=["state", "finished_at", "error"])
        record("evaluation.stopped", by=by, subject=run.subject, subject_label=run.name)
    return run


def _new(user: User | None, viewer: Viewer, entry: Entry) -> GoldenQuestion:
    if GoldenQuestion.objects.filter(is_active=True).count() >= MOST_QUESTIONS:
        raise NotPossible(f"There are {MOST_QUESTIONS} golden questions already. Remove some first.")
    _check(viewer, entry, kept=())
    question = GoldenQuestion(created_by=user)
    _fill(question, entry)
    question.save(force_insert=True)
    return question


def _check(viewer: Viewer, entry: Entry, kept: Sequence[str]) -> None:
    """Raise NotPossible unless an entry can be kept. `kept` are documents that may stay although unreadable to the viewer."""
    if not entry.text:
        raise NotPossible("A golden question needs its words.")
    if entry.expected_outcome == GoldenQuestion.Outcome.REFUSED and (entry.documents or entry.words):
        raise NotPossible(
            "Where no answer is to be found, no document and no words can be expected. Take them away, or expect an answer."
        )
    wanted = set(entry.documents) - set(kept)
    readable = Document.objects.visible_to(viewer).filter(public_id__in=wanted)
    # One sentence for what does not exist and for what this person may not read.
    if wanted - {str(public_id) for public_id in readable.values_list("public_id", flat=True)}:
        raise NotPossible("One of the expected documents is none that you may read.")


def _fill(question: GoldenQuestion, entry: Entry) -> None:
    question.text, question.asker = entry.text, entry.asker
    question.expected_outcome, question.words = entry.expected_outcome, entry.words
    question.documents = list(dict.fromkeys(entry.documents))


def _locked(question: GoldenQuestion) -> GoldenQuestion:
    found = GoldenQuestion.objects.select_for_update().filter(pk=question.pk, is_active=True).first()
    if found is None:
        raise NotPossible("This golden question was removed meanwhile.")
    return found


def _record(event: str, by: By, question: GoldenQuestion) -> None:
    record(
        event,
        by=by,
        subject=question.subject,
        subject_label=label_of(question.text),
        details={
            "asker": f"user:{question.asker_id}",
            "expected_outcome": question.expected_outcome,
            "documents": question.documents,
            "expects_words": bool(question.words),
        },
    )
