"""Into the index: embedded in a thread, written by the caller, shown together, and nothing half done where it fails."""

import pytest
from django.db import OperationalError
from pytest_django import Settings

from accounts.viewer import EVERYONE
from ingestion import indexing, outbox
from ingestion.access import Rule, intern_policy
from ingestion.bulk import update_rows
from ingestion.index import get_index
from ingestion.models import Chunk, Document, DocumentVersion
from ingestion.showing import Upserted, show
from ingestion.weights import EmbeddingUnavailable
from tests.ingestion.installation import (
    Installation,
    assert_index_is_clean,
    installation,
    outcomes,
)

__all__ = ["installation"]  # a fixture: pytest finds it by name

State = DocumentVersion.State


def read_only(installation: Installation, count: int) -> None:
    """Leave so many documents as they are when they have been read and not yet indexed."""
    for number in range(count):
        installation.write(f"{number}.md", f"# Title {number}\n\nText number {number}.")
    installation.sync(installation.connect())
    get_index().delete_chunks(list(Chunk.objects.values_list("pk", flat=True)))
    Document.objects.update(current_version=None)
    DocumentVersion.objects.update(state=State.PENDING)
    Chunk.objects.update(embedding=None, sentence_embeddings=None)


def states() -> dict[str, str]:
    return dict(DocumentVersion.objects.values_list("document__external_id", "state"))


def test_a_model_that_fails_leaves_what_it_did_not_embed_waiting(
    installation: Installation, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "SLICE_CHUNKS", 1)
    settings.EMBEDDING_MODEL = "tests.fakes:FailingEmbedder"
    installation.write("a.md", "A page.")
    installation.write("b.md", "A page about a breakdown.")
    installation.write("c.md", "Another page.")
    run = installation.sync(installation.connect())
    assert run.state == "failed"
    assert run.error == "The model broke down."
    assert states()["b.md"] == State.PENDING
    assert_index_is_clean()
    with pytest.raises(EmbeddingUnavailable):
        outbox.deliver()
    settings.EMBEDDING_MODEL = "tests.fakes:HashingEmbedder"
    outbox.deliver()
    assert set(states().values()) == {State.INDEXED}
    assert_index_is_clean()


def test_reading_goes_on_while_slices_wait_for_the_model(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "SLICE_CHUNKS", 2)
    for number in range(12):
        installation.write(f"{number:02}.md", f"# Page {number}\n\nWords of page {number}.")
    run = installation.sync(installation.connect())
    assert set(outcomes(run).values()) == {"done"}
    assert set(states().values()) == {State.INDEXED}
    assert Document.objects.filter(current_version__isnull=False).count() == 12
    assert_index_is_clean()


def test_of_versions_shown_together_the_removed_ones_leave_the_index_again(
    installation: Installation,
) -> None:
    read_only(installation, 3)
    waiting = list(DocumentVersion.objects.order_by("pk").values_list("pk", flat=True))
    gone = DocumentVersion.objects.get(pk=waiting[1])
    under_way = indexing.index_versions(waiting)
    outbox.tombstone(Document.objects.filter(pk=gone.document_id))
    assert [pk for finished in under_way for pk in finished] == waiting
    gone.refresh_from_db()
    assert gone.state == State.RETIRING
    others = DocumentVersion.objects.exclude(pk=gone.pk)
    assert {version.state for version in others} == {State.INDEXED}
    outbox.deliver()
    assert_index_is_clean()


def test_of_two_versions_of_a_document_in_one_slice_the_later_is_shown(installation: Installation) -> None:
    read_only(installation, 1)
    first = DocumentVersion.objects.get()
    chunk = Chunk.objects.filter(version=first).first()
    assert chunk is not None
    same = {
        name: getattr(first, name)
        for name in ("document", "content_digest", "text_digest", "text", "media_type", "size", "parser")
    }
    second = DocumentVersion.objects.create(number=2, title="Later", **same)
    Chunk.objects.create(
        version=second, ordinal=0, start=chunk.start, end=chunk.end, text=chunk.text, digest=chunk.digest
    )
    list(indexing.index_versions([first.pk, second.pk]))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.RETIRING, State.INDEXED)
    document = Document.objects.get()
    assert (document.current_version_id, document.title, document.title_key) == (second.pk, "Later", "later")
    outbox.deliver()
    assert_index_is_clean()


def test_a_rule_that_changes_between_embedding_and_writing_reaches_the_index(
    installation: Installation,
) -> None:
    read_only(installation, 2)
    narrow = intern_policy(Rule.of({"user:1"}))
    assert narrow != intern_policy(Rule.of({EVERYONE}))
    with indexing.Indexing() as under_way:
        list(under_way.add(list(DocumentVersion.objects.order_by("pk").values_list("pk", flat=True))))
        under_way.embed_part()  # the rows are read; from here on the rule changes
        Document.objects.filter(external_id="0.md").update(policy=narrow)
        list(under_way.finish())
    assert Document.objects.get(external_id="0.md").needs_index_update
    assert not Document.objects.get(external_id="1.md").needs_index_update
    outbox.deliver()
    assert_index_is_clean()


def test_versions_that_cannot_be_shown_together_are_shown_one_by_one(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only(installation, 3)
    together = show

    def one_at_a_time(version_ids: list[int], upserted: Upserted) -> None:
        if len(version_ids) > 1:
            raise OperationalError("deadlock detected")
        together(version_ids, upserted)

    monkeypatch.setattr(indexing, "show", one_at_a_time)
    outbox.deliver()
    assert set(states().values()) == {State.INDEXED}
    assert_index_is_clean()


def test_rows_are_written_together_and_those_that_are_gone_left_out(installation: Installation) -> None:
    read_only(installation, 2)
    first, second = Document.objects.order_by("pk")
    update_rows(
        Document, ["title", "policy_note"], [(first.pk, ["One", "a"]), (second.pk, ["Two", "b"]), (999, ["", ""])]
    )  # fmt: skip
    assert list(Document.objects.order_by("pk").values_list("title", "policy_note")) == [
        ("One", "a"),
        ("Two", "b"),
    ]
    update_rows(Document, ["title"], [])
    with pytest.raises(ValueError, match="no columns"):
        update_rows(Document, ["versions"], [(first.pk, ["x"])])
