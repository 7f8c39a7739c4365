"""The Audit desk for answers: who may look, what they see, and above all what they do not."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit import By, record
from accounts.models import AuditEvent, Membership
from accounts.triggers import lift
from assistant import actions, trace
from assistant.models import Answer, Question, TraceStep
from ingestion.models import Chunk
from tests.assistant.audited import answered, end
from tests.world import READABLE, World

TRAVEL = "The budget for travel is 40,000 euros this year."
WELCOME = "The reception opens at eight in the morning."
PROSE = "Everybody may spend forty thousand."
NOT_SHOWN = "You may not read this document; its words are not shown."


@pytest.fixture
def question(world: World, client: Client) -> Question:
    client.force_login(world.dana)
    documents = world.documents
    return answered(
        world.alice,
        "What is the travel budget?",
        [(documents["budget"], TRAVEL), (documents["welcome"], WELCOME)],
        lost=[documents["menu"]],
        withheld=[(documents["nobody"], "not_permitted"), (documents["dark"], "removed")],
    )


def page(client: Client, question: Question) -> str:
    response = client.get(reverse("assistant:audit_answer", args=[question.public_id]))
    assert response.status_code == 200
    return unescape(response.content.decode())


def table(client: Client, **narrowed: str) -> str:
    response = client.get(reverse("assistant:audit"), narrowed)
    assert response.status_code == 200
    return unescape(response.content.decode())


def asked(html: str) -> list[str]:
    """Return the questions a table lists."""
    return re.findall(r'class="asked"[^>]*>([^<]+)<', html)


def verify(client: Client, question: Question, **headers: str) -> HttpResponse:
    address = reverse("assistant:audit_verify", args=[question.public_id])
    response = client.post(address, headers=headers)
    assert isinstance(response, HttpResponse)
    return response


def sent(response: object) -> str:
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(piece for piece in response if isinstance(piece, bytes)).decode()


# --- Who may look -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "adam"])
def test_only_auditors_find_the_audit_of_answers(
    world: World, question: Question, client: Client, name: str
) -> None:
    client.force_login(getattr(world, name))
    for address in ("assistant:audit", "assistant:audit_export"):
        assert client.get(reverse(address)).status_code == 404
    assert client.get(reverse("assistant:audit_answer", args=[question.public_id])).status_code == 404
    assert verify(client, question).status_code == 404
    assert not AuditEvent.objects.filter(
        type__in=["audit.viewed", "audit.exported", "answer.verified"]
    ).exists()


def test_the_anonymous_are_sent_to_the_door(question: Question) -> None:
    client = Client()
    for address in (
        reverse("assistant:audit"),
        reverse("assistant:audit_export"),
        reverse("assistant:audit_answer", args=[question.public_id]),
    ):
        assert client.get(address)["Location"].startswith(reverse("accounts:sign_in"))
    assert verify(client, question)["Location"].startswith(reverse("accounts:sign_in"))


def test_reading_is_read_and_verifying_is_posted(question: Question, client: Client) -> None:
    for address in (
        reverse("assistant:audit"),
        reverse("assistant:audit_export"),
        reverse("assistant:audit_answer", args=[question.public_id]),
    ):
        assert client.post(address).status_code == 405
    assert client.get(reverse("assistant:audit_verify", args=[question.public_id])).status_code == 405


def test_a_question_nobody_asked_is_not_found(question: Question, client: Client) -> None:
    nobody = "00000000-0000-0000-0000-000000000007"
    assert client.get(reverse("assistant:audit_answer", args=[nobody])).status_code == 404
    assert client.post(reverse("assistant:audit_verify", args=[nobody])).status_code == 404


# --- What an auditor sees, and what not ---------------------------------------------------------------------------


def test_no_words_of_documents_the_auditor_may_not_read_are_on_any_page_or_in_any_export(
    world: World, client: Client
) -> None:
    client.force_login(world.dana)
    first = {name: _first_words(document.current_version.text) for name, document in world.documents.items() if document.current_version}  # fmt: skip
    questions = []
    for name in sorted(READABLE["alice"]):
        others = [world.documents[other] for other in sorted(READABLE["alice"] - {name})]
        hidden = [
            (world.documents[other], "not_permitted") for other in first if other not in READABLE["alice"]
        ]
        questions.append(
            answered(
                world.alice,
                f"About {name}?",
                [(world.documents[name], first[name])],
                lost=others,
                withheld=hidden,
            )
        )
        questions.append(
            answered(
                world.alice, f"In prose about {name}?", [(world.documents[name], first[name])], prose=PROSE
            )
        )
        client.force_login(world.alice)
        footnote = reverse("assistant:footnote", args=[questions[-2].public_id, 1])
        assert client.get(footnote).status_code == 200
        client.force_login(world.dana)
    seen = [table(client), table(client, document="budget"), table(client, text="About")]
    for question in questions:
        seen.append(page(client, question))
        seen.append(unescape(verify(client, question, HX_Request="true").content.decode()))
        verify(client, question)
    for form in ("csv", "jsonl"):
        seen.append(sent(client.get(reverse("assistant:audit_export"), {"form": form})))
    everything = "\n".join(seen)
    for name, document in world.documents.items():
        assert document.current_version is not None
        sentences = [s for s in re.split(r"(?<=\.)\s+", document.current_version.text) if s]
        for sentence in sentences:
            for part in (sentence, sentence[:25], sentence[-25:]):
                if name in READABLE["dana"]:
                    continue
                assert part not in everything, f"{part!r} of {name} is shown to an auditor without a grant"
    # What may be read is shown, so the page does not pass by showing nothing at all.
    assert first["welcome"] in everything
    welcome = [page(client, q) for q in questions if q.text == "In prose about welcome?"]
    budget = [page(client, q) for q in questions if q.text == "In prose about budget?"]
    assert PROSE in welcome[0]
    assert PROSE not in budget[0]
    assert NOT_SHOWN in budget[0]


def _first_words(text: str) -> str:
    return text.split(". ")[0] + "."


def test_an_auditor_sees_references_and_decisions(question: Question, client: Client) -> None:
    html = page(client, question)
    for words in (
        "What is the travel budget?",
        "Asked by",
        "3 access rules and 2 sources admitted Alice",
        "Budget",
        "cited as 1",
        "lost: below the cut",
        "withheld: its rule does not admit the asker",
        "withheld: the document had been removed",
        "2 withheld",
        "2 of 2 quotes stand character for character",
        f"characters 0–{len(TRAVEL)}",
    ):
        assert words in html, words
    assert TRAVEL not in html
    assert html.count(NOT_SHOWN) == 1
    assert WELCOME in html
    for step in TraceStep.objects.filter(question_id=question.pk):
        assert f'title="{step.digest}"' in html


def test_a_grant_shows_the_words_and_its_end_hides_them_at_once(
    world: World, question: Question, client: Client
) -> None:
    assert TRAVEL not in page(client, question)
    # The source asks for Staff, the document for Budget.
    for name in ("Engineering", "Budget"):
        Membership.objects.create(user=world.dana, group=world.groups[name])
    assert TRAVEL in page(client, question)
    Membership.objects.filter(user=world.dana, group=world.groups["Budget"]).delete()
    assert TRAVEL not in page(client, question)


def test_what_the_auditor_read_is_named_in_the_event(
    world: World, question: Question, client: Client
) -> None:
    page(client, question)
    event = AuditEvent.objects.filter(type="audit.viewed").latest("position")
    assert event.subject == f"question:{question.public_id}"
    assert event.details["footnotes_read"] == [2]
    assert event.details["documents_read"] == [str(world.documents["welcome"].public_id)]


def test_the_record_says_who_opened_which_footnote_afterwards(
    world: World, question: Question, client: Client
) -> None:
    assert "No footnote has been opened since" in page(client, question)
    client.force_login(world.alice)
    client.get(reverse("assistant:footnote", args=[question.public_id, 1]))
    client.get(reverse("ingestion:document", args=[world.documents["budget"].public_id]))
    client.force_login(world.dana)
    html = page(client, question)
    assert "Opened afterwards by Alice" in html
    assert "Alice opened footnote 1" in html
    assert html.count('class="when"') == 2


def test_a_refusal_shows_what_was_looked_for(world: World, client: Client) -> None:
    client.force_login(world.dana)
    html = page(client, answered(world.alice, "Who owns the gardens?", []))
    assert "Told Alice that no answer was found" in html
    assert "“gardens”" in html
    assert "No footnote has been opened" not in html


def test_failed_interrupted_and_running_questions_have_a_record_too(world: World, client: Client) -> None:
    client.force_login(world.dana)
    failed, cut, running = (
        actions.ask(by=By.user(world.alice), user=world.alice, conversation=None, text=f"{name}?")
        for name in ("Failing", "Cut", "Running")
    )
    trace.append(failed, "failed", {"after": "search", "error": "IndexBusy", "sentence": "It is busy."}, 0.0)
    end(failed, Question.State.FAILED, By.system("answering"))
    end(cut, Question.State.INTERRUPTED, By.system("answering"))
    assert "Failed after “search”" in page(client, failed)
    assert "Interrupted" in page(client, cut)
    assert "Still being answered" in page(client, running)
    for question in (failed, cut, running):
        assert "This record is intact" in verify(client, question, HX_Request="true").content.decode()


def test_what_was_deleted_for_good_is_said_to_be(question: Question, client: Client) -> None:
    Chunk.objects.filter(version__document__title="Budget").delete()
    html = page(client, question)
    assert NOT_SHOWN in html
    fragment = verify(client, question, HX_Request="true").content.decode()
    assert "except footnote 1" in fragment


# --- Verifying ----------------------------------------------------------------------------------------------------


def test_an_untouched_record_is_verified_as_intact(question: Question, client: Client) -> None:
    assert "Not verified yet" in page(client, question)
    fragment = verify(client, question, HX_Request="true").content.decode()
    assert "<html" not in fragment
    assert "This record is intact" in fragment
    assert "10 steps and 2 footnotes" in fragment
    event = AuditEvent.objects.get(type="answer.verified")
    assert event.subject == f"question:{question.public_id}"
    assert (event.details["intact"], event.details["steps"], event.details["footnotes"]) == (True, 10, 2)


def test_verifying_works_without_script(question: Question, client: Client) -> None:
    response = verify(client, question)
    assert response["Location"] == reverse("assistant:audit_answer", args=[question.public_id])
    html = page(client, question)
    assert "all agree" in html
    assert "This record is intact" in html


def tamper(statement: str, *values: object) -> None:
    lift(connection, TraceStep._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))  # type: ignore[arg-type]


@pytest.mark.parametrize("htmx", [True, False])
def test_one_changed_byte_of_one_step_is_named(question: Question, client: Client, htmx: bool) -> None:
    step = TraceStep.objects.get(question_id=question.pk, name="search")
    changed = json.dumps(step.record).replace('"policies": 3', '"policies": 4')
    assert changed != json.dumps(step.record)
    tamper("UPDATE assistant_tracestep SET record = %s WHERE id = %s", changed, step.pk)
    if htmx:
        html = verify(client, question, HX_Request="true").content.decode()
    else:
        verify(client, question)
        html = page(client, question)
    assert "This record does not agree with itself" in html
    assert "Step 3 (search) was changed after it was written." in html
    assert not AuditEvent.objects.get(type="answer.verified").details["intact"]


def test_a_step_that_is_no_longer_json_is_shown_and_named(question: Question, client: Client) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("This database refuses what is not JSON.")
    step = TraceStep.objects.get(question_id=question.pk, name="rerank")
    tamper("PRAGMA ignore_check_constraints = ON")
    tamper("UPDATE assistant_tracestep SET record = substr(record, 2) WHERE id = %s", step.pk)
    tamper("PRAGMA ignore_check_constraints = OFF")
    assert "can no longer be read" in page(client, question)
    assert "Step 6 (rerank) was changed" in verify(client, question, HX_Request="true").content.decode()


def test_the_timeline_itself_marks_a_changed_step(question: Question, client: Client) -> None:
    assert "was changed after it was written" not in page(client, question)
    step = TraceStep.objects.get(question_id=question.pk, name="gate")
    tamper(
        'UPDATE assistant_tracestep SET record = \'{"passed": 7, "withheld": [3]}\' WHERE id = %s', step.pk
    )
    assert "Step 4 was changed after it was written" in page(client, question)


def test_a_changed_answer_is_named(question: Question, client: Client) -> None:
    Answer.objects.filter(question=question).update(method="divination")
    html = verify(client, question, HX_Request="true").content.decode()
    assert "not what the last step recorded" in unescape(html)


# --- The table ----------------------------------------------------------------------------------------------------


@pytest.fixture
def many(world: World, question: Question) -> dict[str, Question]:
    """Three questions: alice's from the Intranet with good feedback, bob's refused, charlie's of last month."""
    actions.give_feedback(
        by=By.user(world.alice), user=world.alice, answer=Answer.objects.get(question=question), is_good=True
    )
    refused = answered(world.bob, "Who owns the gardens?", [])
    old = answered(world.charlie, "When does the reception open?", [(world.documents["welcome"], WELCOME)])
    Question.objects.filter(pk=old.pk).update(asked_at=timezone.now() - timedelta(days=30))
    return {"budget": question, "gardens": refused, "reception": old}


