"""Misspelled words are read as what the passages found have in their place, and as nothing that the asker may not read."""

import json

import pytest

from accounts.viewer import EVERYONE
from ingestion.access import Rule
from retrieval.spelling import is_known, respelled, spelled
from tests.assistant.asking import deliver, index_of_its_own
from tests.factories import make_document
from tests.retrieval.passages import passage, steps
from tests.world import World, make_world

__all__ = ["index_of_its_own"]

HELD = (
    "The plan covers hearing care and reimbursement for gender affirming services. Montcalm, Brühl and Duquesne are "
    "places. Institutions and metastases are described elsewhere, and so is a methyltransferase."
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gendr", "gender"),
        ("hearin", "hearing"),
        ("instituions", "institutions"),
        ("matasteses", "metastases"),
        ("methyltrasnferase", "methyltransferase"),
        ("Moncalm", "montcalm"),
        ("Bruhl", "brühl"),
    ],
)
def test_a_misspelled_word_is_read_as_the_nearest_one_found(written: str, meant: str) -> None:
    assert respelled(f"What is said of {written}?", [passage(HELD)]) == {written.lower(): meant}


@pytest.mark.parametrize(
    "written",
    [
        "hearing",  # it stands there
        "covering",  # a form of what stands there
        "reimbursment",  # its stem stands there
        "planes",  # a word of its own
        "caring",
        "gndr",  # too short
        "pontcalm",  # another first letter
        "reimbrsmnt",  # too far off
        "GenderX",  # a name of somebody's own making
        "gendr-neutral",
        "gendr5",
    ],
)
def test_what_may_be_meant_as_it_is_written_stays(written: str) -> None:
    assert respelled(f"What is said of {written}?", [passage(HELD)]) == {}


def test_nothing_found_lends_nothing() -> None:
    assert respelled("Is hearin care covered?", []) == {}


def test_of_two_as_near_the_one_that_more_passages_hold_is_taken() -> None:
    found = [passage("A zandvoortt."), passage("The zandvoorts."), passage("Both zandvoorts.")]
    assert respelled("Where is zandvoortz?", found) == {"zandvoortz": "zandvoorts"}


def test_words_are_put_in_with_the_capitals_they_were_written_with() -> None:
    words = {"moncalm": "montcalm", "gendr": "gender"}
    assert (
        spelled("Moncalm, MONCALM and gendr-x or gendr.", words)
        == "Montcalm, MONTCALM and gendr-x or gender."
    )
    assert spelled("Nothing to do.", {}) == "Nothing to do."


def test_forms_of_words_that_the_model_knows_are_known() -> None:
    assert is_known("slows")
    assert is_known("the")
    assert not is_known("gendr")


# --- Through retrieval -------------------------------------------------------------------------------------------------


@pytest.fixture
def spoken(db: None, index_of_its_own: None) -> World:
    """The world with a rule about hospitality for everybody, and a word in finance's documents alone."""
    world = make_world()
    everyone = Rule.of({EVERYONE})
    make_document(world.sources["open"], "travel", "Travel: hospitality is paid within a week.", everyone)
    make_document(
        world.sources["open"], "merger", "Travel to Zandvoortia is planned for the merger.", Rule.of({f"user:{world.alice.pk}"})
    )  # fmt: skip
    deliver()
    return world


def test_a_misspelled_question_is_searched_again_as_it_was_meant(spoken: World) -> None:
    found = steps(spoken, "charlie", "When is hospitalty of travel paid?")
    names = [step.name for step in found]
    assert names == [
        "plan", "search", "gate", "spelling", "search", "gate", "bridge", "sufficiency", "rerank",
    ]  # fmt: skip
    plan = found[names.index("spelling")].value
    assert plan.standalone == "When is hospitality of travel paid?"
    assert plan.sub_queries[0].text == plan.standalone
    assert plan.question == "When is hospitalty of travel paid?"
    best = found[-1].value[0]
    assert best.passage.title == "Travel"
    assert best.features["window"] == 1.0  # all its words stand together once they are spelled as there


def test_the_record_keeps_the_asker_s_word_and_not_the_document_s(spoken: World) -> None:
    found = steps(spoken, "charlie", "When is hospitalty of travel paid?")
    assert next(step.record for step in found if step.name == "spelling") == {"words": ["hospitalty"]}
    assert "hospitality" not in json.dumps([step.record for step in found])


def test_it_can_be_turned_off_and_well_spelled_questions_are_searched_once(spoken: World) -> None:
    off = steps(spoken, "charlie", "When is hospitalty of travel paid?", "spelling=off")
    well = steps(spoken, "charlie", "When is hospitality of travel paid?")
    assert [step.name for step in off] == [step.name for step in well]
    assert "spelling" not in [step.name for step in well]


def test_a_word_of_a_document_that_the_asker_may_not_read_is_no_word_to_them(spoken: World) -> None:
    question = "Who travels to Zandvortia?"
    assert "spelling" in [step.name for step in steps(spoken, "alice", question)]
    for name in ("bob", "charlie", "dana", "adam"):
        assert "spelling" not in [step.name for step in steps(spoken, name, question)]
