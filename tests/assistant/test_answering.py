"""Extractive answering: which sentences are chosen, how much of the text they take along, and when none is."""

from dataclasses import replace

import pytest

from accounts.viewer import EVERYONE
from assistant.answering.expected import holds, kind_of
from assistant.answering.sentences import POINTS_ELSEWHERE, sentences_of
from assistant.answering.stated import unsaid
from ingestion.access import Rule
from ingestion.models import Chunk
from ingestion.words import stems_of
from retrieval.gate import pass_gate
from retrieval.specifics import specifics_of
from retrieval.types import Ranked
from tests.assistant.asking import index_of_its_own
from tests.assistant.drafts import drafted, drafted_again, quotes
from tests.factories import make_document
from tests.world import World

__all__ = ["index_of_its_own"]  # a fixture: pytest finds it by name


@pytest.fixture(autouse=True)
def a_quick_embedder(index_of_its_own: None) -> None:
    """Every test here compares words with the embedder that takes microseconds."""


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When does the office open?", "time"),
        ("In which year was the company founded?", "time"),
        ("How long is the notice period?", "time"),
        ("How many days of leave do I get?", "amount"),
        ("What is the hotel limit in London?", "amount"),
        ("Who approves travel?", "person"),
        ("Where do visitors park?", "place"),
        ("Which city is the warehouse in?", "place"),
        ("Why is the door locked?", "reason"),
        ("May I bring a dog?", "yes_no"),
        ("Is it known when the office opens?", "time"),
        ("What is a purchase order?", "any"),
    ],
)
def test_the_kind_of_answer_is_read_off_the_question(question: str, kind: str) -> None:
    assert kind_of(question) == kind


def test_what_the_question_itself_names_does_not_answer_it() -> None:
    question = "When did the 2019 review end?"
    assert holds("time", "The 2019 review ended well.", question) == 0.0
    assert holds("time", "The 2019 review ended in June.", question) == 1.0


@pytest.mark.parametrize(
    ("question", "names", "numbers", "is_negated"),
    [
        (
            "The backlog has 12 million messages. Who is told?",
            (),
            (),
            False,
        ),
        ("What did Ada Lovelace write in 1843?", ("Ada", "Lovelace"), ("1843",), False),
        ("What applies to a purchase of EUR 20,000?", (), (), False),
        ("What if I stay 3 nights?", (), (), False),
        ("Who approves a discount of 20%?", (), (), False),
        ("Which costs are not covered?", (), (), True),
        ("What if I have not got a badge?", (), (), False),
        ("WHO APPROVES TRAVEL?", (), (), False),
    ],
)
def test_what_a_question_turns_on(
    question: str, names: tuple[str, ...], numbers: tuple[str, ...], is_negated: bool
) -> None:
    found = specifics_of(question)
    assert (found.names, found.numbers, found.is_negated) == (names, numbers, is_negated)


def test_the_sentence_that_answers_comes_first(world: World) -> None:
    draft = drafted(
        world,
        "When does the canteen serve lunch?",
        "The canteen was painted. The canteen serves lunch from noon. It is popular.",
    )
    assert quotes(draft)[0] == ["The canteen serves lunch from noon."]
    assert draft.claims[0].text is None


def test_a_sentence_that_leans_back_brings_the_one_before(world: World) -> None:
    text = "The badge office is in the cellar. It opens at nine on weekdays. Bring a photograph."
    draft = drafted(world, "When does it open, the badge office?", text)
    assert ["The badge office is in the cellar. It opens at nine on weekdays."] in quotes(draft)


def test_sentences_that_say_the_same_are_one_claim_with_a_footnote_each(world: World) -> None:
    same = "Visitors park behind the main building on weekdays."
    draft = drafted(
        world,
        "Where do visitors park on weekdays?",
        f"{same} The gate closes at ten in the evening.",
        f"Welcome to all guests of our company in Leeds. {same}",
    )
    assert quotes(draft)[0] == [same, same]


