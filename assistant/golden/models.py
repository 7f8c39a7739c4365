"""Golden questions, the runs that asked them, and what came of each."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Case, Value, When
from django.utils import timezone

FOUND_WITHIN = 10
"""An expected document counts as found when it is among so many first documents."""


class GoldenQuestion(models.Model):
    """A question whose good answer is known: who asks it, on which documents the answer rests, how it should end."""

    class Outcome(models.TextChoices):
        ANSWERED = "answered", "answered"
        REFUSED = "refused", "no answer found"

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    text = models.TextField()
    asker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="golden_questions"
    )
    expected_outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.ANSWERED)
    # Public ids instead of foreign keys: purging a removed document must not be stopped by, nor change, what is expected.
    documents = models.JSONField(default=list, help_text="public ids of the documents a good answer rests on")
    words = models.CharField(
        max_length=300, blank=True, help_text="words that a good answer holds, in any case and spacing"
    )
    is_active = models.BooleanField(
        default=True, help_text="removed questions stay for the runs that asked them"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def subject(self) -> str:
        """How the audit names this question as the subject of an event."""
        return f"golden_question:{self.public_id}"


class EvaluationRun(models.Model):
    """All golden questions asked once, with one way for retrieval to work."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting to start"
        RUNNING = "running", "running"
        FINISHED = "finished", "finished"
        FAILED = "failed", "failed"
        INTERRUPTED = "interrupted", "stopped"

    OPEN = (State.QUEUED, State.RUNNING)

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    label = models.CharField(max_length=120, blank=True)
    options = models.CharField(
        max_length=300, blank=True, help_text="what of retrieval's options differs from the standard ones"
    )
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    # Who carries the run out now. Whoever takes it up gives it a new one, and the one before can write nothing more.
    claim = models.UUIDField(null=True, blank=True, editable=False)
    # Proof of life: a running run whose heartbeat is old was cut off and is taken up again where it was.
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="a sentence: why it failed or was stopped")
    figures = models.JSONField(default=dict, help_text="what the results add up to, once the run is finished")

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two at once would measure each other's load. A closed run has no value here, and so no rival.
            models.UniqueConstraint(
                Case(When(state__in=["queued", "running"], then=Value(1))), name="one_open_evaluation_run"
            )
        ]

    def __str__(self) -> str:
        return f"evaluation run {self.pk}: {self.state}"

    @property
    def subject(self) -> str:
        """How the audit names this run as the subject of an event."""
        return f"evaluation:{self.public_id}"

    @property
    def name(self) -> str:
        """What a person calls this run."""
        return self.label or self.options or "Standard options"


class EvaluationResult(models.Model):
    """One golden question of one run: as it was when the run was requested, and what came of asking it.

    Holds no words of any document and none of the answer: ranks, how it ended, and whether what was expected came.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DONE = "done", "asked"
        FAILED = "failed", "could not be asked"

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="results")
    question = models.ForeignKey(GoldenQuestion, on_delete=models.PROTECT, related_name="results")
    # As it stood when the run was requested: a question that is edited later must not change what was measured.
    text = models.TextField()
    asker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expected_outcome = models.CharField(max_length=12, choices=GoldenQuestion.Outcome)
    expected = models.JSONField(default=list, help_text="public ids of the expected documents")
    words = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    ranks = models.JSONField(
        default=list, help_text="place of each expected document, from 1; null: not found"
    )
    outcome = models.CharField(max_length=12, blank=True)
    has_words = models.BooleanField(
        null=True, help_text="whether the answer held the words; null: none expected"
    )
    is_right = models.BooleanField(null=True, help_text="everything came as expected; null: not asked")
    milliseconds = models.FloatField(null=True, help_text="what finding the passages took")
    error = models.CharField(max_length=500, blank=True, help_text="a sentence: why it could not be asked")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "question"], name="golden_question_once_per_run")
        ]
        indexes = [models.Index(fields=["run", "state"], name="evaluation_result_by_state")]

    def __str__(self) -> str:
        return f"{self.question_id} in run {self.run_id}: {self.state}"

    @property
    def is_found(self) -> bool | None:
        """Whether one of the expected documents stood among the first ten; None where none was expected or asked."""
        if not self.expected or self.state != self.State.DONE:
            return None
        return any(rank is not None and rank <= FOUND_WITHIN for rank in self.ranks)

    @property
    def best_rank(self) -> int | None:
        """The place of the expected document that stood first, from 1; None where none was found."""
        return min((rank for rank in self.ranks if rank is not None), default=None)
