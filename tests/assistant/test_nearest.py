"""What comes nearest to a question that is refused: shown word for word, to who may read it now, and claimed by nobody."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership
from assistant.history import shown_answer, shown_turns, visible_turns
from assistant.management.commands.ask import as_json, as_text
from assistant.models import Answer, Citation, Question, TraceStep
from ingestion.models import Chunk
from tests.assistant.answers import make_refusal
from tests.assistant.asking import index_of_its_own
from tests.assistant.drafts import alike, drafted, drafted_again
from tests.factories import make_version
from tests.world import World

__all__ = ["index_of_its_own"]  # a fixture: pytest finds it by name

BUDGET = "The budget for travel is 40,000 euros this year."
OPENS = "The reception opens at eight in the morning."


@pytest.fixture
def refused(world: World) -> Question:
    """A question of bob's that was refused; what came nearest stands in a document he reads through the Budget group, and in an open one."""
    near = [(world.documents["budget"], BUDGET), (world.documents["welcome"], OPENS)]
    return make_refusal(world.bob, "What may a taxi cost?", near)


def quotes_of(world: World, question: Question) -> list[str]:
    refusal = shown_answer(question.answer, world.viewer("bob")).refusal
    assert refusal is not None
    return [place.quote for place in refusal.nearest]


def nearest_of(draft_of: str, world: World, *texts: str, cosine: float) -> list[str]:
    drafted(world, "", *texts)
    draft = drafted_again(world, draft_of, embed=alike(cosine), reader=lambda question, pages: None)
    assert draft.outcome == "refused"
    assert draft.refusal is not None
    return [
        Chunk.objects.get(pk=place.chunk).text[place.start : place.end] for place in draft.refusal.nearest
    ]


def test_a_refusal_points_to_the_three_nearest_sentences_the_best_first(
    world: World, index_of_its_own: None
) -> None:
    texts = (
        "Hotels are booked online.", "The hotel limit in Leeds is 90 pounds.", "Trains go often.",
        "The hotel is quiet.",
    )  # fmt: skip
    found = nearest_of("What is the hotel limit in Madrid?", world, *texts, cosine=0.6)
    assert len(found) == 3
    assert found[0] == "The hotel limit in Leeds is 90 pounds."


def test_what_says_the_same_is_pointed_to_once(world: World, index_of_its_own: None) -> None:
    texts = "The hotel limit in Leeds is 90 pounds.", "In Leeds, the hotel limit is 90 pounds."
    assert len(nearest_of("What is the hotel limit in Madrid?", world, *texts, cosine=0.6)) == 1


def test_nothing_is_called_near_that_is_far_from_what_was_asked(world: World, index_of_its_own: None) -> None:
    assert nearest_of("Who won the cup in Madrid?", world, "The canteen closes at two.", cosine=0.1) == []


def test_what_answers_one_part_is_not_near_to_the_part_that_is_refused(
    world: World, index_of_its_own: None
) -> None:
    texts = "The hotel limit in Leeds is 90 pounds.", "Hotels in Leeds are booked online."
    drafted(world, "", *texts)
    draft = drafted_again(
        world,
        "What is the hotel limit in Leeds, and what is the hotel limit in Madrid?",
        embed=alike(0.6),
        reader=lambda question, pages: None,
    )
    assert draft.claims[0].quotes[0].text == texts[0]
    assert draft.refusal is not None
    near = [
        Chunk.objects.get(pk=place.chunk).text[place.start : place.end] for place in draft.refusal.nearest
    ]
    assert texts[0] not in near


def test_of_a_table_the_rows_are_pointed_to_below_their_head(world: World, index_of_its_own: None) -> None:
    table = "| Place | Limit |\n| Leeds | 90 |\n| Paris | 140 |"
    found = nearest_of("What is the limit in Madrid?", world, f"Hotels follow.\n{table}", cosine=0.6)
    assert found[0] == table
    assert len(found) == 2


