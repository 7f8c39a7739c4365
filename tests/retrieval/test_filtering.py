"""What narrows a search: operators, plain words, what cannot be understood, and that nothing unreadable ever counts."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.viewer import EVERYONE
from ingestion.access import NOBODY, Rule, intern_policy
from ingestion.models import Document, DocumentVersion, Source
from retrieval.filtering import (
    KINDS,
    FilterReading,
    completed,
    documents_matching,
    kind_named,
    merged,
    read_filters,
    span_of,
    without_operators,
)
from retrieval.orchestrator import retrieve
from retrieval.types import Filters, Turn
from tests.factories import make_document
from tests.world import READABLE, World

OPEN = Rule.of({EVERYONE})
LEAVE = "How many days of leave do I have"


def read(world: World, question: str, name: str = "alice") -> FilterReading:
    return read_filters(question, world.viewer(name))


def id_of(source: Source) -> str:
    return str(source.public_id)


# --- Operators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["source:handbook", 'source:"Handbook"', "source:HANDBOOK", "SOURCE:“handbook”", "(source:handbook)"],
)
def test_a_source_is_named_in_any_case_with_or_without_quotes(world: World, written: str) -> None:
    found = read(world, f"{LEAVE} {written}?")
    assert found.filters == Filters(sources=(id_of(world.sources["open"]),))
    assert found.question == f"{LEAVE}?"
    assert found.not_used == ()


def test_a_name_of_several_words_may_be_written_with_hyphens(world: World) -> None:
    policies = Source.objects.create(name="HR policies", kind="upload", policy=intern_policy(OPEN))
    make_document(policies, "leave", "Thirty days.", OPEN)
    for written in ("source:hr-policies", 'source:"HR Policies"'):
        assert read(world, f"{LEAVE} {written}").filters.sources == (id_of(policies),)


def test_an_author_is_taken_as_the_documents_state_the_name(world: World) -> None:
    Document.objects.filter(pk=world.documents["welcome"].pk).update(author="Jane Doe")
    found = read(world, 'author:"jane doe" When does the reception open?')
    assert found.filters.authors == ("Jane Doe",)
    assert found.question == "When does the reception open?"


@pytest.mark.parametrize(
    ("written", "since", "until"),
    [
        ("since:2024", date(2024, 1, 1), None),
        ("after:2024", date(2025, 1, 1), None),
        ("after:2024-03", date(2024, 4, 1), None),
        ("after:2024-01-01", date(2024, 1, 2), None),
        ("before:2024", None, date(2023, 12, 31)),
        ("until:2024-02", None, date(2024, 2, 29)),
        ("until:2024", None, date(2024, 12, 31)),
        ("since:2022 until:2024-06-30", date(2022, 1, 1), date(2024, 6, 30)),
        ("since:2022 since:2023", date(2023, 1, 1), None),
    ],
)
def test_days_months_and_years_narrow(
    world: World, written: str, since: date | None, until: date | None
) -> None:
    found = read(world, f"{LEAVE} {written}?")
    assert (found.filters.since, found.filters.until) == (since, until)
    assert found.question == f"{LEAVE}?"


def test_kinds_of_file_have_the_names_people_use() -> None:
    said = {"PDF": "pdf", "PowerPoint": "slides", "web page": "web", "web-page": "web", "Excel": "spreadsheet",
            "e-mails": "email", "docx": "word", "md": "markdown", "spreadsheets": "spreadsheet"}  # fmt: skip
    assert {word: kind_named(word) for word in said} == said
    assert kind_named("exe") is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("after:yesterday", "write a day as"),
        ("since:2024-13", "write a day as"),
        ("until:0000", "write a day as"),
        ("type:exe", "pdf"),
        ("source:nonexistent", "no source of that name"),
        ('author:""', "nothing stands after it"),
        ("author:Nobody", "in quotes"),
        ("since:2024 before:2023", "nothing can be dated"),
    ],
)
def test_what_cannot_be_understood_narrows_nothing_and_says_what_to_write(
    world: World, written: str, told: str
) -> None:
    found = read(world, f"{LEAVE} {written}?")
    assert found.filters.is_empty
    (sentence,) = found.not_used
    assert told in sentence
    assert sentence.endswith(".")
    assert found.question == f"{LEAVE}?"


def test_what_looks_like_an_operator_in_a_sentence_is_left_alone(world: World) -> None:
    for question in (
        "What is the source: handbook or law?",
        "See https://a.example/type:pdf for leave",
        "Ratio a:b",
    ):
        assert read(world, question) == FilterReading(question)


def test_a_question_of_nothing_but_operators_is_empty_once_they_are_read(world: World) -> None:
    found = read(world, "source:handbook")
    assert (found.question, found.filters.sources) == ("", (id_of(world.sources["open"]),))


def test_an_earlier_turn_is_about_what_is_left_without_its_operators() -> None:
    assert without_operators("How long is leave, type:pdf?") == "How long is leave?"
    assert without_operators("How long is  leave?") == "How long is  leave?"


# --- Plain words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("According to the Handbook, when does the reception open?", "when does the reception open?"),
        ("When does the reception open according to the handbook?", "When does the reception open?"),
        ("When does the reception open in the handbook?", "When does the reception open?"),
        ("In the Handbook, when does the reception open?", "when does the reception open?"),
        ("What times from the Handbook about reception hours?", "What times about reception hours?"),
    ],
)
def test_plain_words_narrow_where_only_documents_can_be_meant(world: World, question: str, rest: str) -> None:
    found = read(world, question)
    assert found.filters.sources == (id_of(world.sources["open"]),)
    assert found.question == rest


@pytest.mark.parametrize(
    "question",
    [
        "What is in the Handbook?",
        "Which laptops are in the Handbook cupboard today?",
        "Who edits our handbook every year?",
        "What changed in the employee handbook since 2024?",
        "Which contracts ended after March 2024?",
        "What was decided between 2022 and 2024?",
        "Was the budget approved by Alice Smith last year?",
    ],
)
def test_plain_words_that_could_mean_something_else_narrow_nothing(world: World, question: str) -> None:
    Document.objects.filter(pk=world.documents["welcome"].pk).update(author="Alice Smith")
    assert read(world, question) == FilterReading(question)


def test_a_source_called_like_a_place_is_named_only_as_a_source(world: World) -> None:
    office = Source.objects.create(name="Office", kind="upload", policy=intern_policy(OPEN))
    make_document(office, "smoking", "Nobody smokes.", OPEN)
    assert read(world, "Who may smoke cigars in the office?").filters.is_empty
    for question in (
        "Who may smoke cigars according to the Office?",
        "Who may smoke cigars in the Office documents?",
    ):
        assert read(world, question).filters.sources == (id_of(office),)


def test_a_name_that_a_document_elsewhere_has_as_its_title_narrows_nothing(world: World) -> None:
    make_document(world.sources["staff"], "book", "Be kind.", OPEN, "Handbook")
    question = "When does the reception open according to the Handbook?"
    assert read(world, question).filters.is_empty
    # For charlie, who may not read that page, there is no doubt.
    assert not read(world, question, "charlie").filters.is_empty


def test_documents_written_by_somebody_are_narrowed_to_their_author(world: World) -> None:
    Document.objects.filter(pk=world.documents["budget"].pk).update(author="Jane Doe")
    question = "Which travel budgets were written by Jane Doe about teams?"
    found = read(world, question)
    assert found.filters.authors == ("Jane Doe",)
    assert found.question == "Which travel budgets were about teams?"
    assert read(world, question, "charlie") == FilterReading(question)


# --- Nobody learns of what they may not read ------------------------------------------------------------------------


def test_an_unreadable_source_is_told_like_one_that_does_not_exist(world: World) -> None:
    hidden = read(world, f'{LEAVE} source:"Unread rules"?')
    unknown = read(world, f'{LEAVE} source:"Unknown rules"?')
    assert hidden.filters.is_empty
    assert [s.replace("Unread", "X") for s in hidden.not_used] == [
        s.replace("Unknown", "X") for s in unknown.not_used
    ]


def test_a_source_with_nothing_readable_in_it_has_no_name_either(world: World) -> None:
    source = Source.objects.create(name="Merger plans", kind="upload", policy=intern_policy(OPEN))
    make_document(source, "plan", "Secret.", Rule.of({f"user:{world.alice.pk}"}))
    assert read(world, f'{LEAVE} source:"Merger plans"').filters.sources == (id_of(source),)
    assert read(world, f'{LEAVE} source:"Merger plans"', "bob").filters.is_empty


WORDS = st.sampled_from(
    ["how", "many days", "in the", "from the", "according to", "according to the", "Secret Files", "secret files", "Handbook",
     "written by", "Mary Poppins", "source:", 'source:"Secret Files"', "source:secret-files", 'author:"Mary Poppins"',
     "leave", "reception hours", "?", ",", "about", "type:pdf", "since:2024"]
)  # fmt: skip


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(WORDS, min_size=1, max_size=9), hidden=st.sampled_from(["source", "document", "removed"])
)
def test_what_a_viewer_may_not_read_never_changes_how_their_question_is_read(
    world: World, words: list[str], hidden: str
) -> None:
    question = " ".join(words)
    viewer = world.viewer("bob")
    before = read_filters(question, viewer)
    source = Source.objects.create(
        name="Secret Files", kind="upload", policy=intern_policy(NOBODY if hidden == "source" else OPEN)
    )
    rule = OPEN if hidden == "source" else NOBODY
    document = make_document(source, "secret", "Secret.", rule, "Handbook")
    Document.objects.filter(pk=document.pk).update(author="Mary Poppins")
    if hidden == "removed":
        Source.objects.filter(pk=source.pk).update(removed_at="2026-01-01T00:00:00Z")
    try:
        assert read_filters(question, viewer) == before
        assert documents_matching(Filters(sources=(str(source.public_id),)), viewer) == frozenset()
        assert documents_matching(Filters(authors=("Mary Poppins",)), viewer) == frozenset()
    finally:
        Document.objects.filter(pk=document.pk).update(current_version=None)
        DocumentVersion.objects.filter(document=document).delete()
        document.delete()
        source.delete()


# --- What is picked, and what it leaves ----------------------------------------------------------------------------


def test_what_is_picked_holds_over_what_is_typed(world: World) -> None:
    typed = FilterReading("q", Filters(sources=("typed",), types=("pdf",), since=date(2024, 1, 1)))
    assert merged(Filters(sources=("picked",)), typed).filters == Filters(
        ("picked",), types=("pdf",), since=date(2024, 1, 1)
    )
    both = merged(Filters(until=date(2023, 1, 1)), typed)
    assert (both.filters.since, both.filters.until) == (None, date(2023, 1, 1))
    assert "contradicts" in both.not_used[0]


def test_a_reply_to_a_question_back_keeps_what_the_question_was_narrowed_to(world: World) -> None:
    handbook = id_of(world.sources["open"])
    asked_back = Turn("source:handbook since:2025 How many?", "", clarification="How many of what?")
    plan = next(iter(retrieve("days of leave", (asked_back,), world.viewer("alice")))).value
    assert (plan.filters.sources, plan.filters.since) == ((handbook,), date(2025, 1, 1))
    plan = next(iter(retrieve("Where is the canteen of Leeds?", (asked_back,), world.viewer("alice")))).value
    assert plan.standalone == "Where is the canteen of Leeds?"
    assert plan.filters.is_empty
    answered = Turn("source:handbook How many days of leave?", "Thirty.")
    plan = next(iter(retrieve("And sick days?", (answered,), world.viewer("alice")))).value
    assert plan.filters.is_empty


def test_what_a_reply_says_of_where_to_look_holds_over_the_question_it_completes(world: World) -> None:
    asked = FilterReading("How many?", Filters(types=("pdf",), since=date(2025, 1, 1)))
    reply = FilterReading("days", Filters(until=date(2024, 6, 30)), ("A sentence.",))
    found = completed(reply, asked)
    assert found == FilterReading("days", Filters(types=("pdf",), until=date(2024, 6, 30)), ("A sentence.",))


def test_no_filter_narrows_nothing_and_is_not_an_empty_answer(world: World) -> None:
    assert documents_matching(Filters(), world.viewer("bob")) is None


@pytest.mark.parametrize("name", list(READABLE))
def test_filters_leave_only_what_the_viewer_may_read(world: World, name: str) -> None:
    Document.objects.update(author="Jane Doe", dated=date(2024, 5, 1))
    everything = [
        Filters(sources=tuple(id_of(source) for source in Source.objects.all())),
        Filters(authors=("JANE DOE",)),
        Filters(types=tuple(KINDS)),
        Filters(since=date(2024, 5, 1)),
        Filters(until=date(2024, 5, 1)),
    ]
    readable = {world.documents[key].pk for key in READABLE[name]}
    for filters in everything:
        assert documents_matching(filters, world.viewer(name)) == frozenset(readable)


def test_each_filter_leaves_out_what_does_not_match(world: World) -> None:
    viewer = world.viewer("alice")
    Document.objects.filter(pk=world.documents["menu"].pk).update(author="Jane Doe", dated=date(2024, 5, 1))
    version = world.documents["payroll"].current_version
    assert version is not None
    DocumentVersion.objects.filter(pk=version.pk).update(media_type="application/pdf")
    menu, payroll = {world.documents["menu"].pk}, {world.documents["payroll"].pk}
    assert documents_matching(Filters(authors=("Jane Doe",)), viewer) == frozenset(menu)
    assert documents_matching(Filters(since=date(2024, 5, 2)), viewer) == frozenset()
    assert documents_matching(Filters(until=date(2024, 5, 1)), viewer) == frozenset(menu)
    assert documents_matching(Filters(types=("pdf",)), viewer) == frozenset(payroll)
    assert documents_matching(Filters(types=("pdf",), authors=("Jane Doe",)), viewer) == frozenset()
    assert documents_matching(Filters(sources=("no uuid",)), viewer) == frozenset()


def test_a_year_of_which_no_day_can_be_made_is_no_span() -> None:
    assert [span_of(written) for written in ("9999", "2024-02-30", "2024-00", "today", "24")] == [None] * 5
