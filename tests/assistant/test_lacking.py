"""What a question turns on and a quote does not hold: named beside the quote, or a reason for a refusal."""

from collections.abc import Sequence

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership
from assistant.answering.extractive import extract
from assistant.answering.reader import MOST, Page, Reading
from assistant.cautions import cautions_about
from assistant.context import build_context
from assistant.history import shown_answer
from assistant.management.commands.ask import as_text
from assistant.models import Answer
from assistant.shown import ShownClaim
from ingestion.models import Chunk
from retrieval.gate import pass_gate
from retrieval.planning import RulePlanner
from retrieval.types import Ranked
from tests.assistant.answers import make_answer
from tests.assistant.asking import index_of_its_own
from tests.assistant.drafts import alike, drafted, drafted_again
from tests.world import World

__all__ = ["index_of_its_own"]  # a fixture: pytest finds it by name


NOODLES = "Which sauce does the cook pour over noodles?"
POURS = "The cook pours it over the noodles."


def nothing_stated(question: str, pages: Sequence[Page]) -> list[Reading]:
    return [(-MOST,) * len(page.sentences) for page in pages]


def test_a_name_that_nothing_found_holds_is_a_refusal_however_near_the_sentence(
    world: World, index_of_its_own: None
) -> None:
    drafted(world, "", "The parental leave in the Netherlands is nine weeks.")
    draft = drafted_again(world, "What is the parental leave in Spain?", embed=alike(0.95))
    assert (draft.outcome, draft.refusal and draft.refusal.missing) == ("refused", ("Spain",))


def test_a_name_that_is_written_out_elsewhere_leaves_the_nearest_sentence_with_a_word_of_what_it_lacks(
    world: World, index_of_its_own: None
) -> None:
    texts = "The parental leave in the Netherlands is nine weeks.", "The warehouse in Spain is closed."
    drafted(world, "", *texts)
    draft = drafted_again(world, "What is the parental leave in Spain?", embed=alike(0.95))
    first = draft.claims[0]
    assert (first.quotes[0].text, first.support, first.lacking) == (texts[0], "partial", ("Spain",))


def test_letters_that_a_text_may_write_out_are_not_taken_for_missing(
    world: World, index_of_its_own: None
) -> None:
    drafted(world, "", "The people team pays for lunch.")
    assert drafted_again(world, "What does the HR team pay for?", embed=alike(0.95)).outcome == "answered"


@pytest.mark.parametrize(
    ("question", "cosine", "lacking"),
    [
        (NOODLES, 0.4, ("sauce",)),
        (NOODLES, 0.95, ()),  # sure enough to stand by itself
        ("Does the cook pour EUR 20,000 over the noodles?", 0.4, ()),  # what somebody has in mind
    ],
)
def test_a_quote_that_is_in_doubt_says_which_words_of_the_question_it_lacks(
    world: World, index_of_its_own: None, question: str, cosine: float, lacking: tuple[str, ...]
) -> None:
    drafted(world, "", POURS, *[f"Gate {n} is closed." for n in range(12)])
    claim = drafted_again(world, question, embed=alike(cosine)).claims[0]
    assert (claim.lacking, claim.support) == (lacking, "partial" if lacking else "supported")


def test_a_reader_that_finds_nothing_refuses_only_where_a_word_is_missing(
    world: World, index_of_its_own: None
) -> None:
    drafted(world, "", "Whoever is sick calls.", POURS, *[f"Gate {n} is closed." for n in range(12)])

    def outcome(question: str) -> str:
        return drafted_again(world, question, reader=nothing_stated, embed=alike(0.1)).outcome

    assert outcome("What do I do when I am sick?") == "answered"
    assert outcome(NOODLES) == "refused"


def test_sentences_that_lack_the_same_are_cautioned_about_once() -> None:
    claims = (
        ShownClaim("One.", (1,), "partial", ("Spain",)),
        ShownClaim("Two.", (2, 3), "partial", ("Spain",)),
        ShownClaim("Three.", (4,), "supported"),
        ShownClaim("Four.", (5,), "partial", ("dog", "office")),
        ShownClaim("Five.", (6,), "partial"),
        ShownClaim("Six.", (), "struck"),
        ShownClaim("", (7,), "partial"),  # no longer to be read
    )
    assert [caution.words for caution in cautions_about(claims)] == [
        "Footnotes 1, 2 and 3 do not speak of “Spain”.",
        "Footnote 5 does not speak of “dog” or “office”.",
        "Footnote 6 supports the underlined words only in part. Read the source before you rely on them.",
        "One sentence is struck: no passage supports it.",
    ]
    assert [caution.words for caution in cautions_about(claims[:2])] == [
        "Footnotes 1, 2 and 3 come nearest, but do not speak of “Spain”."
    ]


