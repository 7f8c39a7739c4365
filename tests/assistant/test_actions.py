"""What people do with questions: each action once, with one audit event, and never in somebody else's conversation."""

import pytest

from accounts.audit import By
from accounts.models import AuditEvent, User
from assistant import actions
from assistant.models import Conversation, Feedback, Question
from assistant.types import NotAskable
from tests.assistant.answers import make_answer, make_question
from tests.world import World


def ask(
    user: User, text: str = "When does payroll run?", conversation: Conversation | None = None
) -> Question:
    return actions.ask(by=By.user(user), user=user, conversation=conversation, text=text)


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("type", flat=True))


def test_a_conversation_is_called_by_what_is_asked_and_the_question_stays_as_typed(world: World) -> None:
    typed = "Hi Anna, could you tell me when payroll runs? Thanks, Bob"
    question = ask(world.alice, typed)
    assert (question.text, question.conversation.title) == (typed, "When payroll runs?")


def test_asking_makes_a_conversation_a_question_and_one_event(world: World) -> None:
    question = ask(world.alice, "  When does payroll run?  ")
    assert (question.text, question.position, question.state) == ("When does payroll run?", 1, "running")
    assert (question.conversation.owner, question.conversation.title) == (
        world.alice,
        "When does payroll run?",
    )
    event = AuditEvent.objects.get()
    assert (event.type, event.actor) == ("question.asked", f"user:{world.alice.pk}")
    assert event.subject == f"question:{question.public_id}"


def test_the_event_names_the_question_without_personal_data(world: World) -> None:
    ask(world.alice, "Does bob@example.org get a card?")
    assert AuditEvent.objects.get().subject_label == "Does [e-mail address] get a card?"


def test_a_follow_up_goes_into_the_same_conversation_at_the_next_place(world: World) -> None:
    first = ask(world.alice)
    second = ask(world.alice, "And in May?", first.conversation)
    assert (second.conversation_id, second.position) == (first.conversation_id, 2)


def test_a_question_that_cannot_be_asked_leaves_nothing_behind(world: World) -> None:
    with pytest.raises(NotAskable):
        ask(world.alice, "   ")
    assert not Conversation.objects.exists()
    assert events() == []


def test_answering_starts_when_the_question_is_committed(
    world: World, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object
) -> None:
    started: list[int] = []
    monkeypatch.setattr("assistant.runner.start", started.append)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        question = ask(world.alice)
        assert started == []
    assert started == [question.pk]


def test_nobody_asks_in_somebody_elses_conversation(world: World) -> None:
    conversation = ask(world.alice).conversation
    with pytest.raises(NotAskable, match="no longer exists"):
        ask(world.bob, conversation=conversation)
    assert Question.objects.count() == 1


def test_one_person_cannot_fill_the_pool(world: World) -> None:
    for number in range(actions.MOST_RUNNING):
        ask(world.alice, f"Question {number}?")
    with pytest.raises(NotAskable, match=r"^3 of your questions are still being answered\."):
        ask(world.alice, "One more?")
    ask(world.bob, "And mine?")


def test_asking_again_repeats_the_words_with_todays_rights(world: World) -> None:
    first = make_question(world.alice, "When does payroll run?", "interrupted")
    again = actions.ask_again(by=By.user(world.alice), user=world.alice, question=first)
    assert (again.text, again.position, again.conversation_id) == (first.text, 2, first.conversation_id)
    assert AuditEvent.objects.get().details["again_of"] == f"question:{first.public_id}"


def test_renaming_and_removing_a_conversation(world: World) -> None:
    conversation = ask(world.alice).conversation
    by = By.user(world.alice)
    renamed = actions.rename_conversation(
        by=by, user=world.alice, conversation=conversation, title="  Payroll\n dates "
    )
    assert renamed.title == "Payroll dates"
    assert actions.remove_conversation(by=by, user=world.alice, conversation=conversation).removed_at
    assert events() == ["question.asked", "conversation.renamed", "conversation.removed"]
    with pytest.raises(NotAskable):
        ask(world.alice, conversation=conversation)
    assert Question.objects.count() == 1


def test_an_empty_title_is_refused(world: World) -> None:
    conversation = ask(world.alice).conversation
    with pytest.raises(NotAskable, match="needs a title"):
        actions.rename_conversation(
            by=By.user(world.alice), user=world.alice, conversation=conversation, title="  "
        )


def test_nobody_tidies_somebody_elses_conversation(world: World) -> None:
    conversation = ask(world.alice).conversation
    by = By.user(world.bob)
    with pytest.raises(NotAskable):
        actions.rename_conversation(by=by, user=world.bob, conversation=conversation, title="Mine")
    with pytest.raises(NotAskable):
        actions.remove_conversation(by=by, user=world.bob, conversation=conversation)


def test_a_second_opinion_replaces_the_first_and_the_audit_keeps_both(world: World) -> None:
    question = make_answer(
        world.alice, "Payroll?", [(world.documents["payroll"], "Payroll runs on the 25th")]
    )
    by = By.user(world.alice)
    for is_good, reason in ((True, ""), (False, "It is the 24th, write to bob@example.org")):
        actions.give_feedback(by=by, user=world.alice, answer=question.answer, is_good=is_good, reason=reason)
    feedback = Feedback.objects.get()
    assert (feedback.is_good, feedback.reason) == (False, "It is the 24th, write to bob@example.org")
    last = AuditEvent.objects.order_by("position").last()
    assert events() == ["answer.feedback"] * 2
    assert last is not None
    assert last.reason == "It is the 24th, write to [e-mail address]"


def test_nobody_judges_somebody_elses_answer(world: World) -> None:
    question = make_answer(
        world.alice, "Payroll?", [(world.documents["payroll"], "Payroll runs on the 25th")]
    )
    with pytest.raises(NotAskable):
        actions.give_feedback(by=By.user(world.bob), user=world.bob, answer=question.answer, is_good=True)
