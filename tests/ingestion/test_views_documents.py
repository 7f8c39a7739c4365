"""An admin's page of a document: rules, readers and reasons, and not a word of the text."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.viewer import EVERYONE
from ingestion.access import Rule, rule_of
from ingestion.models import Document, Source
from tests.factories import make_version
from tests.world import READABLE, World

PAGES = ["document_admin", "explain", "document_access", "document_remove"]


def address(name: str, document: Document, query: str = "") -> str:
    return reverse(f"ingestion:{name}", args=[document.public_id]) + query


@pytest.mark.parametrize("name", PAGES)
def test_only_admins_open_the_pages_that_administer_a_document(
    world: World, client: Client, name: str
) -> None:
    document = world.documents["welcome"]
    assert client.get(address(name, document)).status_code == 302
    for person in world.people:
        client.force_login(person)
        expected = 200 if person == world.adam else 404
        assert client.get(address(name, document)).status_code == expected
    client.force_login(world.alice)
    assert client.post(address(name, document)).status_code in {404, 405}


def test_an_admin_sees_names_and_rules_of_every_document_and_the_text_of_none(
    world: World, client: Client
) -> None:
    client.force_login(world.adam)
    for name, document in world.documents.items():
        make_version(document, f"Second text of {name}, kept from the eyes of others.", number=2)
        for page in ("document_admin", "explain", "document_access", "document_remove"):
            html = client.get(address(page, document, "?person=alice@example.org")).content.decode()
            assert document.title in html
            for version in document.versions.all():
                assert version.text[:30] not in html, f"{page} of {name} holds its text"


def test_the_way_to_read_is_offered_only_where_the_admin_may_read(world: World, client: Client) -> None:
    client.force_login(world.adam)
    for name, document in world.documents.items():
        html = client.get(address("document_admin", document)).content.decode()
        read = reverse("ingestion:document", args=[document.public_id])
        offered = f'href="{read}"' in html
        assert offered == (name in READABLE["adam"])


def test_the_people_who_can_read_are_named(world: World, client: Client) -> None:
    client.force_login(world.adam)
    for name, document in world.documents.items():
        readers = client.get(address("document_admin", document)).context["readers"]
        assert {p.name.lower() for p in readers} == {who for who in READABLE if name in READABLE[who]}


def test_why_is_explained_for_anybody_and_recorded(world: World, client: Client) -> None:
    client.force_login(world.adam)
    document = world.documents["payroll"]
    html = client.get(address("explain", document, "?person=alice@example.org")).content.decode()
    assert "Alice can read this document." in html
    assert "<span>Alice</span><span>Finance Leads</span><span>Finance</span>" in html
    html = client.get(address("explain", document, "?person=Charlie")).content.decode()
    assert "Charlie cannot read this document." in html
    recorded = AuditEvent.objects.filter(type="document.access_explained").order_by("position")
    assert [event.details for event in recorded] == [
        {"person": f"user:{world.alice.pk}", "allowed": True},
        {"person": f"user:{world.charlie.pk}", "allowed": False},
    ]
    assert {event.subject for event in recorded} == {f"document:{document.public_id}"}


def test_several_matches_ask_which_and_none_says_so_and_neither_is_recorded(
    world: World, client: Client
) -> None:
    client.force_login(world.adam)
    html = client.get(address("explain", world.documents["menu"], "?person=example.org")).content.decode()
    assert "Whom do you mean?" in html
    html = client.get(address("explain", world.documents["menu"], "?person=<b>eve</b>")).content.decode()
    assert "Nobody here is called “&lt;b&gt;eve&lt;/b&gt;”" in html
    assert not AuditEvent.objects.filter(type="document.access_explained").exists()


def test_a_fragment_is_the_answer_alone(world: World, client: Client) -> None:
    client.force_login(world.adam)
    response = client.get(
        address("explain", world.documents["menu"], "?person=bob@example.org"),
        headers={"HX-Request": "true", "HX-Target": "explanation"},
    )
    html = response.content.decode()
    assert "Bob can read this document." in html
    assert "<html" not in html


def test_a_dark_document_says_where_its_rule_is_wrong(world: World, client: Client) -> None:
    note = "finance/access.yaml, line 3: there is no group called “Finanse”."
    Document.objects.filter(pk=world.documents["dark"].pk).update(policy_note=note)
    client.force_login(world.adam)
    html = client.get(address("document_admin", world.documents["dark"])).content.decode()
    assert note in html
    assert "Nobody." in html


def test_an_uploaded_document_gets_another_rule(world: World, client: Client) -> None:
    document = world.documents["nobody"]
    client.force_login(world.adam)
    data = {"who": "everyone", "people": "", "keep_out": "", "reason": "opened"}
    assert client.post(address("document_access", document), {**data, "who": ""}).status_code == 422
    assert client.post(address("document_access", document), data).status_code == 302
    document.refresh_from_db()
    assert rule_of(document.policy) == Rule.of({EVERYONE})


def test_a_document_of_a_folder_keeps_the_rule_of_its_folder(world: World, client: Client) -> None:
    Source.objects.update(kind=Source.Kind.FOLDER)
    document = world.documents["nobody"]
    client.force_login(world.adam)
    data = {"who": "everyone", "people": "", "keep_out": "", "reason": ""}
    response = client.post(address("document_access", document), data)
    assert response.status_code == 422
    assert "access.yaml" in response.content.decode()
    assert client.post(address("document_remove", document), {"reason": ""}).status_code == 422
    document.refresh_from_db()
    assert document.removed_at is None
    assert not rule_of(document.policy).clauses


def test_a_removed_document_is_gone(world: World, client: Client) -> None:
    document = world.documents["welcome"]
    client.force_login(world.adam)
    assert "Remove Welcome?" in client.get(address("document_remove", document)).content.decode()
    response = client.post(address("document_remove", document), {"reason": "out of date"})
    assert response["Location"] == reverse("ingestion:source", args=[document.source.public_id])
    for name in PAGES:
        assert client.get(address(name, document)).status_code == 404
    assert not Document.objects.visible_to(world.viewer("alice")).filter(pk=document.pk).exists()