def test_everything_that_was_asked_is_listed_newest_first(many: dict[str, Question], client: Client) -> None:
    html = table(client)
    assert asked(html) == [many[name].text for name in ("gardens", "budget", "reception")]
    assert "431 ms" in html
    assert "no answer found" in html


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("text", "GARDENS", ["gardens"]),
        ("person", "bob@example", ["gardens"]),
        ("person", "Alice", ["budget"]),
        ("outcome", "refused", ["gardens"]),
        ("outcome", "failed", []),
        ("feedback", "good", ["budget"]),
        ("feedback", "bad", []),
        ("feedback", "none", ["gardens", "reception"]),
        ("document", "welc", ["budget", "reception"]),
        ("document", "Nothing like it", []),
        ("since", "yesterday", ["gardens", "budget"]),
        ("until", "yesterday", ["reception"]),
        ("since", "not a day", ["gardens", "budget", "reception"]),
        ("outcome", "made up", ["gardens", "budget", "reception"]),
    ],
)
def test_the_table_is_narrowed(
    many: dict[str, Question], client: Client, field: str, value: str, found: list[str]
) -> None:
    if value == "yesterday":
        value = (timezone.localdate() - timedelta(days=1)).isoformat()
    assert asked(table(client, **{field: value})) == [many[name].text for name in found]