def test_an_announced_list_is_quoted_with_what_announces_it(world: World) -> None:
    text = "For a new badge you need:\n- a photograph\n- your contract\n\nThe office is shut on Fridays."
    draft = drafted(world, "What do I need for a new badge?", text.replace("\n\n", "\n"))
    assert any(
        "you need:\n- a photograph\n- your contract" in quote for claim in quotes(draft) for quote in claim
    )


def test_a_row_is_quoted_with_its_table(world: World) -> None:
    table = "| Place | Limit per night |\n| London | GBP 185 |\n| Paris | EUR 190 |"
    draft = drafted(world, "What is the limit per night in London?", f"Hotels are booked online.\n{table}")
    assert quotes(draft)[0] == [table]


def test_headings_questions_and_pointers_are_not_quoted(world: World) -> None:
    text = "# Parking\nWhere do visitors park?\nSee Parking Policy.\nVisitors park behind the building."
    draft = drafted(world, "Where do visitors park?", text, title="Parking")
    assert quotes(draft) == [["Visitors park behind the building."]]


@pytest.mark.parametrize(
    "pointer",
    [
        "The days of leave in Leeds are different: see Annual Leave in Leeds.",
        "The days of leave in Leeds are described in Annual Leave in Leeds.",
    ],
)
def test_a_sentence_that_says_only_where_it_stands_comes_after_one_that_says_it(
    world: World, pointer: str
) -> None:
    draft = drafted(
        world, "How many days of leave are there in Leeds?", f"{pointer} There are 26 days of leave."
    )
    assert quotes(draft)[0] == ["There are 26 days of leave."]


@pytest.mark.parametrize(
    "text",
    [
        "Days of leave in Leeds rose to 26 (see Table 3).",
        "Ask for days of leave in Leeds as explained in Annual Leave in Leeds.",
        "The leave of Leeds was first described in Rotterdam.",
    ],
)
def test_a_sentence_that_says_something_and_names_a_document_is_no_pointer(text: str) -> None:
    assert not POINTS_ELSEWHERE.search(text)


def test_each_side_of_a_comparison_is_answered(world: World) -> None:
    germany, leeds = "Sick pay in Germany lasts six weeks.", "Sick pay in Leeds lasts thirteen weeks."
    draft = drafted(
        world, "Compare sick pay in Germany and Leeds", germany, leeds, "Meals are paid in Leeds."
    )
    assert sorted(quotes(draft)) == [[germany], [leeds]]


def test_a_word_that_is_missing_twice_is_named_once(world: World) -> None:
    draft = drafted(world, "Who runs PAYROLL, and when does payroll run?", "The canteen is open.")
    assert draft.refusal is not None
    assert [word.lower() for word in draft.refusal.missing].count("payroll") == 1


def test_quotes_are_the_texts_own_characters(world: World) -> None:
    draft = drafted(world, "Who approves travel?", "Travel is approved by the team lead.\n\nNobody else may.")
    for claim in draft.claims:
        for quote in claim.quotes:
            chunk = Chunk.objects.select_related("version").get(pk=quote.chunk)
            assert chunk.version.text[quote.start : quote.end] == quote.text


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("What did Napoleon say about the canteen lunch?", ("Napoleon",)),
        ("When did the canteen serve lunch in 1812?", ("1812",)),
    ],
)
def test_a_name_or_number_that_stands_nowhere_near_is_a_refusal_that_names_it(
    world: World, question: str, missing: tuple[str, ...]
) -> None:
    draft = drafted(world, question, "The garden is green. Trains run hourly. Lunch costs little.")
    assert draft.outcome == "refused"
    assert draft.refusal is not None
    assert draft.refusal.missing == missing
    assert f"“{missing[0]}”" in draft.refusal.reason


