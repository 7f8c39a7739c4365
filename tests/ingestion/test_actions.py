"""What people do to sources and documents: atomic, with exactly one event each, and refused with a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from accounts.audit import By
from accounts.models import AuditEvent
from accounts.viewer import user_principal, viewer_of
from ingestion import actions, outbox, pipeline
from ingestion.access import DARK, Rule
from ingestion.actions import NotPossible
from ingestion.models import Document, Source, SyncItem, SyncRun
from tests.ingestion.installation import (
    ALL,
    BY,
    Installation,
    assert_index_is_clean,
    document_of,
    indexed_chunks,
    installation,
    outcomes,
    shown_text,
)
from tests.world import make_user

__all__ = ["installation"]  # a fixture: pytest finds it by name


def upload(source: Source, name: str, text: str, rule: Rule = ALL) -> SyncItem:
    """Upload a text file."""
    return actions.upload_document(
        by=BY, source=source, name=name, file=SimpleUploadedFile(name, text.encode()), rule=rule
    )


def upload_and_read(source: Source, name: str, text: str, rule: Rule = ALL) -> Document:
    """Upload a text file and carry out the run that reads it."""
    item = upload(source, name, text, rule)
    pipeline.carry_out(item.run_id)
    return document_of(source, name)


def only_event(do: Callable[[], object]) -> AuditEvent:
    """Do something and return the one event that it left."""
    before = AuditEvent.objects.count()
    do()
    assert AuditEvent.objects.count() == before + 1
    last = AuditEvent.objects.order_by("-position").first()
    assert isinstance(last, AuditEvent)
    return last


def test_connecting_a_folder_leaves_one_event_and_reads_nothing(installation: Installation) -> None:
    event = only_event(installation.connect)
    source = Source.objects.get()
    assert (event.type, event.subject) == ("source.connected", f"source:{source.public_id}")
    assert event.details["path"] == str(installation.folder)
    assert event.details["rule"]["clauses"] == [["everyone"]]
    assert not SyncRun.objects.exists()


def test_a_folder_outside_the_allowed_roots_is_refused_without_a_trace(installation: Installation) -> None:
    with pytest.raises(NotPossible, match="FOOTNOTE_SOURCE_ROOTS"):
        actions.connect_source(by=BY, kind="folder", name="Etc", path="/etc", rule=ALL)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("name", "kind", "minutes", "sentence"),
    [
        ("", "upload", None, "name"),
        ("x" * 101, "upload", None, "name"),
        ("Good", "ftp", None, "kind"),
        ("Good", "upload", 5, "schedule"),
        ("shelf", "upload", None, "already"),
        ("Folder again", "folder", None, "already connected"),
        ("Folder", "folder", 0, "minutes"),
    ],
)
def test_a_source_that_cannot_be_is_refused_with_a_sentence(
    installation: Installation, name: str, kind: str, minutes: int | None, sentence: str
) -> None:
    installation.connect("Shelf")
    path = str(installation.folder) if kind == "folder" else ""
    with pytest.raises(NotPossible, match=sentence):
        actions.connect_source(by=BY, kind=kind, name=name, path=path, rule=ALL, sync_minutes=minutes)
    assert Source.objects.count() == 1


def test_a_source_changes_its_name_its_schedule_and_its_authority(installation: Installation) -> None:
    source = installation.connect()
    event = only_event(
        lambda: actions.change_source(by=BY, source=source, name="Rack", sync_minutes=60, authority=1)
    )
    source.refresh_from_db()
    assert (source.name, source.sync_minutes, source.authority) == (
        "Rack",
        60,
        Source.Authority.AUTHORITATIVE,
    )
    assert event.details == {"name": ["Shelf", "Rack"], "sync_minutes": [None, 60], "authority": [0, 1]}


def test_there_is_no_authority_but_the_three(installation: Installation) -> None:
    source = installation.connect()
    with pytest.raises(NotPossible, match="informal"):
        actions.change_source(by=BY, source=source, name="Rack", sync_minutes=None, authority=2)
    with pytest.raises(NotPossible, match="informal"):
        actions.connect_source(by=BY, kind="upload", name="Rack", rule=ALL, authority=-2)


def test_a_changed_source_rule_holds_on_the_next_request_and_touches_no_index(
    installation: Installation,
) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    alice, bob = make_user("alice"), make_user("bob")
    event = only_event(
        lambda: actions.change_source_access(
            by=By.user(alice), source=source, rule=Rule.of({user_principal(alice.pk)}), reason="Moved to HR"
        )
    )
    assert (event.actor, event.reason) == (f"user:{alice.pk}", "Moved to HR")
    assert Document.objects.visible_to(viewer_of(alice)).count() == 1
    assert Document.objects.visible_to(viewer_of(bob)).count() == 0
    assert not Document.objects.filter(needs_index_update=True).exists()
    assert_index_is_clean()
    actions.change_source_access(by=BY, source=source, rule=DARK)
    assert Document.objects.visible_to(viewer_of(alice)).count() == 0


def test_a_paused_source_is_not_synced_until_it_is_resumed(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    event = only_event(lambda: actions.pause_source(by=BY, source=source))
    assert (event.type, event.details) == ("source.paused", {"runs_paused": 1})
    assert pipeline.carry_out(run.pk).state == SyncRun.State.PAUSED
    with pytest.raises(NotPossible, match="already paused"):
        actions.pause_source(by=BY, source=source)
    with pytest.raises(NotPossible, match="Resume"):
        actions.resume_sync(by=BY, run=run)
    with pytest.raises(NotPossible, match="Resume"):
        actions.request_sync(by=BY, source=source)
    assert only_event(lambda: actions.resume_source(by=BY, source=source)).type == "source.resumed"
    assert pipeline.carry_out(run.pk).state == SyncRun.State.FINISHED


def test_a_removed_source_is_gone_at_once_with_its_points_and_its_name_is_free(
    installation: Installation,
) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    run = actions.request_sync(by=BY, source=source)
    event = only_event(lambda: actions.remove_source(by=BY, source=source, reason="No longer used"))
    assert (event.type, event.subject_label, event.details) == ("source.removed", "Shelf", {"documents": 1})
    assert not Document.objects.visible_to(viewer_of(make_user("alice"))).exists()
    run.refresh_from_db()
    assert run.state == SyncRun.State.CANCELLED
    outbox.deliver()
    assert indexed_chunks() == set()
    with pytest.raises(NotPossible, match="removed"):
        actions.request_sync(by=BY, source=source)
    installation.connect("Shelf")
    assert_index_is_clean()


def test_a_source_has_one_open_run(installation: Installation) -> None:
    source = installation.connect()
    event = only_event(lambda: actions.request_sync(by=BY, source=source))
    assert event.type == "sync.requested"
    with pytest.raises(NotPossible, match="already"):
        actions.request_sync(by=BY, source=source)
    assert SyncRun.objects.count() == 1


def test_who_asked_for_a_sync_is_kept(installation: Installation) -> None:
    adam = make_user("adam", is_admin=True)
    run = actions.request_sync(by=By.user(adam), source=installation.connect())
    assert run.requested_by == adam
    assert AuditEvent.objects.filter(actor=f"user:{adam.pk}", type="sync.requested").count() == 1


def test_states_that_do_not_fit_are_refused_with_a_sentence(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    run = actions.request_sync(by=BY, source=source)
    with pytest.raises(NotPossible, match="not paused"):
        actions.resume_sync(by=BY, run=run)
    actions.pause_sync(by=BY, run=run)
    with pytest.raises(NotPossible, match="cannot be paused"):
        actions.pause_sync(by=BY, run=run)
    event = only_event(lambda: actions.cancel_sync(by=BY, run=run))
    assert event.type == "sync.cancelled"
    for action in (actions.cancel_sync, actions.pause_sync, actions.resume_sync):
        with pytest.raises(NotPossible):
            action(by=BY, run=run)


def test_a_failed_document_is_read_again_under_the_rule_as_it_is_now(installation: Installation) -> None:
    installation.write("good.md", "Good words.")
    (installation.folder / "bad.pdf").write_bytes(b"%PDF-1.7\nnot really")
    source = installation.connect()
    first = installation.sync(source)
    (installation.folder / "bad.pdf").unlink()
    installation.write("bad.pdf", "No longer a PDF at all but a few plain words.")
    installation.write("new.md", "Not asked for.")
    (installation.folder / "access.yaml").write_text("allow: [everyone]\ndeny: ['user:bob@example.org']\n")
    bob = make_user("bob")
    event = only_event(lambda: actions.retry_item(by=BY, item=first.items.get(external_id="bad.pdf")))
    assert event.type == "sync.item_retried"
    again = SyncRun.objects.latest("pk")
    assert (again.is_partial, again.pk == first.pk) == (True, False)
    again = pipeline.carry_out(again.pk)
    assert set(outcomes(again)) == {"bad.pdf"}
    # Only what was asked for is looked at: nothing else is taken as new, changed or removed.
    assert not Document.objects.filter(external_id="new.md").exists()
    assert document_of(source, "good.md").removed_at is None
    if outcomes(again)["bad.pdf"] == "done":
        assert not Document.objects.visible_to(viewer_of(bob)).filter(external_id="bad.pdf").exists()
    else:
        assert again.items.get().reason


def test_retrying_what_has_vanished_says_so(installation: Installation) -> None:
    path = installation.folder / "bad.pdf"
    path.write_bytes(b"%PDF-1.7\nnot really")
    source = installation.connect()
    first = installation.sync(source)
    path.unlink()
    again = pipeline.carry_out(actions.retry_failed(by=BY, run=first).pk)
    assert outcomes(again) == {"bad.pdf": "skipped"}
    assert again.items.get().code == "vanished"


def test_only_what_failed_can_be_tried_again(installation: Installation) -> None:
    installation.write("good.md", "Good words.")
    run = installation.sync(installation.connect())
    with pytest.raises(NotPossible, match="failed"):
        actions.retry_failed(by=BY, run=run)
    with pytest.raises(NotPossible, match="failed or was skipped"):
        actions.retry_item(by=BY, item=run.items.get())


def test_an_upload_is_read_under_its_rule(installation: Installation) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    drawer = installation.drawer()
    item: list[SyncItem] = []
    event = only_event(
        lambda: item.append(upload(drawer, "note.md", "My words.", Rule.of({user_principal(alice.pk)})))
    )
    assert (event.type, event.details["name"]) == ("document.uploaded", "note.md")
    run = pipeline.carry_out(item[0].run_id)
    assert outcomes(run) == {"note.md": "done"}
    assert Document.objects.visible_to(viewer_of(alice)).count() == 1
    assert Document.objects.visible_to(viewer_of(bob)).count() == 0
    assert_index_is_clean()


def test_an_upload_of_the_same_name_is_a_new_version_under_the_new_rule(installation: Installation) -> None:
    bob = make_user("bob")
    drawer = installation.drawer()
    upload_and_read(drawer, "note.md", "First words.")
    document = upload_and_read(drawer, "note.md", "Second words.", Rule.of({user_principal(bob.pk)}))
    assert document.versions.count() == 2
    assert "Second" in shown_text(document)
    assert not Document.objects.visible_to(viewer_of(make_user("alice"))).exists()
    assert_index_is_clean()


def test_of_two_uploads_of_one_name_before_either_is_read_the_later_counts(
    installation: Installation,
) -> None:
    drawer = installation.drawer()
    first = upload(drawer, "note.md", "First words.")
    second = upload(drawer, "note.md", "Second words.")
    assert first.pk == second.pk
    pipeline.carry_out(second.run_id)
    assert "Second" in shown_text(document_of(drawer, "note.md"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"), [("", b"x", "name"), ("a.md", b"", "empty"), ("../..", b"x", "name")]
)
def test_an_upload_that_cannot_be_is_refused(
    installation: Installation, name: str, content: bytes, sentence: str
) -> None:
    drawer = installation.drawer()
    file = SimpleUploadedFile("x", content)
    with pytest.raises(NotPossible, match=sentence):
        actions.upload_document(by=BY, source=drawer, name=name, file=file, rule=ALL)
    assert not SyncRun.objects.exists()


def test_an_upload_that_is_too_large_is_refused_and_leaves_nothing(
    installation: Installation, settings: Settings
) -> None:
    settings.MAX_FILE_BYTES = 10
    with pytest.raises(NotPossible):
        upload(installation.drawer(), "note.md", "More than ten bytes.")
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_nothing_is_uploaded_into_a_folder(installation: Installation) -> None:
    with pytest.raises(NotPossible, match="folder"):
        upload(installation.connect(), "note.md", "Words.")


def test_a_removed_upload_is_gone_at_once_and_an_upload_of_it_that_waits_does_not_bring_it_back(
    installation: Installation,
) -> None:
    drawer = installation.drawer()
    document = upload_and_read(drawer, "note.md", "First words.")
    waiting = upload(drawer, "note.md", "Second words.")
    event = only_event(lambda: actions.remove_document(by=BY, document=document, reason="Outdated"))
    assert (event.type, event.reason) == ("document.removed", "Outdated")
    assert not Document.objects.visible_to(viewer_of(make_user("alice"))).exists()
    run = pipeline.carry_out(waiting.run_id)
    assert outcomes(run) == {"note.md": "skipped"}
    outbox.deliver()
    assert indexed_chunks() == set()
    with pytest.raises(NotPossible, match="removed"):
        actions.remove_document(by=BY, document=document)
    # Uploaded anew after that, it is back.
    assert "Third" in shown_text(upload_and_read(drawer, "note.md", "Third words."))


def test_a_failed_upload_is_not_retried_over_what_people_decided_since(installation: Installation) -> None:
    drawer = installation.drawer()
    bad = upload(drawer, "note.pdf", "%PDF-1.7 not really")
    run = pipeline.carry_out(bad.run_id)
    assert outcomes(run)["note.pdf"] == "failed"
    upload(drawer, "note.pdf", "%PDF-1.7 not really either")
    with pytest.raises(NotPossible, match="uploaded anew"):
        actions.retry_item(by=BY, item=run.items.get())


def test_a_document_of_a_folder_is_removed_and_ruled_in_its_folder(installation: Installation) -> None:
    installation.write("a.md", "Words.")
    source = installation.connect()
    installation.sync(source)
    document = document_of(source, "a.md")
    with pytest.raises(NotPossible, match="Remove the file there"):
        actions.remove_document(by=BY, document=document)
    with pytest.raises(NotPossible, match=r"access\.yaml"):
        actions.change_document_access(by=BY, document=document, rule=ALL)


def test_the_rule_of_an_upload_changes_at_once_and_in_the_index_with_the_next_delivery(
    installation: Installation,
) -> None:
    alice = make_user("alice")
    document = upload_and_read(installation.drawer(), "note.md", "My words.")
    event = only_event(
        lambda: actions.change_document_access(
            by=BY, document=document, rule=Rule.of({user_principal(alice.pk)})
        )
    )
    assert event.type == "document.access_changed"
    assert not Document.objects.visible_to(viewer_of(make_user("bob"))).exists()
    assert Document.objects.filter(needs_index_update=True).count() == 1
    outbox.deliver()
    assert not Document.objects.filter(needs_index_update=True).exists()
    assert_index_is_clean()
