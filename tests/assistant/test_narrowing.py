"""Filters from end to end: picked or typed, kept with the question, held on every path, told to asker and auditor."""

import json
import re
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.audit import By
from accounts.models import AuditEvent, Membership
from accounts.viewer import EVERYONE
from assistant import actions, runner
from assistant.models import Question, TraceStep
from assistant.narrowing import (
    GONE,
    NO_SUCH_SOURCE,
    Picks,
    filters_from,
    in_words,
    names_for,
    picked,
    picker_for,
)
from assistant.trace import verify_record
from assistant.types import NotAskable
from ingestion.access import Rule
from ingestion.models import Document, DocumentVersion
from ingestion.titles import title_key
from retrieval.filtering import documents_matching
from retrieval.orchestrator import retrieve
from retrieval.types import Filters, Ranked
from tests.assistant.asking import deliver, index_of_its_own, indexed
from tests.factories import make_document
from tests.world import World

__all__ = ["index_of_its_own", "indexed"]

OPEN = Rule.of({EVERYONE})
BUDGET = "How much is the budget for travel?"


@pytest.fixture
def linked(indexed: World) -> World:
    """The world, and two pages that name each other across sources, with authors, days and kinds of file."""
    ladder = "Claims above the limit follow the Approval Ladder. The limit for travel claims is 500 euros."
    indexed.documents["claims"] = make_document(
        indexed.sources["staff"], "claims", ladder, OPEN, "Expense Claims"
    )
    text = "The area director signs travel claims.\n\nThe Expense Claims page has the limit.\n\nSigning takes two days."
    indexed.documents["ladder"] = make_document(
        indexed.sources["open"], "ladder", text, OPEN, "Approval Ladder"
    )
    for number, document in enumerate(Document.objects.order_by("pk")):
        document.title_key = title_key(document.title)
        document.author = "Jane Doe" if number % 2 else ""
        document.dated = date(2020 + number % 5, 3, 1) if number % 3 else None
        document.save(update_fields=["title_key", "author", "dated"])
    DocumentVersion.objects.filter(document=indexed.documents["claims"]).update(media_type="application/pdf")
    deliver()
    return indexed


def ranked_for(world: World, question: str, filters: Filters, name: str = "alice") -> tuple[Ranked, ...]:
    *_, last = retrieve(question, (), world.viewer(name), filters=filters)
    ranked: tuple[Ranked, ...] = last.value
    return ranked


# --- They hold on every path ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "bob", "charlie"])
@pytest.mark.parametrize(
    "question",
    [
        BUDGET,
        "Who signs what is above the limit in Expense Claims?",
        "Approval Ladder",
        "Who signs? And how long does signing take?",
    ],
)
def test_every_passage_that_is_ranked_satisfies_every_filter(linked: World, name: str, question: str) -> None:
    staff, open_source = (str(linked.sources[key].public_id) for key in ("staff", "open"))
    for filters in (
        Filters(sources=(open_source,)),
        Filters(sources=(staff,)),
        Filters(authors=("Jane Doe",)),
        Filters(types=("pdf",)),
        Filters(types=("markdown",), since=date(2021, 1, 1)),
        Filters(sources=(open_source,), until=date(2022, 12, 31)),
    ):
        allowed = documents_matching(filters, linked.viewer(name))
        assert allowed is not None
        steps = list(retrieve(question, (), linked.viewer(name), filters=filters))
        ranked = steps[-1].value
        assert {r.passage.document for r in ranked} <= allowed
        assert not allowed or ranked, "something that matches is found"
        # Nothing outside was even a candidate: the record would name it.
        chunks = {int(n) for step in steps for n in re.findall(r'"chunk": (\d+)', json.dumps(step.record))}
        held = DocumentVersion.objects.filter(chunks__in=chunks).values_list("document_id", flat=True)
        assert set(held) <= allowed


