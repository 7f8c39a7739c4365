"""The Evaluation desk: for administrators alone, and without a title or a word that the administrator may not read."""

from dataclasses import dataclass
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.models import AuditEvent, Membership, User
from assistant.golden.forms import NAMES
from assistant.golden.models import EvaluationRun, GoldenQuestion
from assistant.golden.showing import UNREADABLE
from ingestion.models import Document
from retrieval.options import CHOICES
from tests.assistant.asking import index_of_its_own, indexed
from tests.assistant.golden import ATLANTIS, TRAVEL, evaluated, golden, requested
from tests.world import READABLE, World

__all__ = ["index_of_its_own", "indexed"]  # fixtures: pytest finds them by name

NOTHING = "00000000-0000-0000-0000-000000000007"


# --- The chorus ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """One address: what is sent to it and what comes back."""

    name: str
    method: str = "get"
    of: str = ""
    status: int = 200
    sent: tuple[tuple[str, str], ...] = ()
    both: bool = False


PAGES = [
    Page("evaluation"),
    Page("evaluation_start", "post", status=302, sent=(("fusion", "rrf"),)),
    Page("evaluation_compare", status=302),
    Page("evaluation_run", of="run"),
    Page("evaluation_stop", "post", of="run", status=302),
    Page("evaluation_export", of="run"),
    Page("golden_questions"),
    Page("golden_new", both=True),
    Page("golden_import", both=True),
    Page("golden_export"),
    Page("golden_question", of="question", both=True),
    Page("golden_remove", "post", of="question", status=302),
]
EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture
def run(world: World) -> EvaluationRun:
    golden(world.adam, world.alice, TRAVEL, world.documents["welcome"])
    return requested(world)


def address(page: Page, run: EvaluationRun) -> str:
    question = GoldenQuestion.objects.get()
    of: dict[str, list[object]] = {"": [], "run": [run.public_id], "question": [question.public_id]}
    return reverse(f"assistant:{page.name}", args=of[page.of])


@EVERY
def test_it_works_for_administrators(world: World, run: EvaluationRun, client: Client, page: Page) -> None:
    client.force_login(world.adam)
    response = getattr(client, page.method)(address(page, run), dict(page.sent))
    assert response.status_code == page.status
    if page.status == 302:
        assert client.get(response["Location"]).status_code == 200


@EVERY
def test_everybody_else_finds_nothing_there_and_leaves_nothing(
    world: World, run: EvaluationRun, client: Client, page: Page
) -> None:
    events = AuditEvent.objects.count()
    for user in (world.alice, world.bob, world.charlie, world.dana):
        client.force_login(user)
        response = getattr(client, page.method)(address(page, run), dict(page.sent))
        assert response.status_code == 404, user
    assert AuditEvent.objects.count() == events


@EVERY
def test_the_anonymous_are_sent_to_sign_in(run: EvaluationRun, client: Client, page: Page) -> None:
    response = getattr(client, page.method)(address(page, run), dict(page.sent))
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


@EVERY
def test_a_wrong_method_is_refused(world: World, run: EvaluationRun, client: Client, page: Page) -> None:
    client.force_login(world.adam)
    wrong = "delete" if page.both else "get" if page.method == "post" else "post"
    assert getattr(client, wrong)(address(page, run)).status_code == 405


@EVERY
def test_a_form_without_the_sites_own_token_is_refused(world: World, run: EvaluationRun, page: Page) -> None:
    if page.method != "post" and not page.both:
        return
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.adam)
    assert strict.post(address(page, run), dict(page.sent)).status_code == 403


@EVERY
def test_what_does_not_exist_is_not_found(world: World, client: Client, page: Page) -> None:
    if not page.of:
        return
    client.force_login(world.adam)
    assert getattr(client, page.method)(reverse(f"assistant:{page.name}", args=[NOTHING])).status_code == 404


def test_every_address_of_the_desk_is_sung_here() -> None:
    names = {
        key
        for key in get_resolver("assistant.urls").reverse_dict
        if isinstance(key, str) and key.startswith(("evaluation", "golden"))
    }
    assert names == {page.name for page in PAGES}


def test_the_desk_is_offered_to_administrators_alone(world: World, client: Client) -> None:
    link = f'href="{reverse("assistant:evaluation")}"'
    for user in world.people:
        client.force_login(user)
        assert (link in client.get(reverse("assistant:ask")).content.decode()) == user.is_admin


# --- What an administrator sees, and what not ---------------------------------------------------------------------


def page_of(client: Client, name: str, *arguments: object, **query: str | list[str]) -> str:
    response = client.get(reverse(f"assistant:{name}", args=arguments), query)
    assert response.status_code == 200
    return unescape(response.content.decode())


def both(first: EvaluationRun, second: EvaluationRun) -> list[str]:
    return [str(first.public_id), str(second.public_id)]


def titles_in(html: str, world: World) -> set[str]:
    return {name for name in READABLE["alice"] if f">{world.documents[name].title}<" in html}


def everything_expected(world: World) -> GoldenQuestion:
    """Return a question of alice's that expects all she may read, and that bob sees on every page."""
    return golden(world.alice, world.alice, TRAVEL, *(world.documents[name] for name in READABLE["alice"]))


