"""The pages on which people read: exactly the readable is there, and what is there is safe to open."""

import uuid
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEvent, Membership
from ingestion import storage
from ingestion.access import Rule, intern_policy
from ingestion.models import Document, DocumentVersion
from ingestion.views import page_cache
from ingestion.views.reading import page_image_url
from tests.factories import make_document, make_version
from tests.world import READABLE, World

PAGE_TEXT = "The cap for hotels is 120 euros."


def make_pdf(*lines: str) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    target = BytesIO()
    canvas = Canvas(target, pagesize=(300, 200))
    for line in lines:
        canvas.drawString(20, 150, line)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def give_pdf(document: Document) -> DocumentVersion:
    """Make a document's current version a PDF of one page with the same words, its file in the storage."""
    version = document.versions.get(number=1)
    kept = storage.keep([make_pdf(PAGE_TEXT)])
    DocumentVersion.objects.filter(pk=version.pk).update(
        media_type="application/pdf", page_count=1, file=kept.name, content_digest=kept.digest, text=PAGE_TEXT,
        sections=[[0, len(PAGE_TEXT), 1, []]],
    )  # fmt: skip
    version.refresh_from_db()
    return version


def page(document: Document, query: str = "") -> str:
    return reverse("ingestion:document", args=[document.public_id]) + query


def original(document: Document) -> str:
    return reverse("ingestion:original", args=[document.public_id])


def events(type: str) -> int:
    return AuditEvent.objects.filter(type=type).count()


@pytest.mark.slow
def test_every_document_address_gives_each_person_exactly_what_they_may_read(
    world: World, client: Client
) -> None:
    for document in world.documents.values():
        give_pdf(document)
    for person in world.people:
        client.force_login(person)
        for name, document in world.documents.items():
            expected = 200 if name in READABLE[person.name.lower()] else 404
            for address in (
                page(document), page(document, "?version=1&view=text&quote=0-7"), original(document),
                original(document) + "?version=1", page_image_url(document.public_id, 1, 1, ((4, 7),)),
            ):  # fmt: skip
                status = client.get(address).status_code
                assert status == expected, f"{person.name} got {status} for {name} at {address}"
            assert client.head(page(document)).status_code == expected


def test_what_is_refused_leaves_no_trace_of_being_there(world: World, client: Client) -> None:
    client.force_login(world.charlie)
    there = client.get(page(world.documents["budget"]))
    nowhere = client.get(reverse("ingestion:document", args=[uuid.uuid4()]))
    assert there.content == nowhere.content
    assert "budget" not in there.content.decode().lower()
    assert events("document.opened") == 0


def test_the_anonymous_are_sent_to_sign_in_and_back(world: World, client: Client) -> None:
    address = page(world.documents["welcome"], "?quote=0-7")
    response = client.get(address)
    assert response.status_code == 302
    path, _, query = response["Location"].partition("?")
    assert (path, parse_qs(query)) == ("/sign-in/", {"next": [address]})


def test_documents_are_only_read(world: World, client: Client) -> None:
    client.force_login(world.alice)
    for address in (
        page(world.documents["menu"]), original(world.documents["menu"]),
        page_image_url(world.documents["menu"].public_id, 1, 1),
    ):  # fmt: skip
        assert client.post(address).status_code == 405


def test_a_document_shows_its_words_and_why_they_may_be_read(world: World, client: Client) -> None:
    client.force_login(world.bob)
    html = client.get(page(world.documents["budget"])).content.decode()
    assert "The budget for travel is 40,000 euros this year." in html
    assert "Shared with Budget, of which you are a member." in html
    assert events("document.opened") == 1


def test_quoted_words_are_lit_at_an_anchor(world: World, client: Client) -> None:
    client.force_login(world.alice)
    html = client.get(page(world.documents["budget"], "?quote=4-10")).content.decode()
    assert '<mark id="quote">budget</mark>' in html
    assert AuditEvent.objects.get(type="document.opened").details == {"version": 1, "quote": "4-10"}


