"""The commands that ask and explain access: they do what the pages do, and leave the same record."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.audit import By
from accounts.models import AuditEvent
from assistant import runner, trace
from assistant.models import Question
from tests.assistant.asking import index_of_its_own, indexed
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name

TRAVEL = "What is the budget for travel this year?"


@pytest.fixture
def answered_at_once(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object) -> None:
    """Answer within the test's transaction, where no other thread can look."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda do, using=None, robust=False: do())
    monkeypatch.setattr(runner, "start", runner.run)


def run(*arguments: str) -> tuple[int, str]:
    """Return a command's exit code and what it printed."""
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_ask_prints_sentences_with_footnotes_and_their_sources(
    indexed: World, answered_at_once: None
) -> None:
    code, text = run("ask", TRAVEL, "--as", "alice@example.org")
    assert code == 0
    assert "The budget for travel is 40,000 euros this year. [1]" in text
    assert "[1] Intranet › Budget" in text
    assert trace.last_digest(Question.objects.get()) in text


def test_ask_as_json_is_one_object_with_everything(indexed: World, answered_at_once: None) -> None:
    code, text = run("ask", TRAVEL, "--as", "ALICE@example.org", "--json")
    said = json.loads(text)
    assert code == 0
    assert (said["question"], said["outcome"]) == (TRAVEL, "answered")
    first = said["citations"][0]
    assert first["quote"] == "The budget for travel is 40,000 euros this year."
    assert said["claims"][0]["quotes"] == [first["quote"]]
    assert first["end"] - first["start"] == len(first["quote"])
    assert [step["name"] for step in said["steps"]][-1] == "record"
    assert said["record"] == trace.last_digest(Question.objects.get())


def test_asking_from_the_command_line_is_recorded_like_any_question(
    indexed: World, answered_at_once: None
) -> None:
    run("ask", TRAVEL, "--as", "alice@example.org")
    assert list(AuditEvent.objects.order_by("position").values_list("type", flat=True)) == [
        "question.asked", "question.answered",
    ]  # fmt: skip
    assert trace.verify_record(Question.objects.get()).is_intact


def test_a_refusal_has_an_exit_code_of_its_own(indexed: World, answered_at_once: None) -> None:
    code, text = run("ask", "Who founded Atlantis?", "--as", "charlie@example.org")
    assert code == 3
    assert "No answer found." in text
    assert "“Atlantis”" in text


@pytest.mark.parametrize("command", [["ask", TRAVEL], ["access", "Budget"]])
def test_an_unknown_person_is_named(world: World, command: list[str]) -> None:
    with pytest.raises(CommandError, match=r"no person with the e-mail address nobody@example\.org"):
        run(*command, "--as", "nobody@example.org")


def test_a_deactivated_person_asks_nothing(world: World) -> None:
    world.bob.is_active = False
    world.bob.save(update_fields=["is_active"])
    with pytest.raises(CommandError, match="deactivated"):
        run("ask", TRAVEL, "--as", "bob@example.org")
    assert not Question.objects.exists()


def test_what_cannot_be_asked_is_an_error_with_its_sentence(indexed: World) -> None:
    with pytest.raises(CommandError, match="There is no question yet"):
        run("ask", "  ", "--as", "alice@example.org")


@pytest.mark.parametrize("way", ["title", "path", "id"])
def test_access_says_whether_and_why(world: World, way: str) -> None:
    document = world.documents["budget"]
    name = {"title": "budget", "path": "budget.md", "id": str(document.public_id)}[way]
    code, text = run("access", name, "--as", "bob@example.org")
    assert code == 0
    assert "Bob can read this document." in text
    assert "✓ The document is shared with Budget, of which Bob is a member." in text
    event = AuditEvent.objects.get()
    assert (event.type, event.subject) == ("document.access_explained", f"document:{document.public_id}")
    assert event.details == {"person": world.bob.subject, "allowed": True}
    assert By.system("manage.py access").label == event.actor_label


def test_access_denied_says_what_is_missing_and_has_an_exit_code_of_its_own(world: World) -> None:
    code, text = run("access", "Budget", "--as", "charlie@example.org")
    assert code == 3
    assert "Charlie cannot read this document." in text
    assert "✗" in text


def test_a_document_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(CommandError, match="There is no document with the id, path or title Atlantis"):
        run("access", "Atlantis", "--as", "alice@example.org")


def test_several_documents_of_one_name_are_listed(world: World) -> None:
    world.documents["menu"].title = "Budget"
    world.documents["menu"].save(update_fields=["title"])
    with pytest.raises(CommandError, match=str(world.documents["menu"].public_id)):
        run("access", "Budget", "--as", "alice@example.org")