@pytest.mark.parametrize("who", ["adam", "bob", "alice"])
def test_no_page_shows_a_title_that_its_reader_may_not_read(indexed: World, client: Client, who: str) -> None:
    User.objects.update(is_admin=True)
    question = everything_expected(indexed)
    first = evaluated(indexed)
    Membership.objects.filter(user=indexed.alice).delete()
    second = evaluated(indexed)
    # The last two are what is left to alice herself.
    readable = {"adam": {"welcome"}, "bob": READABLE["bob"], "alice": {"welcome", "private"}}[who]
    client.force_login(getattr(indexed, who))
    pages = [
        page_of(client, "golden_questions"),
        page_of(client, "evaluation_run", first.public_id),
        page_of(client, "evaluation_compare", run=both(first, second)),
    ]
    for html in pages:
        assert titles_in(html, indexed) == readable
        assert UNREADABLE in html
    form = page_of(client, "golden_question", question.public_id)
    titles = {name: indexed.documents[name].title for name in READABLE["alice"]}
    assert {name for name, title in titles.items() if f"<span>{title} " in form} == readable


def test_no_page_of_a_run_shows_a_word_of_an_answer(indexed: World, client: Client) -> None:
    everything_expected(indexed)
    first, second = evaluated(indexed), evaluated(indexed)
    client.force_login(indexed.adam)
    export = client.get(reverse("assistant:evaluation_export", args=[first.public_id]))
    assert isinstance(export, StreamingHttpResponse)
    sent = b"".join(piece for piece in export if isinstance(piece, bytes)).decode()
    assert "as_expected" in sent
    pages = [
        page_of(client, "evaluation"),
        page_of(client, "evaluation_run", first.public_id),
        page_of(client, "evaluation_compare", run=both(first, second)),
        sent,
    ]
    assert not [html for html in pages if "40,000" in html or "reports monthly" in html]
    assert AuditEvent.objects.filter(type="evaluation.exported", subject=first.subject).count() == 1


def picker(client: Client, **sent: object) -> str:
    response = client.post(reverse("assistant:golden_new"), {"find": "1", **sent})
    assert response.status_code == 200
    return unescape(response.content.decode())