def test_the_table_is_narrowed_by_source_and_by_document(
    world: World, many: dict[str, Question], client: Client
) -> None:
    staff = str(world.sources["staff"].public_id)
    assert asked(table(client, source=staff)) == [many["budget"].text]
    document = str(world.documents["welcome"].public_id)
    assert asked(table(client, document=document)) == [many[name].text for name in ("budget", "reception")]


def test_a_long_table_has_pages(world: World, client: Client) -> None:
    client.force_login(world.dana)
    for number in range(27):
        answered(world.alice, f"Question {number}?", [])
    assert len(asked(table(client))) == 25
    assert asked(table(client, page="2")) == ["Question 1?", "Question 0?"]


def test_htmx_gets_the_table_alone(question: Question, client: Client) -> None:
    html = client.get(reverse("assistant:audit"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert 'id="answers"' in html


def test_an_empty_audit_says_so(world: World, client: Client) -> None:
    client.force_login(world.dana)
    html = table(client)
    assert "Nothing has been asked yet" in html
    assert "<figure" not in html
    assert "No question matches" in table(client, text="x")


def test_the_figures_count_what_is_listed(many: dict[str, Question], client: Client) -> None:
    html = table(client)
    assert "33% of what is finished" in html
    assert "by 3 people" in html
    figures = html.split("Most cited documents", 1)[1].split("</figure>", 1)[0]
    assert re.findall(r'title="(\w+) · (\w+)"', figures) == [("Welcome", "Handbook"), ("Budget", "Intranet")]
    assert "No stage has been timed" not in html


def test_looking_is_recorded_once_for_each_thing_looked_for(question: Question, client: Client) -> None:
    table(client)
    table(client)
    table(client, text="budget")
    looks = AuditEvent.objects.filter(type="audit.viewed", subject="audit:answers").order_by("position")
    assert [event.details["filter"] for event in looks] == [{}, {"text": "budget"}]


# --- Taking it away -----------------------------------------------------------------------------------------------


def test_the_narrowed_table_is_exported_as_csv(many: dict[str, Question], client: Client) -> None:
    response = client.get(reverse("assistant:audit_export"), {"form": "csv", "outcome": "answered"})
    rows = list(csv.DictReader(io.StringIO(sent(response))))
    assert [row["text"] for row in rows] == [many["budget"].text, many["reception"].text]
    assert rows[0]["documents"] == "Budget; Welcome"
    assert (rows[0]["feedback"], rows[0]["steps"], rows[0]["footnotes"]) == ("good", "10", "2")
    assert rows[0]["last_digest"] == trace.last_digest(many["budget"])
    event = AuditEvent.objects.get(type="audit.exported")
    assert event.details == {"form": "csv", "filter": {"outcome": "answered"}}


def test_the_narrowed_table_is_exported_as_json_lines(many: dict[str, Question], client: Client) -> None:
    response = client.get(reverse("assistant:audit_export"), {"form": "jsonl", "person": "charlie"})
    (line,) = [json.loads(line) for line in sent(response).splitlines()]
    assert line["question"] == str(many["reception"].public_id)
    assert line["documents"] == ["Welcome"]


def test_another_form_of_export_is_not_found(question: Question, client: Client) -> None:
    assert client.get(reverse("assistant:audit_export"), {"form": "xlsx"}).status_code == 404
    assert not AuditEvent.objects.filter(type="audit.exported").exists()


def test_a_question_that_looks_like_a_formula_is_exported_as_text(world: World, client: Client) -> None:
    client.force_login(world.dana)
    answered(world.alice, "=1+1", [])
    (row,) = csv.DictReader(io.StringIO(sent(client.get(reverse("assistant:audit_export")))))
    assert row["text"] == "'=1+1"


def test_script_in_a_question_is_text(world: World, client: Client) -> None:
    client.force_login(world.dana)
    question = answered(world.alice, "<script>alert(1)</script> budget?", [])
    for address in (reverse("assistant:audit"), reverse("assistant:audit_answer", args=[question.public_id])):
        assert "<script>alert" not in client.get(address).content.decode()


def test_only_the_askers_own_reading_counts_as_opened_by_them(
    world: World, question: Question, client: Client
) -> None:
    record(
        "document.opened", by=By.user(world.bob), subject=f"document:{world.documents['budget'].public_id}"
    )
    assert "No footnote has been opened since" in page(client, question)
