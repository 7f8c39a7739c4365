"""Golden questions: kept, changed, removed, taken in from files line by line; and what an administrator may pick."""

import csv
import io
import json
from collections.abc import Iterable

import pytest

from accounts.audit import By
from accounts.models import AuditEvent, User
from accounts.viewer import viewer_of
from assistant.golden.actions import (
    add_golden_question,
    change_golden_question,
    import_golden_questions,
    remove_golden_question,
)
from assistant.golden.importing import COLUMNS, NotReadable, Read, questions_csv, read_file, results_csv
from assistant.golden.models import EvaluationResult, EvaluationRun, GoldenQuestion
from assistant.golden.showing import UNREADABLE, find_documents, shown_results
from assistant.golden.types import Entry, NotPossible
from ingestion.models import Document
from tests.assistant.golden import TRAVEL, golden
from tests.world import READABLE, World

NOBODY = "00000000-0000-0000-0000-000000000007"


def ids(*documents: Document) -> tuple[str, ...]:
    return tuple(str(document.public_id) for document in documents)


def add(world: World, who: str, entry: Entry) -> GoldenQuestion:
    user = User.objects.get(email=f"{who}@example.org")
    return add_golden_question(by=By.user(user), user=user, viewer=viewer_of(user), entry=entry)


# --- Keeping ------------------------------------------------------------------------------------------------------


def test_a_question_is_kept_with_one_event_that_holds_no_words_of_an_answer(world: World) -> None:
    entry = Entry(TRAVEL, world.bob, "answered", ids(world.documents["welcome"]), "40,000 euros")
    question = add(world, "adam", entry)
    assert (question.text, question.asker, question.created_by) == (TRAVEL, world.bob, world.adam)
    event = AuditEvent.objects.latest("position")
    assert (event.type, event.subject) == ("golden_question.added", question.subject)
    assert event.details["asker"] == f"user:{world.bob.pk}"
    assert "40,000" not in str(event.details)


@pytest.mark.parametrize("name", sorted(READABLE["alice"]))
def test_one_can_expect_only_documents_one_may_read_oneself(world: World, name: str) -> None:
    entry = Entry(TRAVEL, world.alice, "answered", ids(world.documents[name]))
    if name in READABLE["adam"]:
        assert add(world, "adam", entry).documents == list(ids(world.documents[name]))
        return
    with pytest.raises(NotPossible) as unreadable:
        add(world, "adam", entry)
    with pytest.raises(NotPossible) as missing:
        add(world, "adam", Entry(TRAVEL, world.alice, "answered", (NOBODY,)))
    assert str(unreadable.value) == str(missing.value)
    assert not GoldenQuestion.objects.exists()


def test_what_somebody_else_expected_may_stay_and_nothing_else_unreadable_may_come_in(world: World) -> None:
    budget, private = world.documents["budget"], world.documents["private"]
    question = golden(world.alice, world.alice, TRAVEL, budget)
    by, viewer = By.user(world.adam), viewer_of(world.adam)
    kept = Entry("How much may we travel?", world.alice, "answered", ids(budget))
    assert change_golden_question(by=by, viewer=viewer, question=question, entry=kept).documents == list(
        ids(budget)
    )
    more = Entry(TRAVEL, world.alice, "answered", ids(budget, private))
    with pytest.raises(NotPossible):
        change_golden_question(by=by, viewer=viewer, question=question, entry=more)
    without = Entry(TRAVEL, world.alice, "answered", ())
    change_golden_question(by=by, viewer=viewer, question=question, entry=without)
    with pytest.raises(NotPossible):
        change_golden_question(by=by, viewer=viewer, question=question, entry=kept)
    assert AuditEvent.objects.filter(type="golden_question.changed").count() == 2


def test_where_no_answer_is_expected_no_evidence_can_be(world: World) -> None:
    for entry in (
        Entry(TRAVEL, world.bob, "refused", ids(world.documents["welcome"])),
        Entry(TRAVEL, world.bob, "refused", (), "soup"),
        Entry("", world.bob),
    ):
        with pytest.raises(NotPossible):
            add(world, "adam", entry)