@pytest.mark.parametrize("quote", ["9-4", "0-99999", "<b>", "4-10,", "0-1," * 30 + "0-1"])
def test_a_quote_that_is_not_there_is_said_and_nothing_is_lit(
    world: World, client: Client, quote: str
) -> None:
    client.force_login(world.alice)
    html = client.get(page(world.documents["budget"]), {"quote": quote}).content.decode()
    assert "<mark" not in html
    assert "do not lie in this version" in html
    assert '<b>"' not in html


def test_markup_in_a_document_is_shown_and_never_run(world: World, client: Client) -> None:
    text = "<script>alert(1)</script><img src=x onerror=alert(2)> is how it is done."
    document = make_document(
        world.sources["open"], "notes", text, Rule.of({"everyone"}), title="<i>Notes</i>"
    )
    client.force_login(world.charlie)
    html = client.get(page(document)).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html
    assert "<i>Notes" not in html


def test_an_older_version_is_shown_with_a_notice_while_the_document_is_readable(
    world: World, client: Client
) -> None:
    document = world.documents["budget"]
    make_version(document, "The budget for travel is now 50,000 euros.", number=2)
    client.force_login(world.bob)
    html = client.get(page(document, "?version=1&quote=4-10")).content.decode()
    assert "40,000 euros" in html
    assert "This is version 1" in html
    assert '<mark id="quote">budget</mark>' in html
    assert "50,000 euros" in client.get(page(document)).content.decode()


def test_an_older_version_goes_with_the_right_to_read_the_document(world: World, client: Client) -> None:
    document = world.documents["budget"]
    make_version(document, "The budget is secret now.", number=2)
    client.force_login(world.bob)
    assert client.get(page(document, "?version=1")).status_code == 200
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    assert client.get(page(document, "?version=1")).status_code == 404


@pytest.mark.parametrize("version", ["0", "2", "-1", "1e3", "²", "9" * 40, "x"])
def test_a_version_that_is_not_there_is_not_found(world: World, client: Client, version: str) -> None:
    client.force_login(world.alice)
    assert client.get(page(world.documents["budget"]), {"version": version}).status_code == 404


def test_a_superseded_document_says_so(world: World, client: Client) -> None:
    Document.objects.filter(pk=world.documents["menu"].pk).update(is_superseded=True)
    client.force_login(world.alice)
    assert "Another document replaces this one." in client.get(page(world.documents["menu"])).content.decode()


def test_a_removed_document_is_gone_with_its_picture_and_its_file(world: World, client: Client) -> None:
    document = world.documents["welcome"]
    give_pdf(document)
    Document.objects.filter(pk=document.pk).update(removed_at=document.created_at)
    client.force_login(world.alice)
    for address in (page(document), original(document), page_image_url(document.public_id, 1, 1)):
        assert client.get(address).status_code == 404


def test_a_long_document_is_read_in_parts_and_a_quote_opens_its_part(world: World, client: Client) -> None:
    lines = [f"Paragraph {number} is here to be read and to make this long.\n" for number in range(4000)]
    text = "\n".join(lines)
    document = make_document(world.sources["open"], "long", "x", Rule.of({"everyone"}))
    DocumentVersion.objects.filter(document=document).update(text=text, sections=[[0, len(text), None, []]])
    client.force_login(world.alice)
    html = client.get(page(document)).content.decode()
    assert "Part 1 of" in html
    assert "Paragraph 3999 " not in html
    start = text.index("Paragraph 3999")
    lit = client.get(page(document, f"?quote={start}-{start + 14}")).content.decode()
    assert '<mark id="quote">Paragraph 3999</mark>' in lit


def test_an_original_is_a_download_whatever_it_holds(world: World, client: Client) -> None:
    document = world.documents["menu"]
    kept = storage.keep([b"<script>alert(1)</script>"])
    DocumentVersion.objects.filter(document=document).update(file=kept.name, media_type="text/html")
    Document.objects.filter(pk=document.pk).update(external_id='intranet/sou"p\r\n.html')
    client.force_login(world.alice)
    response = client.get(original(document))
    assert response.status_code == 200
    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"  # type: ignore[attr-defined]
    assert response["Content-Disposition"].startswith("attachment;")
    assert "\n" not in response["Content-Disposition"]
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "no-store" in response["Cache-Control"]
    assert events("document.original_downloaded") == 1


