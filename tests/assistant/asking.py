"""The world with its documents in an index, for tests that ask questions from end to end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.audit import By
from accounts.models import User
from accounts.triggers import all_lifted
from accounts.viewer import viewer_of
from assistant import actions, runner
from assistant.models import Conversation, Question, TraceStep
from assistant.pipeline import answer
from assistant.types import VerifiedAnswer
from ingestion import outbox
from ingestion.index import close_index
from ingestion.models import DocumentVersion
from retrieval.types import Step
from tests.world import World, make_world


@pytest.fixture
def index_of_its_own(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """An empty index in a folder of its own, and an embedder that takes microseconds."""
    settings.INDEX_DIR = tmp_path / "index"
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    close_index()
    yield
    close_index()


@pytest.fixture
def indexed(db: None, index_of_its_own: None) -> World:
    """The fixed world, its documents in the index."""
    return indexed_world()


def indexed_world() -> World:
    """Return the world with every document delivered to the index."""
    world = make_world()
    deliver()
    return world


def deliver() -> None:
    """Put every version that is not yet in the index there."""
    DocumentVersion.objects.update(state=DocumentVersion.State.PENDING)
    outbox.deliver()


def steps_of(user: User, text: str) -> dict[str, Step]:
    """Return the steps of answering a question as a person, by name."""
    return {step.name: step for step in answer(text, (), viewer_of(user))}


def answer_of(user: User, text: str) -> VerifiedAnswer:
    """Return the verified answer to a question asked by a person."""
    verified: VerifiedAnswer = steps_of(user, text)["verify"].value
    return verified


def how_it_was_answered(client: Client, user: User, question: Question) -> str:
    """Return the page that tells a person how their question was answered."""
    client.force_login(user)
    return client.get(reverse("assistant:steps", args=[question.public_id])).content.decode()


def rewrite(step: TraceStep, **changes: object) -> None:
    """Have a step that was recorded say something else."""
    with all_lifted(connection), connection.cursor() as cursor:
        changed = json.dumps({**step.record, **changes})
        cursor.execute("UPDATE assistant_tracestep SET record = %s WHERE id = %s", [changed, step.pk])


def asked(user: User, text: str, conversation: Conversation | None = None) -> Question:
    """Ask as a person, and answer in this thread."""
    question = actions.ask(by=By.user(user), user=user, conversation=conversation, text=text)
    runner.run(question.pk)
    question.refresh_from_db()
    return question