def test_a_removed_question_is_gone_for_every_action(world: World) -> None:
    question = golden(world.adam, world.bob)
    by = By.user(world.adam)
    remove_golden_question(by=by, question=question)
    question.refresh_from_db()
    assert not question.is_active
    with pytest.raises(NotPossible, match="removed meanwhile"):
        remove_golden_question(by=by, question=question)
    entry = Entry(TRAVEL, world.bob)
    with pytest.raises(NotPossible, match="removed meanwhile"):
        change_golden_question(by=by, viewer=viewer_of(world.adam), question=question, entry=entry)
    assert AuditEvent.objects.filter(type="golden_question.removed").count() == 1


# --- Taking in ----------------------------------------------------------------------------------------------------


def read(world: World, text: str, who: str = "bob") -> Read:
    return read_file(text.encode(), viewer_of(User.objects.get(email=f"{who}@example.org")))


def test_csv_and_json_lines_give_the_same_entries(world: World) -> None:
    welcome, budget = world.documents["welcome"], world.documents["budget"]
    table = (
        "question,asker,outcome,documents,words\n"
        f'"How much,\n  then?",ALICE@example.org,,{welcome.public_id};budget.md,euros\n'
        "Who?,bob@example.org,refused,,\n"
    )
    lines = "\n".join(
        json.dumps(row)
        for row in (
            {
                "question": "How much, then?",
                "asker": "alice@example.org",
                "documents": ["welcome", str(budget.public_id)],
                "words": "euros",
            },
            {"question": "Who?", "asker": "bob@example.org", "outcome": "refused"},
        )
    )
    first, second = read(world, table), read(world, lines)
    assert first.errors == second.errors == ()
    assert first.entries == second.entries
    assert first.entries[0] == Entry(
        "How much, then?", world.alice, "answered", ids(welcome, budget), "euros"
    )


def test_semicolons_capitals_and_a_byte_order_mark_are_understood(world: World) -> None:
    table = "\ufeffQuestion;Asker;Words\r\nHow much?;bob@example.org;a; \r\n"
    assert read(world, table).errors[0].line == 2  # one cell too many
    table = "\ufeffQuestion;Asker;Words\r\nHow much?;bob@example.org;a, b\r\n"
    assert read(world, table).entries == (Entry("How much?", world.bob, words="a, b"),)


def test_every_wrong_line_is_named_by_its_number_and_nothing_is_taken_in(world: World) -> None:
    table = (
        "question,asker,outcome,documents,words\n"
        '"Two\nlines?",bob@example.org,,,\n'
        ",bob@example.org,,,\n"
        "Who?,nobody@example.org,,,\n"
        "Who?,,,,\n"
        "Who?,bob@example.org,maybe,,\n"
        "Who?,bob@example.org,,payroll.md,\n"
        "Who?,bob@example.org,,nonsense.md,\n"
        "Who?,bob@example.org,refused,welcome.md,\n"
        "Who?,bob@example.org,,,x,too many\n"
    )
    found = read(world, table)
    assert [str(error).split(":")[0] for error in found.errors] == [f"Line {n}" for n in range(4, 12)]
    said = " ".join(str(error) for error in found.errors)
    for words in ("question is missing", "nobody@example.org", "neither “answered” nor", "more cells"):
        assert words in said


def test_a_document_one_may_not_read_answers_like_one_that_does_not_exist(world: World) -> None:
    for name in ("payroll.md", "Payroll", str(world.documents["payroll"].public_id)):
        unreadable = read(world, f"question,asker,documents\nWho?,bob@example.org,{name}\n").errors[0]
        missing = read(world, "question,asker,documents\nWho?,bob@example.org,nonsense\n").errors[0]
        assert unreadable.sentence == missing.sentence.replace("nonsense", name)
    assert read(world, "question,asker,documents\nWho?,bob@example.org,payroll.md\n", "alice").errors == ()