def test_a_document_outside_the_filters_is_no_bridge(linked: World) -> None:
    question = "What follows for claims above the limit?"
    ladder = linked.documents["ladder"].pk
    assert ladder in {r.passage.document for r in ranked_for(linked, question, Filters())}
    staff = Filters(sources=(str(linked.sources["staff"].public_id),))
    assert ladder not in {r.passage.document for r in ranked_for(linked, question, staff)}


def test_a_source_one_may_not_read_leaves_nothing_to_find(linked: World) -> None:
    staff = Filters(sources=(str(linked.sources["staff"].public_id),))
    assert ranked_for(linked, BUDGET, staff, "charlie") == ()


def test_typed_and_picked_filters_meet_in_the_plan_and_its_record(linked: World) -> None:
    picks = Filters(sources=(str(linked.sources["staff"].public_id),))
    plan = next(
        retrieve(f"{BUDGET} source:handbook type:md after:never", (), linked.viewer("alice"), filters=picks)
    )
    assert plan.value.filters == Filters(picks.sources, types=("markdown",))
    assert plan.value.standalone == BUDGET
    assert plan.record["filters"] == {"sources": list(picks.sources), "types": ["markdown"]}
    assert "after:never" in plan.record["filters_not_used"][0]


def test_the_record_of_an_unreadable_source_is_that_of_an_unknown_one(linked: World) -> None:
    def record(name: str) -> str:
        plan = next(retrieve(f'{BUDGET} source:"{name}"', (), linked.viewer("charlie")))
        return json.dumps(plan.record).replace(name, "…")

    assert record("Intranet") == record("Nowhere at all")


# --- Picking --------------------------------------------------------------------------------------------------------


def test_picks_are_read_into_filters(world: World) -> None:
    open_id = str(world.sources["open"].public_id)
    picks = Picks((open_id, open_id), ("Jane  Doe; John Roe", ""), ("pdf", "slides"), "2024", "2024-06")
    filters = picked(world.viewer("alice"), picks)
    assert filters == Filters(
        (open_id,), ("Jane Doe", "John Roe"), ("pdf", "slides"), date(2024, 1, 1), date(2024, 6, 30)
    )
    assert picked(world.viewer("alice"), Picks.of(filters)) == filters
    assert in_words(filters, {open_id: "Handbook"}) == (
        "Handbook", "by Jane Doe", "by John Roe", "PDF", "Slides", "since 1 Jan 2024", "until 30 Jun 2024",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("picks", "told"),
    [
        (Picks(types=("exe",)), "no kind of file"),
        (Picks(since="yesterday"), "is no day"),
        (Picks(since="2024", until="2023"), "no document can match"),
        (Picks(authors=("x" * 201,)), "at most 200 characters"),
        (Picks(authors=("; ".join(f"a{n}" for n in range(51)),)), "at most"),
        (Picks(sources=("no id",)), NO_SUCH_SOURCE),
    ],
)
def test_picks_that_cannot_be_used_are_answered_with_a_sentence(
    world: World, picks: Picks, told: str
) -> None:
    with pytest.raises(NotAskable, match=re.escape(told)):
        picked(world.viewer("alice"), picks)


def test_the_picker_offers_only_what_may_be_read(world: World) -> None:
    Document.objects.filter(pk=world.documents["budget"].pk).update(author="Jane Doe")
    Document.objects.filter(pk=world.documents["dark"].pk).update(author="Dark Author")
    alice, charlie = (picker_for(world.viewer(name)) for name in ("alice", "charlie"))
    assert [choice.name for choice in alice.sources] == ["Handbook", "Intranet"]
    assert alice.authors == ("Jane Doe",)
    assert [choice.name for choice in charlie.sources] == ["Handbook"]
    assert charlie.authors == ()


