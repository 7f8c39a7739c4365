"""Questions wrapped in courtesy: what is asked is found as if it had been asked by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.words import content_words
from retrieval.courtesy import without_courtesy
from retrieval.orchestrator import retrieve
from retrieval.types import Plan, Turn
from tests.world import World


def planned(world: World, question: str, *turns: Turn) -> Plan:
    plan = next(iter(retrieve(question, turns, world.viewer("alice")))).value
    assert isinstance(plan, Plan)
    return plan


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("Hi, can you please tell me: How long is the notice period?", "How long is the notice period?"),
        ("Hello team, how long is the notice period?", "how long is the notice period?"),
        ("hi how many days off do i get", "how many days off do i get"),
        ("Hi Anna, how long is the notice period? Regards, Bob", "how long is the notice period?"),
        (
            "Dear HR team, I hope you are well. I wanted to ask whether I can carry over leave? Best regards, Alice",
            "can I carry over leave?",
        ),
        ("Dear Sir or Madam, what is the notice period?", "what is the notice period?"),
        ("Good morning! I'm new here. Could someone tell me who approves travel?", "who approves travel?"),
        ("I would like to know the following. What is the limit? Thank you for your help!", "What is the limit?"),
        ("I was wondering if I may bring a dog", "may I bring a dog"),
        ("Do you know who signs contracts?", "who signs contracts?"),
        ("Tell me about parental leave", "parental leave"),
        ("Is there any information on data retention?", "data retention?"),
        ("I'm looking for documents that describe the failover", "the failover"),
        ("What do our documents say about dogs?", "dogs?"),
        ("Hey, quick question: who approves travel? thx", "who approves travel?"),
        ("Please give me the phone number of the helpdesk", "phone number of the helpdesk"),
        ("where is the fire exit please", "where is the fire exit"),
        ("How many days do I get thanks in advance", "How many days do I get"),
        ("The web shop is down. Can you please tell me who to call?", "The web shop is down. who to call?"),
        ("Who signs, do you know?", "Who signs?"),
        ("Who signs? Any help is appreciated.", "Who signs?"),
    ],
)  # fmt: skip
def test_greeting_request_and_thanks_are_left_out(typed: str, asked: str) -> None:
    assert without_courtesy(typed) == asked


@pytest.mark.parametrize(
    "question",
    [
        "How many days of annual leave do I get?",
        "Can you carry over leave?",
        "Well-being days: how many?",
        "Good-faith bargaining",
        "Hi-fi room booking",
        "How do I say thanks?",
        "What is the policy on thank you gifts?",
        "Thank-you gifts: what is the limit?",
        "Dear customer letters: who signs them?",
        "May members vote as they please?",
        "I need a new laptop. Who do I ask?",
        "I need to learn German, is it paid for?",
        "What are the documents that I have to sign?",
        "The quick brown fox",
        "",
        "hi",
        "Thanks!",
        "please",
    ],
)
def test_what_is_asked_stays_as_typed(question: str) -> None:
    assert without_courtesy(question) == question


def test_who_greets_a_thousand_times_is_read_a_few_times() -> None:
    assert without_courtesy("hi, " * 1_000 + "leave").count("hi") > 900


@given(st.text(max_size=200))
def test_words_that_carry_content_are_never_all_left_out(question: str) -> None:
    assert bool(content_words(without_courtesy(question))) == bool(content_words(question))


def test_a_polite_question_is_planned_as_the_bare_one_and_the_record_says_so(world: World) -> None:
    polite = planned(world, "Hi Anna, could you tell me how long the notice period is? Cheers, Bob")
    assert polite.question == "Hi Anna, could you tell me how long the notice period is? Cheers, Bob"
    assert polite.standalone == "how long the notice period is?"
    assert [sub_query.text for sub_query in polite.sub_queries] == [polite.standalone]
    assert polite.rule == "one question; words of courtesy left out"
    assert planned(world, "How long is the notice period?").rule == "one question"


def test_a_polite_follow_up_is_resolved_like_a_bare_one(world: World) -> None:
    before = Turn("Hello, please tell me how long the notice period is in Germany. Thanks!", "Three months.")
    assert planned(world, "Thank you! And in Leeds?", before).standalone == (
        "how long the notice period is in Leeds"
    )


def test_a_polite_question_that_points_at_nothing_is_asked_back(world: World) -> None:
    assert "“it”" in planned(world, "Hello! Could you tell me how long it takes?").clarification