def test_json_lines_that_are_none_are_named(world: World) -> None:
    found = read(world, '{"question": "Who?", "asker": "bob@example.org"}\n{"question": \n\n["Who?"]\n')
    assert [(error.line, error.sentence[:15]) for error in found.errors] == [
        (2, "this is no JSON"),
        (4, "this is JSON, b"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"what,who\nx,y\n", "“question” and “asker” are missing"),
        (b"question\nx\n", "“asker” is missing"),
        (b"x" * (2 * 1024 * 1024 + 1), "larger than 2 MB"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_says_why(world: World, content: bytes, sentence: str) -> None:
    with pytest.raises(NotReadable, match=sentence):
        read_file(content, viewer_of(world.adam))


def test_importing_is_one_event_and_doubles_nothing(world: World) -> None:
    entries = [Entry("One?", world.bob), Entry("Two?", world.bob), Entry("One?", world.bob)]
    by, viewer = By.user(world.adam), viewer_of(world.adam)

    def take_in() -> int:
        return import_golden_questions(by=by, user=world.adam, viewer=viewer, entries=entries)

    before = AuditEvent.objects.count()
    assert (take_in(), take_in()) == (2, 0)
    assert GoldenQuestion.objects.count() == 2
    assert AuditEvent.objects.count() == before + 2
    bad = [Entry("Three?", world.bob), Entry("Four?", world.bob, "answered", (NOBODY,))]
    with pytest.raises(NotPossible):
        import_golden_questions(by=by, user=world.adam, viewer=viewer, entries=bad)
    assert GoldenQuestion.objects.count() == 2


# --- Giving out ---------------------------------------------------------------------------------------------------


def table(lines: Iterable[bytes]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(lines).decode())))


def test_what_goes_out_comes_in_again_and_no_cell_is_a_formula(world: World) -> None:
    golden(world.alice, world.alice, '=HYPERLINK("http://x")', world.documents["budget"], words="+1")
    rows = table(questions_csv(GoldenQuestion.objects.all(), viewer_of(world.alice)))
    assert rows[0] == list(COLUMNS)
    assert rows[1][0].startswith("'=")
    assert rows[1][4] == "'+1"
    content = b"".join(questions_csv(GoldenQuestion.objects.all(), viewer_of(world.alice)))
    (entry,) = read_file(content, viewer_of(world.alice)).entries
    question = GoldenQuestion.objects.get()
    assert (entry.text, entry.words, list(entry.documents)) == (question.text, "+1", question.documents)


def test_documents_one_may_not_read_are_left_out_of_what_one_takes_away(world: World) -> None:
    golden(world.alice, world.alice, TRAVEL, world.documents["budget"], world.documents["welcome"])
    rows = table(questions_csv(GoldenQuestion.objects.all(), viewer_of(world.adam)))
    assert rows[1][3] == str(world.documents["welcome"].public_id)


def test_results_go_out_guarded_and_without_any_document(world: World) -> None:
    question = golden(world.alice, world.alice, "@SUM(1)", world.documents["budget"])
    run = EvaluationRun.objects.create(state="finished")
    EvaluationResult.objects.create(
        run=run, question=question, text=question.text, asker=world.alice, expected_outcome="answered",
        expected=question.documents, state="done", ranks=[3], outcome="answered", is_right=True, milliseconds=12.5,
    )  # fmt: skip
    rows = table(results_csv(run))
    assert rows[1] == [
        "'@SUM(1)", "alice@example.org", "answered", "answered", "yes", "3", "", "12.5", "",
    ]  # fmt: skip
    assert str(world.documents["budget"].public_id) not in str(rows)


# --- Showing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", sorted(READABLE))
def test_finding_documents_finds_what_one_may_read_and_nothing_else(world: World, who: str) -> None:
    viewer = world.viewer(who)
    assert {d.title.lower().replace(" ", "_") for d in find_documents("", viewer, but=())} == READABLE[who]
    chosen = ids(world.documents["welcome"])
    assert not {d.public_id for d in find_documents("", viewer, but=chosen)} & set(chosen)
    assert find_documents("welcome nonsense", viewer, but=()) == ()


@pytest.mark.parametrize("who", sorted(READABLE))
def test_results_show_the_titles_of_what_one_may_read_and_ranks_always(world: World, who: str) -> None:
    names = list(world.documents)
    expected = [str(world.documents[name].public_id) for name in names] + [NOBODY]
    result = EvaluationResult(expected=expected, ranks=list(range(1, len(expected) + 1)), state="done")
    (shown,) = shown_results([result], world.viewer(who))
    for name, document in zip(names, shown.documents, strict=False):
        assert document.name == (world.documents[name].title if name in READABLE[who] else UNREADABLE)
    assert shown.documents[-1].name == UNREADABLE
    assert [document.rank for document in shown.documents] == result.ranks
