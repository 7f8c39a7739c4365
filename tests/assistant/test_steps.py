"""How something is done: the steps are quoted as the list they are, in answers to those who ask for it."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.viewer import EVERYONE
from assistant.answering.expected import holds, kind_of
from assistant.answering.steps import MOST_CHARACTERS, with_steps_joined
from ingestion.access import Rule
from ingestion.splitting import split_sentences
from tests.assistant.answers import make_answer
from tests.assistant.asking import index_of_its_own
from tests.assistant.drafts import drafted, drafted_again, quotes
from tests.factories import make_document
from tests.world import World

__all__ = ["index_of_its_own"]  # a fixture: pytest finds it by name

STEPS = "1. Look at the gateway's certificate.\n2. Run the renewal. Correct what it complains about.\n3. Check from outside."
RUNBOOK = (
    f"The certificate of the gateway lasts two years.\n\n{STEPS}\n\nThe gateway has a certificate of its own."
)


def joined(text: str) -> list[tuple[str, bool]]:
    cut = with_steps_joined(text, split_sentences(text))
    return [(text[span.start : span.end], is_steps) for span, is_steps in cut]


def test_steps_that_follow_each_other_are_one_with_all_that_stands_on_their_lines() -> None:
    assert joined(RUNBOOK) == [
        ("The certificate of the gateway lasts two years.", False),
        (STEPS, True),
        ("The gateway has a certificate of its own.", False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1. One thing only.\n\nIt is done.",
        "It lasts for 2. 3. is too much.",
        "- Look.\n- Run.",
        "Release 2.0 is out. 3.1 follows.",
    ],
)
def test_a_single_step_bullets_and_numbers_in_a_text_are_no_list_of_steps(text: str) -> None:
    assert not any(is_steps for _, is_steps in joined(text))


def test_a_step_that_runs_on_over_a_line_is_whole() -> None:
    text = "1. Look at the certificate\nof the gateway.\n2. Renew it."
    assert joined(text) == [(text, True)]


def test_a_long_list_is_cut_between_two_steps() -> None:
    step = "Turn the handle of the gate until the light above the door is green again."
    text = "\n".join(f"{number}. {step}" for number in range(1, 41))
    parts = joined(text)
    assert all(
        is_steps and len(part) <= MOST_CHARACTERS and part.endswith("again.") for part, is_steps in parts
    )
    assert "\n".join(part for part, _ in parts) == text


@pytest.mark.parametrize(
    "question",
    [
        "How do I renew the certificate?",
        "How can we get a badge?",
        "how to report a lost laptop",
        "What do I do when I am paged?",
        "What should we do first when it fails?",
        "What are the steps for a release?",
        "What is the process for submitting claims?",
    ],
)
def test_who_asks_how_something_is_done_waits_for_steps(question: str) -> None:
    assert kind_of(question) == "steps"
    assert holds("steps", STEPS, question) == 1.0
    assert holds("steps", "1. Look.", question) == 0.0


@pytest.mark.parametrize("question", ["How many steps are there?", "How does it work?", "What does it do?"])
def test_other_questions_do_not_wait_for_steps(question: str) -> None:
    assert kind_of(question) != "steps"


@pytest.fixture
def runbook(world: World, index_of_its_own: None) -> World:
    drafted(
        world,
        "",
        f"The certificate of the gateway lasts two years.\n{STEPS}",
        "Gates are green.",
        "Doors are blue.",
    )
    return world


def test_how_it_is_done_is_answered_by_the_whole_list(runbook: World) -> None:
    assert [STEPS] in quotes(drafted_again(runbook, "How do I renew the certificate of the gateway?"))


def test_what_is_not_asked_for_as_steps_is_answered_by_one_of_them(runbook: World) -> None:
    answers = [words for (words, *_) in quotes(drafted_again(runbook, "What is run for the renewal?"))]
    assert answers[0] == "2. Run the renewal."
    assert STEPS not in answers


def test_steps_are_shown_with_their_numbers(world: World, client: Client) -> None:
    document = make_document(world.sources["open"], "runbook", STEPS, Rule.of({EVERYONE}))
    question = make_answer(world.alice, "How do I renew it?", [(document, STEPS)])
    client.force_login(world.alice)
    page = reverse("assistant:conversation", args=[question.conversation.public_id])
    html = client.get(page).content.decode()
    assert [f'<span class="marker">{number}.</span>' in html for number in (1, 2, 3, 4)] == [True] * 3 + [
        False
    ]
