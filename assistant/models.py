"""Conversations, questions, answers, and the evidence on which they were given."""

import uuid

from django.conf import settings
from django.db import models

from accounts.append_only import AppendOnlyModel
from assistant.golden.models import EvaluationResult, EvaluationRun, GoldenQuestion

__all__ = [
    "Answer",
    "Citation",
    "Conversation",
    "EvaluationResult",
    "EvaluationRun",
    "Feedback",
    "GoldenQuestion",
    "Question",
    "TraceStep",
]


class Conversation(models.Model):
    """One person's line of questions. Nobody else ever sees it; auditors see the questions' records."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="conversations"
    )
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(db_index=True)
    removed_at = models.DateTimeField(
        null=True, blank=True, help_text="deleted by its owner; the record stays"
    )

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return self.title


class Question(models.Model):
    """One question and where its answer stands."""

    class State(models.TextChoices):
        RUNNING = "running", "being answered"
        ANSWERED = "answered", "answered"
        REFUSED = "refused", "no answer found"
        CLARIFY = "clarify", "asked back"
        FAILED = "failed", "could not be answered"
        INTERRUPTED = "interrupted", "interrupted"

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="questions")
    position = models.PositiveIntegerField()
    text = models.TextField()
    filters = models.JSONField(
        default=dict,
        blank=True,
        help_text="what was picked beside the box, as retrieval.types.Filters; {} for nothing",
    )
    state = models.CharField(max_length=12, choices=State, default=State.RUNNING, db_index=True)
    # Digest of the principals held when it was asked: proves under whose rights, without storing a viewer.
    viewer_digest = models.CharField(max_length=71)
    asked_at = models.DateTimeField(db_index=True)
    heartbeat_at = models.DateTimeField(help_text="a running question with an old heartbeat was cut off")
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(
        max_length=500, blank=True, help_text="a sentence: why it failed or was interrupted"
    )

    class Meta:
        ordering = ["conversation", "position"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "position"], name="question_position_once")
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Answer(models.Model):
    """What was said to one question.

    `claims` is a list of {"text": str | None, "numbers": [citation numbers], "support": "supported" | "partial" |
    "struck"}, and "lacking": [words of the question that stand nowhere near it] where there are any. A claim that is a
    verbatim quote has text None: its words are read through the gate from its citation each time it is shown, so an
    answer is never a way around a revocation.
    """

    id = models.BigAutoField(primary_key=True)
    question = models.OneToOneField(Question, on_delete=models.PROTECT, related_name="answer")
    outcome = models.CharField(
        max_length=12,
        choices=[("answered", "answered"), ("refused", "refused"), ("clarify", "asked back")],
    )
    claims = models.JSONField(default=list)
    refusal = models.JSONField(default=dict, help_text="what was looked for and where, when refused")
    clarification = models.CharField(
        max_length=500, blank=True, help_text="what was asked back, when nothing was searched"
    )
    method = models.CharField(max_length=20, default="extractive")
    milliseconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"answer to {self.question_id}"


class Citation(models.Model):
    """A footnote: the exact words of one chunk that support a claim, by offsets; the words themselves stay where they are.

    Integers instead of foreign keys to chunks: purging a removed document must not be stopped by, nor change, the record.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    answer = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="citations")
    number = models.PositiveIntegerField(help_text="as shown, from 1")
    chunk_id = models.BigIntegerField(db_index=True)
    chunk_digest = models.CharField(max_length=71)
    document_id = models.BigIntegerField(db_index=True)
    version_id = models.BigIntegerField()
    start = models.PositiveIntegerField(help_text="offset of the quote in the version's text")
    end = models.PositiveIntegerField()
    quote_digest = models.CharField(max_length=71, help_text="sha256: of the quoted words")

    class Meta:
        ordering = ["answer", "number"]
        constraints = [models.UniqueConstraint(fields=["answer", "number"], name="citation_number_once")]

    def __str__(self) -> str:
        return f"[{self.number}]"


class TraceStep(AppendOnlyModel):
    """One stage of answering one question, chained to the stage before. Ids, scores and reasons; no document text."""

    id = models.BigAutoField(primary_key=True)
    question_id = models.BigIntegerField(db_index=True)
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=40)
    record = models.JSONField(default=dict)
    milliseconds = models.FloatField()
    at = models.DateTimeField()
    previous = models.CharField(max_length=71)
    digest = models.CharField(max_length=71)

    class Meta:
        ordering = ["question_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["question_id", "position"], name="trace_step_position_once")
        ]

    def __str__(self) -> str:
        return f"{self.question_id}.{self.position} {self.name}"


class Feedback(models.Model):
    """What the asker thought of an answer."""

    id = models.BigAutoField(primary_key=True)
    answer = models.OneToOneField(Answer, on_delete=models.PROTECT, related_name="feedback")
    is_good = models.BooleanField()
    reason = models.CharField(max_length=500, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return "good" if self.is_good else "not right"