def test_documents_are_found_among_those_the_administrator_may_read(world: World, client: Client) -> None:
    client.force_login(world.adam)
    assert "No other document that you may read" in picker(client, q="payroll")
    html = picker(client, q="welcome", text="Half a quest", asker="not yet")
    assert world.documents["welcome"].title in html
    assert "Half a quest" in html
    assert 'class="error"' not in html
    fragment = client.post(
        reverse("assistant:golden_new"), {"find": "1", "q": "welcome"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert fragment.strip().startswith('<div id="documents">')


# --- Keeping questions --------------------------------------------------------------------------------------------


def keep(client: Client, world: World, *documents: Document, **differs: str) -> int:
    sent: dict[str, object] = {
        "text": TRAVEL, "asker": "BOB@example.org", "expected_outcome": "answered", "words": "",
        "documents": [str(document.public_id) for document in documents], **differs,
    }  # fmt: skip
    return client.post(reverse("assistant:golden_new"), sent).status_code


def test_a_question_is_added_changed_and_removed(world: World, client: Client) -> None:
    client.force_login(world.adam)
    assert keep(client, world, world.documents["welcome"]) == 302
    question = GoldenQuestion.objects.get()
    assert (question.asker, question.created_by) == (world.bob, world.adam)
    sent = {"text": ATLANTIS, "asker": "charlie@example.org", "expected_outcome": "refused"}
    client.post(reverse("assistant:golden_question", args=[question.public_id]), sent)
    question.refresh_from_db()
    assert (question.text, question.documents, question.expected_outcome) == (ATLANTIS, [], "refused")
    client.post(reverse("assistant:golden_remove", args=[question.public_id]))
    assert client.get(reverse("assistant:golden_question", args=[question.public_id])).status_code == 404
    assert ATLANTIS not in page_of(client, "golden_questions")


@pytest.mark.parametrize(
    "differs",
    [
        {"asker": "nobody@example.org"},
        {"text": "  "},
        {"expected_outcome": "maybe"},
        {"expected_outcome": "refused", "words": "euros"},
    ],
)
def test_what_cannot_be_kept_is_said_beside_the_form(
    world: World, client: Client, differs: dict[str, str]
) -> None:
    client.force_login(world.adam)
    assert keep(client, world, **differs) == 422
    assert not GoldenQuestion.objects.exists()


def test_an_unreadable_and_an_invented_document_are_refused_alike(world: World, client: Client) -> None:
    client.force_login(world.adam)
    said = []
    for public_id in (str(world.documents["payroll"].public_id), NOTHING):
        sent = {
            "text": TRAVEL,
            "asker": "bob@example.org",
            "expected_outcome": "answered",
            "documents": [public_id, "garbage"],
        }
        response = client.post(reverse("assistant:golden_new"), sent)
        assert response.status_code == 422
        said.append(response.content.decode().replace(public_id, "it").split("csrf")[-1].split(">", 1)[-1])
    assert said[0] == said[1]
    assert not GoldenQuestion.objects.exists()


def test_a_file_is_taken_in_whole_or_not_at_all_with_its_lines_named(world: World, client: Client) -> None:
    client.force_login(world.adam)

    def send(text: str) -> str:
        file = SimpleUploadedFile("golden.csv", text.encode())
        response = client.post(reverse("assistant:golden_import"), {"file": file}, follow=True)
        return unescape(response.content.decode())

    bad = send("question,asker\nWho?,bob@example.org\nWhat?,nobody@example.org\n")
    assert "Line 3: nobody with the address “nobody@example.org” can sign in." in bad
    assert not GoldenQuestion.objects.exists()
    assert "2 golden questions imported." in send(
        "question,asker\nWho?,bob@example.org\nWhat?,alice@example.org\n"
    )
    assert "1 golden question imported. 2 were there already." in send(
        "question,asker\nWho?,bob@example.org\nWhat?,alice@example.org\nWhy?,alice@example.org\n"
    )
    assert "“asker” is missing" in send("question\nWho?\n")
    assert AuditEvent.objects.filter(type="golden_question.imported").count() == 2


# --- Runs ---------------------------------------------------------------------------------------------------------


def test_a_run_is_started_with_the_options_chosen(world: World, client: Client) -> None:
    client.force_login(world.adam)
    golden(world.adam, world.alice)
    html = page_of(client, "evaluation")
    assert 'name="fusion"' in html
    assert "cross-encoder" not in html  # there is none here
    sent = {
        "label": "Try", "planning": "rules", "fusion": "rrf", "bridge": "off", "second_search": "on", "sentences": "on",
        "reranking": "features", "sufficiency": "on", "spelling": "on", "synonyms": "on",
    }  # fmt: skip
    response = client.post(reverse("assistant:evaluation_start"), sent)
    run = EvaluationRun.objects.get()
    assert response["Location"] == reverse("assistant:evaluation_run", args=[run.public_id])
    assert (run.label, run.options, run.requested_by) == ("Try", "fusion=rrf bridge=off", world.adam)
    client.post(reverse("assistant:evaluation_start"), sent)
    assert EvaluationRun.objects.count() == 1
    client.post(reverse("assistant:evaluation_start"), {**sent, "fusion": "best"})
    assert EvaluationRun.objects.count() == 1


def test_a_run_asks_for_itself_while_it_is_open_and_stops_by_itself(indexed: World, client: Client) -> None:
    from assistant.golden import running

    golden(indexed.alice, indexed.alice)
    run = requested(indexed)
    client.force_login(indexed.adam)
    html = page_of(client, "evaluation_run", run.public_id)
    assert 'hx-trigger="every 1s"' in html
    assert "0 of 1 questions asked" in html
    running.carry_out(run.pk)
    fragment = client.get(
        reverse("assistant:evaluation_run", args=[run.public_id]),
        headers={"HX-Request": "true", "HX-Target": "live"},
    ).content.decode()
    assert fragment.strip().startswith('<div id="live">')
    assert "hx-trigger" not in fragment


def test_a_stopped_run_says_who_stopped_it(world: World, run: EvaluationRun, client: Client) -> None:
    client.force_login(world.adam)
    client.post(reverse("assistant:evaluation_stop", args=[run.public_id]))
    assert "Stopped by Adam before every question was asked." in page_of(
        client, "evaluation_run", run.public_id
    )


def test_results_are_narrowed_to_what_needs_somebody(indexed: World, client: Client) -> None:
    golden(indexed.alice, indexed.alice, TRAVEL, indexed.documents["budget"])
    golden(indexed.alice, indexed.charlie, "What is the travel budget, please?", indexed.documents["budget"])
    run = evaluated(indexed)
    client.force_login(indexed.adam)
    wrong = page_of(client, "evaluation_run", run.public_id, only="wrong")
    assert "please?" in wrong
    assert TRAVEL not in wrong
    assert TRAVEL in page_of(client, "evaluation_run", run.public_id, only="nonsense")


def test_two_runs_stand_side_by_side_the_older_one_first(indexed: World, client: Client) -> None:
    golden(indexed.alice, indexed.bob, TRAVEL, indexed.documents["budget"])
    first = evaluated(indexed, label="Before")
    Membership.objects.filter(user=indexed.bob).delete()
    second = evaluated(indexed, label="After")
    client.force_login(indexed.adam)
    html = page_of(client, "evaluation_compare", run=both(second, first))
    assert html.index("Before") < html.index("After")
    assert "1 question ended otherwise, 0 alike." in html
    assert "-100 points, worse" in html
    line = page_of(client, "evaluation")
    assert "<polyline" in line
    for chosen in ([str(first.public_id)], [NOTHING, "garbage"], both(first, first)):
        response = client.get(reverse("assistant:evaluation_compare"), {"run": chosen}, follow=True)
        assert "Choose two runs" in response.content.decode()


def test_every_option_of_retrieval_has_a_name_for_people() -> None:
    assert set(NAMES) == set(CHOICES)