def test_a_word_that_only_asks_is_not_what_is_missing() -> None:
    known = stems_of("The garden is green.")
    assert unsaid("How many whales do I get to see there?", known, {}, 1.0) == ("whales",)
    assert unsaid("How long is the whale?", known, {}, 1.0) == ("whale",)
    assert unsaid("Is the whale long?", known, {}, 1.0) == ("whale", "long")
    assert unsaid("What's the boss's boss called?", known, {}, 1.0) == ("boss's",)
    assert unsaid("What happens in the case of a whale?", known, {}, 1.0) == ("whale",)
    assert unsaid("What is the meaning of whales?", known, {}, 1.0) == ("meaning", "whales")


def test_a_sentence_is_compared_together_with_the_heading_it_stands_under(world: World) -> None:
    text = "Rules follow.\n| Country | Full-time |\n| --- | --- |\n| Germany | 30 |"
    document = make_document(world.sources["open"], "leave", text, Rule.of({EVERYONE}), "Annual leave")
    chunk = Chunk.objects.get(version__document=document)
    passage = pass_gate([chunk.pk], world.viewer("alice")).passages[0]
    passage = replace(passage, headings=("Annual leave", "Entitlement"))
    found = {
        sentence.text: sentence.compared_as for sentence in sentences_of([Ranked(passage, 1.0, (1,), None)])
    }
    assert found["Rules follow."] == "Entitlement: Rules follow."
    assert found["| Germany | 30 |"] == "Annual leave, Entitlement: Country: Germany, Full-time: 30"
    passage = replace(passage, headings=())
    found = {
        sentence.text: sentence.compared_as for sentence in sentences_of([Ranked(passage, 1.0, (1,), None)])
    }
    assert found["Rules follow."] == "Rules follow."
    assert found["| Germany | 30 |"] == "Annual leave: Country: Germany, Full-time: 30"


def test_what_is_not_asked_of_a_text_that_only_says_what_is(world: World) -> None:
    draft = drafted(
        world, "Which costs are not covered?", "Hotel costs are covered. Train costs are covered."
    )
    assert draft.outcome == "refused"


def test_a_text_that_says_what_is_not_answers_it(world: World) -> None:
    draft = drafted(
        world, "Which costs are not covered?", "Hotel costs are covered. Minibar costs are not covered."
    )
    assert ["Minibar costs are not covered."] in quotes(draft)


def test_without_passages_the_answer_is_a_refusal(world: World) -> None:
    draft = drafted(world, "Where do visitors park?")
    assert (draft.outcome, draft.claims) == ("refused", ())


def test_at_most_five_sentences_are_quoted(world: World) -> None:
    text = " ".join(f"Visitors park at the gate number {n} on day {n}." for n in range(20))
    assert len(drafted(world, "Where do visitors park?", text).claims) <= 5


def test_answering_twice_gives_the_same_answer(world: World) -> None:
    text = "Visitors park behind the building. Trucks park in front."
    first = drafted(world, "Where do visitors park?", text)
    assert [c.quotes[0].text for c in first.claims] == [
        c.quotes[0].text for c in drafted_again(world, "Where do visitors park?").claims
    ]


def test_what_is_already_quoted_is_not_quoted_again_with_its_neighbour(world: World) -> None:
    text = "Visitors park behind the building. They park there on weekdays."
    draft = drafted(world, "Where do visitors park on weekdays?", text)
    places = [(q.start, q.end) for claim in draft.claims for q in claim.quotes]
    assert len(draft.claims) == 1 or places[0][1] <= places[1][0] or places[1][1] <= places[0][0]


def test_page_footers_are_not_quoted(world: World) -> None:
    text = "Halden | Parking Policy Page 2 of 2\n\nVisitors park behind the building."
    assert quotes(drafted(world, "Where do visitors park?", text))[0] == [
        "Visitors park behind the building."
    ]
    assert all(
        "Page 2 of 2" not in quote
        for claim in quotes(drafted_again(world, "Parking page?"))
        for quote in claim
    )