def test_a_source_that_was_picked_and_is_shared_no_more_is_neither_picked_nor_named(world: World) -> None:
    filters = Filters(sources=(str(world.sources["staff"].public_id),))
    charlie = world.viewer("charlie")
    assert picker_for(charlie, Picks.of(filters)).chips == ()
    assert in_words(filters, names_for(charlie, [filters])) == (GONE,)


# --- On the page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def alice(linked: World, client: Client) -> Client:
    client.force_login(linked.alice)
    return client


def ask_on_page(world: World, client: Client, url: str = "/", **fields: Any) -> Question:  # Any: form values
    response = client.post(url, {"text": BUDGET, **fields})
    assert response.status_code == 302
    question = Question.objects.latest("pk")
    runner.wait(question.pk)
    runner.run(question.pk)
    question.refresh_from_db()
    return question


@pytest.mark.django_db(transaction=True)
def test_what_is_picked_travels_with_the_question_and_stays_for_the_next(
    linked: World, alice: Client
) -> None:
    staff = str(linked.sources["staff"].public_id)
    question = ask_on_page(
        linked, alice, source=staff, type="markdown", author="jane doe", since="", until="2030-01-01"
    )
    assert filters_from(question.filters) == Filters(
        (staff,), ("jane doe",), ("markdown",), None, date(2030, 1, 1)
    )
    page = reverse("assistant:conversation", args=[question.conversation.public_id])
    html = alice.get(page).content.decode()
    assert "Searched in: Intranet · by jane doe · Markdown · until 1 Jan 2030" in html
    assert re.search(rf'value="{staff}"[^>]* checked', html)
    assert '<li class="chip">Intranet</li>' in html
    follow_up = ask_on_page(linked, alice, page)
    assert follow_up.filters == {}
    assert not re.search(rf'value="{staff}"[^>]* checked', alice.get(page).content.decode())
    assert verify_record(question).is_intact


@pytest.mark.django_db(transaction=True)
def test_changing_what_a_question_was_narrowed_to_breaks_its_record(linked: World, alice: Client) -> None:
    question = ask_on_page(linked, alice, type="markdown")
    assert verify_record(question).is_intact
    question.filters = {}
    assert not verify_record(question).is_intact


@pytest.mark.django_db(transaction=True)
def test_asking_again_looks_where_the_question_looked(linked: World, alice: Client) -> None:
    question = ask_on_page(linked, alice, type="pdf")
    again = actions.ask_again(by=By.user(linked.alice), user=linked.alice, question=question)
    runner.wait(again.pk)
    assert again.filters == {"types": ["pdf"]}


def test_a_pick_that_cannot_be_used_stays_in_the_box_beside_the_reason(linked: World, alice: Client) -> None:
    response = alice.post("/", {"text": BUDGET, "since": "2024-05-01", "until": "2023-05-01", "type": "pdf"})
    html = response.content.decode()
    assert response.status_code == 422
    assert "no document can match" in html
    assert 'value="2024-05-01"' in html
    assert 'value="2023-05-01"' in html
    assert re.search(r'value="pdf"[^>]* checked', html)
    assert not Question.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_filter_words_that_were_not_understood_are_told_with_the_question(
    linked: World, alice: Client
) -> None:
    response = alice.post("/", {"text": f"{BUDGET} type:exe"})
    question = Question.objects.latest("pk")
    runner.wait(question.pk)
    html = alice.get(response["Location"]).content.decode()
    assert "“type:exe” was not used" in html


@pytest.mark.django_db(transaction=True)
def test_the_auditor_reads_what_the_search_was_narrowed_to(linked: World, alice: Client) -> None:
    question = ask_on_page(linked, alice, source=str(linked.sources["staff"].public_id))
    asked = AuditEvent.objects.get(type="question.asked")
    assert asked.details["filters"] == question.filters
    dana = Client()
    dana.force_login(linked.dana)
    html = dana.get(reverse("assistant:audit_answer", args=[question.public_id])).content.decode()
    assert "Narrowed to: Intranet." in html