def test_a_document_without_a_kept_file_has_no_original(world: World, client: Client) -> None:
    client.force_login(world.alice)
    assert client.get(original(world.documents["menu"])).status_code == 404
    assert "Open original" not in client.get(page(world.documents["menu"])).content.decode()


@pytest.mark.slow
def test_a_page_is_a_picture_that_the_browser_must_ask_for_each_time(world: World, client: Client) -> None:
    document = world.documents["budget"]
    give_pdf(document)
    client.force_login(world.bob)
    address = page_image_url(document.public_id, 1, 1, ((4, 7),))
    response = client.get(address)
    assert response.content.startswith(b"\x89PNG")
    assert response["Content-Type"] == "image/png"
    assert {"private", "no-cache"} <= set(response["Cache-Control"].replace(" ", "").split(","))
    assert response.content != client.get(page_image_url(document.public_id, 1, 1)).content
    again = client.get(address, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    assert client.get(address, headers={"If-None-Match": response["ETag"]}).status_code == 404
    assert events("document.page_viewed") == 2


@pytest.mark.slow
def test_a_pdf_opens_as_pictures_with_the_text_one_step_away(world: World, client: Client) -> None:
    document = world.documents["budget"]
    give_pdf(document)
    client.force_login(world.bob)
    html = client.get(page(document, "?quote=4-7")).content.decode()
    assert page_image_url(document.public_id, 1, 1, ((4, 7),)) in html
    assert PAGE_TEXT not in html
    assert (
        '<mark id="quote">cap</mark>' in client.get(page(document, "?quote=4-7&view=text")).content.decode()
    )


@pytest.mark.slow
def test_what_a_picture_is_asked_for_is_bounded(world: World, client: Client) -> None:
    document = world.documents["welcome"]
    give_pdf(document)
    client.force_login(world.alice)
    plain = client.get(page_image_url(document.public_id, 1, 1))
    for query in ("?lit=9-4", "?lit=0-999999", "?lit=x", "?scale=nan", "?scale=x", "?scale=0"):
        assert client.get(page_image_url(document.public_id, 1, 1) + query).content == plain.content, query
    largest = client.get(page_image_url(document.public_id, 1, 1) + "?scale=2")
    assert client.get(page_image_url(document.public_id, 1, 1) + "?scale=1e9").content == largest.content
    for address in (
        page_image_url(document.public_id, 1, 2), page_image_url(document.public_id, 1, 0),
        page_image_url(document.public_id, 2, 1),
    ):  # fmt: skip
        assert client.get(address).status_code == 404


def test_a_document_that_is_no_pdf_has_no_pictures(world: World, client: Client) -> None:
    client.force_login(world.alice)
    assert client.get(page_image_url(world.documents["menu"].public_id, 1, 1)).status_code == 404


def test_a_picture_is_drawn_once_and_the_oldest_go_when_there_are_too_many(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    drawn = []

    def draw() -> bytes:
        drawn.append(1)
        return b"x" * 100

    keys = [page_cache.key_of("page", number) for number in range(5)]
    for key in keys:
        assert page_cache.kept(key, draw) == page_cache.kept(key, draw) == b"x" * 100
    assert len(drawn) == 5
    assert page_cache.sweep(limit=300) == 3
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.png")) == 200


def test_a_full_disk_makes_pictures_slower_and_never_wrong(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file stands where the folder should be")
    settings.DATA_DIR = tmp_path
    assert page_cache.kept(page_cache.key_of("page"), lambda: b"drawn") == b"drawn"


def test_a_page_image_address_is_the_one_that_is_promised(world: World) -> None:
    document = world.documents["menu"]
    assert page_image_url(document.public_id, 1, 3, ((1, 2), (5, 9))) == (
        f"/documents/{document.public_id}/versions/1/pages/3.png?lit=1-2,5-9"
    )


def test_a_rule_that_changes_closes_every_address_on_the_next_request(world: World, client: Client) -> None:
    document = world.documents["welcome"]
    client.force_login(world.charlie)
    assert client.get(page(document)).status_code == 200
    document.policy = intern_policy(Rule.of({"everyone"}, deny={f"user:{world.charlie.pk}"}))
    document.save(update_fields=["policy"])
    assert client.get(page(document)).status_code == 404