def test_what_a_sentence_lacks_is_told_with_it_and_gone_with_it(world: World, alice: Client) -> None:
    text = "The budget for travel is 40,000 euros this year."
    cited = [(world.documents["budget"], text)]
    question = make_answer(world.alice, "What is the budget in Spain?", cited, "partial", lacking=("Spain",))
    page = reverse("assistant:conversation", args=[question.conversation.public_id])
    api = reverse("assistant:api_question", args=[question.public_id])
    told = "Footnote 1 comes nearest, but does not speak of “Spain”."
    assert told in alice.get(page).content.decode()
    assert told in as_text(shown_answer(question.answer, world.viewer("alice")), question)
    assert alice.get(api).json()["answer"]["claims"][0]["lacking"] == ["Spain"]
    how = alice.get(reverse("assistant:steps", args=[question.public_id])).content.decode()
    assert told in how
    assert "Every sentence stands, character for character" in how
    Membership.objects.filter(user=world.alice, group=world.groups["Budget"]).delete()
    assert "does not speak of" not in alice.get(page).content.decode()
    assert alice.get(api).json()["answer"]["claims"][0]["lacking"] == []


def test_an_answer_from_before_this_was_kept_is_shown_as_it_was(world: World, alice: Client) -> None:
    text = "The budget for travel is 40,000 euros this year."
    question = make_answer(world.alice, "What is the budget?", [(world.documents["budget"], text)], "partial")
    assert "lacking" not in Answer.objects.get(question=question).claims[0]
    html = alice.get(reverse("assistant:conversation", args=[question.conversation.public_id]))
    assert "Footnote 1 supports the underlined words only in part." in html.content.decode()


def test_an_auditor_is_told_what_sentences_lack_as_far_as_they_may_be_read(
    world: World, client: Client
) -> None:
    client.force_login(world.dana)
    for document, words, is_told in (
        ("welcome", "Welcome to the company.", True),
        ("budget", "The budget for travel is 40,000 euros this year.", False),
    ):
        cited = [(world.documents[document], words)]
        question = make_answer(world.alice, "What is it in Spain?", cited, "partial", lacking=("Spain",))
        page = client.get(reverse("assistant:audit_answer", args=[question.public_id])).content.decode()
        assert (words in page, "does not speak of “Spain”" in page) == (is_told, is_told)


def test_a_quote_of_one_side_of_a_comparison_does_not_lack_the_other(
    world: World, index_of_its_own: None
) -> None:
    texts = "The parental leave in Spain is nine weeks.", "The parental leave in Malta is two weeks."
    drafted(world, "", *texts)
    question = "Compare the parental leave in Spain and Malta"
    draft = drafted_again(world, question, embed=alike(0.5), reader=nothing_stated)
    assert {quote.text for claim in draft.claims for quote in claim.quotes} == set(texts)
    assert all(claim.support == "supported" for claim in draft.claims)
    assert draft.refusal is None


def test_of_a_comparison_the_side_that_nothing_speaks_of_is_said_to_be_missing(
    world: World, index_of_its_own: None
) -> None:
    drafted(world, "", "The parental leave in Spain is nine weeks.")
    question = "Compare the parental leave in Spain and Malta"
    draft = drafted_again(world, question, embed=alike(0.5), reader=nothing_stated)
    assert [claim.quotes[0].text for claim in draft.claims] == ["The parental leave in Spain is nine weeks."]
    assert draft.refusal is not None
    assert draft.refusal.looked_for == ("the parental leave in Malta",)
    assert draft.refusal.missing == ("Malta",)


def test_a_word_that_is_lacking_in_two_forms_is_named_once(world: World, index_of_its_own: None) -> None:
    drafted(world, "", POURS)
    asked = RulePlanner().plan("Does the UK like noodles?", ())
    plan = asked.in_words_of(lambda text: text.replace("UK", "United Kingdom"), [("United Kingdom", "UK")])
    viewer = world.viewer("charlie")
    passages = pass_gate(list(Chunk.objects.filter(text=POURS).values_list("pk", flat=True)), viewer).passages
    context = build_context([Ranked(passages[0], 1.0, (), None)], viewer)
    draft = extract(plan, context, embed=alike(0.9), reader=lambda question, pages: None)
    told = draft.refusal.missing if draft.refusal else draft.claims[0].lacking
    assert told == ("UK",)