@pytest.mark.django_db(transaction=True)
def test_a_ruined_filter_in_the_record_does_not_hide_the_rest_of_it(linked: World, alice: Client) -> None:
    from assistant.auditing.telling import told

    question = ask_on_page(linked, alice, type="markdown")
    step = TraceStep.objects.get(question_id=question.pk, name="plan")
    for ruined in ({"sources": ["x"]}, {"since": 5}, {"sources": 3}, {"until": "soon"}):
        step.record = {**step.record, "filters": ruined}
        _, lines, _ = told(step, "Alice", BUDGET)
        assert "Narrowed to: what can no longer be read." in lines


@pytest.mark.django_db(transaction=True)
def test_a_source_is_no_longer_named_with_the_question_once_it_is_not_shared(
    linked: World, client: Client
) -> None:
    client.force_login(linked.bob)
    question = ask_on_page(linked, client, source=str(linked.sources["staff"].public_id))
    page = reverse("assistant:conversation", args=[question.conversation.public_id])
    assert "Searched in: Intranet" in client.get(page).content.decode()
    Membership.objects.filter(user=linked.bob).delete()
    html = client.get(page).content.decode()
    assert "Intranet" not in html
    assert f"Searched in: {GONE}" in html


# --- The API and the command ----------------------------------------------------------------------------------------


def post(client: Client, **fields: Any) -> tuple[int, dict[str, Any]]:  # Any: JSON values
    response = client.post(
        "/api/questions/", json.dumps({"text": BUDGET, **fields}), content_type="application/json"
    )
    return response.status_code, response.json()


@pytest.mark.django_db(transaction=True)
def test_the_api_takes_the_same_filters_and_gives_them_back(linked: World, alice: Client) -> None:
    staff = str(linked.sources["staff"].public_id)
    filters = {"sources": [staff], "types": ["markdown"], "since": "2020"}
    status, body = post(alice, filters=filters)
    assert status == 201
    runner.wait(Question.objects.latest("pk").pk)
    body = alice.get(reverse("assistant:api_question", args=[body["id"]])).json()
    assert body["filters"] == {"sources": [staff], "types": ["markdown"], "since": "2020-01-01"}
    assert body["narrowed"] == ["Intranet", "Markdown", "since 1 Jan 2020"]
    assert body["not_used"] == []


def test_the_api_tells_an_unreadable_source_like_one_that_does_not_exist(
    linked: World, client: Client
) -> None:
    client.force_login(linked.charlie)
    told = [
        post(client, filters={"sources": [source]})
        for source in (
            str(linked.sources["staff"].public_id),
            "00000000-0000-4000-8000-000000000000",
            "nothing",
        )
    ]
    assert told == [(400, {"detail": NO_SUCH_SOURCE})] * 3
    assert not Question.objects.exists()


def test_the_api_refuses_filters_that_are_none(alice: Client) -> None:
    assert post(alice, filters={"types": ["exe"]})[0] == 400
    assert post(alice, filters={"since": "yesterday"})[1]["detail"].endswith("Write it as 2024-03-31.")
    assert post(alice, filters=["pdf"])[0] == 400


@pytest.mark.django_db(transaction=True)
def test_the_command_narrows_too(linked: World) -> None:
    out = StringIO()
    call_command(
        "ask",
        BUDGET,
        "--as",
        "alice@example.org",
        "--source",
        "intranet",
        "--type",
        "markdown",
        "--json",
        stdout=out,
    )
    said = json.loads(out.getvalue())
    assert said["filters"] == {"sources": [str(linked.sources["staff"].public_id)], "types": ["markdown"]}
    for source in ("Intranet", "Nowhere"):
        with pytest.raises(CommandError, match=f"may read no source called {source}"):
            call_command("ask", BUDGET, "--as", "charlie@example.org", "--source", source)
    with pytest.raises(CommandError, match="no kind of file"):
        call_command("ask", BUDGET, "--as", "alice@example.org", "--type", "exe")
