"""Words that nothing found holds are read as what it is called there, and as nothing that the asker may not read."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from accounts.viewer import EVERYONE
from assistant.evaluation.asking import documents_in
from ingestion.access import Rule
from retrieval.apps import synonyms_can_be_read
from retrieval.planning import RulePlanner
from retrieval.synonyms import (
    BUILT_IN,
    SynonymsError,
    Term,
    configured_synonyms,
    read_synonyms,
    readings_in,
    reworded,
    reworded_plan,
    said_otherwise,
    stemmed_passages,
    terms_in,
    unheld,
)
from retrieval.types import Passage
from tests.assistant.asking import deliver, index_of_its_own
from tests.factories import make_document
from tests.retrieval.passages import passage, steps
from tests.world import World, make_world

__all__ = ["index_of_its_own"]


def readings(question: str, *passages: Passage) -> Mapping[Term, str]:
    synonyms, held = configured_synonyms(), stemmed_passages(passages)
    return readings_in(held, unheld(terms_in(question, synonyms), held), synonyms)


def read_as(question: str, *texts: str) -> str:
    return reworded(question, readings(question, *map(passage, texts)))


@pytest.mark.parametrize(
    ("question", "text", "meant"),
    [
        ("How many vacation days?", "There are 25 days of leave.", "How many leave days?"),
        ("How much PTO do I get?", "There are 25 days of leave.", "How much leave do I get?"),
        ("Who is my boss?", "Ask your team lead.", "Who is my team lead?"),
        ("Can my kids come?", "Children are welcome.", "Can my child come?"),
        ("Is a doctor’s note needed?", "Bring a medical certificate.", "Is a medical certificate needed?"),
        ("Where are the restrooms?", "Toilets are on each floor.", "Where are the toilet?"),
        ("How do I fail over?", "Runbook for a failover.", "How do I failover?"),
    ],
)
def test_a_word_is_read_as_what_it_is_called_in_what_was_found(question: str, text: str, meant: str) -> None:
    assert read_as(question, text) == meant


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How many vacation days?", "Vacations are asked for early; leave is granted."),  # it stands there
        ("How many vacation days?", "Cards are blue."),  # and nothing else for it does
        ("Where are fire extinguishers?", "Dismissal needs a reason."),  # "fired" is not "fire"
        ("When may I leave?", "Holidays are in July."),  # one way only
        ("How many days?", "There are 25 days of leave."),
        ("", "There are 25 days of leave."),
    ],
)
def test_other_words_stay(question: str, text: str) -> None:
    assert read_as(question, text) == question


def test_of_two_other_words_the_one_that_more_passages_hold_is_taken() -> None:
    assert (
        read_as("Who is my boss?", "A manager.", "Your supervisor.", "The supervisor.")
        == "Who is my supervisor?"
    )


def test_a_longer_term_that_has_the_word_in_it_says_more_exactly_what_is_meant() -> None:
    texts = "Parental leave is long.", "Sick leave is paid.", "Annual leave is 25 days."
    assert read_as("How many vacation days?", *texts) == "How many annual leave days?"


def test_a_term_of_several_words_goes_before_the_words_in_it() -> None:
    question = "Is Paid Time Off paid?"
    assert list(terms_in(question, configured_synonyms()).values()) == ["Paid Time Off"]
    assert read_as(question, "Annual leave is paid.") == "Is annual leave paid?"


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        ("Sick pay in the UK?", "In the United Kingdom it is paid for 13 weeks.", {"uk"}),
        ("When is my team lead away?", "Your line manager is away on Fridays.", {"team", "lead"}),
        ("Sick pay in the UK?", "In the Netherlands it is paid for a year.", set()),
        ("How much vacation?", "25 days of annual leave.", {"vacation"}),
    ],
)
def test_a_text_that_calls_it_otherwise_does_not_lack_the_word(
    question: str, text: str, said: set[str]
) -> None:
    assert said_otherwise(question, text, configured_synonyms()) == said
    assert said_otherwise(question, text, {}) == set()


def test_titles_hold_words_as_well() -> None:
    assert readings("Any vacation?", passage("25 days.", title="Annual leave")) == {
        ("vacation",): "annual leave"
    }


def test_what_comes_with_the_product_can_be_read_and_leads_no_term_to_itself() -> None:
    read = list(read_synonyms(BUILT_IN))
    assert len(read) > 150
    for term, others in read:
        assert others, term
        assert " ".join(term) not in others


def test_a_plan_knows_what_was_typed_for_what_it_asks() -> None:
    question = "Who is my boss in the UK, and who pays the boss?"
    plan = reworded_plan(
        RulePlanner().plan(question, ()), {("boss",): "team lead", ("uk",): "United Kingdom"}
    )
    assert plan.standalone == "Who is my team lead in the United Kingdom, and who pays the team lead?"
    assert plan.as_typed(plan.standalone) == question
    assert [plan.as_typed(s.text) for s in plan.sub_queries] == [
        "Who is my boss in the UK",
        "who pays the boss?",
    ]
    assert [plan.as_typed(word) for word in ("Kingdom", "lead", "pays")] == ["UK", "boss", "pays"]


# --- The organisation's own file -------------------------------------------------------------------------------------


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_organisation_s_own_words_come_before_those_of_the_product(
    tmp_path: Path, settings: object
) -> None:
    settings.SYNONYMS = str(own(tmp_path, "# ours\nBlue Desk, IT service\nvacation => sabbatical\n\n"))  # type: ignore[attr-defined]
    words = readings(
        "Who runs the blue desk, and what of vacation?", passage("IT service; sabbatical, leave.")
    )
    assert words == {("blue", "desk"): "IT service", ("vacation",): "sabbatical"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a, b\nalone\n", "line 2: expected terms for the same thing"),
        ("a =>\n", "line 1: expected"),
        ("=> b\n", "line 1: expected"),
        (", ;\n", "line 1: expected"),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SynonymsError, match=said):
        list(read_synonyms(own(tmp_path, text)))


def test_a_file_that_cannot_be_read_is_told_at_the_start_and_not_with_the_first_question(
    tmp_path: Path, settings: object
) -> None:
    assert synonyms_can_be_read() == []
    settings.SYNONYMS = str(tmp_path / "none.txt")  # type: ignore[attr-defined]
    assert "none.txt cannot be read: No such file" in str(synonyms_can_be_read()[0].msg)
    (tmp_path / "latin.txt").write_bytes("Büro, Kontor".encode("latin-1"))
    settings.SYNONYMS = str(tmp_path / "latin.txt")  # type: ignore[attr-defined]
    assert "not in UTF-8" in str(synonyms_can_be_read()[0].msg)


# --- Through retrieval -------------------------------------------------------------------------------------------------


@pytest.fixture
def spoken(db: None, index_of_its_own: None) -> World:
    """The world with a page on toilets for everybody, and one in which finance alone calls customers by another word."""
    world = make_world()
    make_document(
        world.sources["open"], "rooms", "The toilets of the office are cleaned at noon.", Rule.of({EVERYONE})
    )
    alone = Rule.of({f"user:{world.alice.pk}"})
    text = "The attorneys of the office prepare the sale."
    world.documents["sale"] = make_document(world.sources["open"], "sale", text, alone)
    deliver()
    return world


def many(world: World) -> None:
    """Have more about the office than a search brings, and a document on the lift that has nothing else of a question."""
    for number in range(60):
        make_document(
            world.sources["open"], f"clean{number}", f"The office is cleaned, cleaned and cleaned at {number}.", Rule.of({EVERYONE})
        )  # fmt: skip
    world.documents["lift"] = make_document(world.sources["open"], "lift", "Lift.", Rule.of({EVERYONE}))
    deliver()


QUESTION = "When are the restrooms of the office cleaned?"


def test_a_question_is_searched_again_with_what_it_is_called_there(spoken: World) -> None:
    found = steps(spoken, "charlie", QUESTION)
    names = [step.name for step in found]
    assert names == [
        "plan",
        "search",
        "gate",
        "synonyms",
        "search",
        "gate",
        "bridge",
        "sufficiency",
        "rerank",
    ]
    plan = found[names.index("synonyms")].value.plan
    assert plan.standalone == plan.sub_queries[0].text == "When are the toilet of the office cleaned?"
    assert plan.question == QUESTION
    assert found[-1].value[0].passage.title == "Rooms"


def test_the_record_keeps_the_asker_s_word_and_not_the_document_s(spoken: World) -> None:
    found = steps(spoken, "charlie", QUESTION)
    record = next(step.record for step in found if step.name == "synonyms")
    assert (record["words"], record["read_otherwise"], record["candidates"]) == (["restrooms"], 1, [])
    assert "toilet" not in json.dumps([step.record for step in found])


def test_where_nothing_found_has_another_word_either_one_search_looks_for_them(spoken: World) -> None:
    many(spoken)
    found = steps(spoken, "charlie", "When is the elevator of the office cleaned?")
    read = next(step for step in found if step.name == "synonyms")
    assert read.record["passed"]
    assert spoken.documents["lift"].pk in set(documents_in(read.value))  # so that a leak there would be seen
    assert read.value.plan.standalone == "When is the lift of the office cleaned?"
    assert found[-1].value[0].passage.title == "Lift"


def test_where_no_other_word_is_found_anywhere_the_question_stays_and_the_search_is_told(
    spoken: World,
) -> None:
    found = steps(spoken, "charlie", "Which lawyers of the office prepare it?")
    assert [step.name for step in found].count("search") == 1
    read = next(step for step in found if step.name == "synonyms")
    assert (read.record["words"], read.record["read_otherwise"]) == (["lawyers"], 0)
    assert read.value.plan.standalone == "Which lawyers of the office prepare it?"


def test_it_can_be_turned_off(spoken: World) -> None:
    assert "synonyms" not in [step.name for step in steps(spoken, "charlie", QUESTION, "synonyms=off")]


def test_a_word_may_be_misspelled_and_another_called_otherwise(spoken: World) -> None:
    found = steps(spoken, "charlie", "When are the restrooms of the offise cleaned?")
    assert [step.name for step in found][3:5] == ["spelling", "synonyms"]
    assert found[4].value.plan.standalone == "When are the toilet of the office cleaned?"


def test_a_word_of_a_document_that_the_asker_may_not_read_is_no_word_to_them(spoken: World) -> None:
    for name in ("alice", "bob", "charlie", "dana", "adam"):
        found = steps(spoken, name, "Which lawyers of the office prepare it?")
        read = next(step for step in found if step.name == "synonyms")
        proposed = {entry["document"] for step in found for entry in step.record.get("candidates", [])}
        assert ("attorney" in read.value.plan.standalone) == (name == "alice")
        assert name == "alice" or spoken.documents["sale"].pk not in proposed