def test_the_words_are_shown_with_where_they_stand(world: World, refused: Question) -> None:
    refusal = shown_answer(refused.answer, world.viewer("bob")).refusal
    assert refusal is not None
    assert [(place.quote, place.title, place.source) for place in refusal.nearest] == [
        (BUDGET, "Budget", "Intranet"),
        (OPENS, "Welcome", "Handbook"),
    ]


def test_nothing_of_them_is_kept_with_the_answer_or_in_its_record(world: World, refused: Question) -> None:
    kept = json.dumps(refused.answer.refusal) + json.dumps(
        list(TraceStep.objects.filter(question_id=refused.pk).values_list("record", flat=True))
    )
    assert str(refused.answer.refusal["nearest"][0]["chunk"]) in kept
    assert "travel" not in kept
    assert "reception" not in kept
    assert not Citation.objects.exists()


def test_words_of_a_revoked_document_are_not_near_any_more(world: World, refused: Question) -> None:
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    assert quotes_of(world, refused) == [OPENS]
    (turn,) = shown_turns(refused.conversation, world.viewer("bob"))
    assert turn.answer is not None
    assert "Budget" not in repr(turn.answer)


def test_words_of_a_new_version_are_shown_from_there_and_words_that_are_gone_are_not(
    world: World, refused: Question
) -> None:
    make_version(world.documents["budget"], f"A new first line.\n\n{BUDGET}", number=2)
    make_version(world.documents["welcome"], "We have moved.", number=2)
    assert quotes_of(world, refused) == [BUDGET]


def test_they_do_not_enter_a_follow_up(world: World, refused: Question) -> None:
    (turn,) = visible_turns(refused.conversation, world.viewer("bob"))
    assert turn.answer == ""


def test_the_page_shows_them_to_the_asker_as_he_may_read_them_now(
    world: World, refused: Question, client: Client
) -> None:
    page = reverse("assistant:conversation", args=[refused.conversation.public_id])
    client.force_login(world.bob)
    html = client.get(page).content.decode()
    assert "What comes nearest" in html
    assert BUDGET in html
    document = reverse("ingestion:document", args=[world.documents["budget"].public_id])
    assert f"{document}?quote=" in html
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    html = client.get(page).content.decode()
    assert BUDGET not in html
    assert str(world.documents["budget"].public_id) not in html
    assert OPENS in html
    client.force_login(world.alice)
    assert client.get(page).status_code == 404


def test_terminal_and_api_show_them(world: World, refused: Question, client: Client) -> None:
    shown = shown_answer(refused.answer, world.viewer("bob"))
    told = as_text(shown, refused)
    assert told.index("What comes nearest") < told.index(BUDGET) < told.index(OPENS)
    as_values = as_json(refused, shown)["refusal"]
    assert isinstance(as_values, dict)
    assert [place["quote"] for place in as_values["nearest"]] == [BUDGET, OPENS]
    client.force_login(world.bob)
    answered = client.get(f"/api/questions/{refused.public_id}/").json()["answer"]
    assert [place["quote"] for place in answered["refusal"]["nearest"]] == [BUDGET, OPENS]
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    answered = client.get(f"/api/questions/{refused.public_id}/").json()["answer"]
    assert [place["quote"] for place in answered["refusal"]["nearest"]] == [OPENS]


def test_an_auditor_sees_what_the_asker_was_sent_to_without_its_words(
    world: World, refused: Question, client: Client
) -> None:
    client.force_login(world.dana)
    html = client.get(reverse("assistant:audit_answer", args=[refused.public_id])).content.decode()
    assert "Pointed to" in html
    assert "Budget" in html
    assert BUDGET not in html


def test_answers_of_before_point_to_nothing(world: World, refused: Question) -> None:
    answer = Answer.objects.get(question=refused)
    del answer.refusal["nearest"]
    assert shown_answer(answer, world.viewer("bob")).refusal.nearest == ()  # type: ignore[union-attr]
