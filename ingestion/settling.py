"""Writing down what became of one file: its document, its version with the chunks, and the outcome of its item."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from accounts.canonical import digest_of_bytes
from ingestion.access import DARK, intern_policy
from ingestion.index import model_name
from ingestion.links import linked_names
from ingestion.listing import set_policy
from ingestion.models import Chunk, Document, DocumentVersion, Source, SyncItem
from ingestion.reading import Job, Read
from ingestion.titles import short_title_key, title_key
from ingestion.words import packed_codes

Outcome = SyncItem.Outcome
State = DocumentVersion.State

# As it should be, and nothing to be tried again; every other code is a failure.
_SKIPS = {"unsupported", "empty", "too_large", "vanished"}

_LIVE = (State.PENDING, State.INDEXED)


@dataclass(frozen=True)
class Settled:
    """An item after it was read; its `version` when that still has to be indexed."""

    item: SyncItem
    version: int | None = None


def job_of(item: SyncItem, source: Source) -> Job:
    """Return what there is to read for an item."""
    newest = _newest(source, item.external_id)
    return Job(
        external_id=item.external_id,
        root=None if source.kind == Source.Kind.UPLOAD else Path(source.path),
        kept=item.file,
        modified=item.modified_at,
        known_digest="" if newest is None else newest.content_digest,
    )


def settle(item: SyncItem, source: Source, read: Read) -> Settled:
    """Write down a file that was read, in one transaction: nothing of it is visible before it is indexed."""
    with transaction.atomic():
        found = _still_waiting(item)
        if found is None:
            return Settled(item)
        item = found
        document = _document(item, source)
        if document is not None:
            _put_under_rule(document, item)
        if read.parsed is None:
            return _settle_unchanged(item, document)
        is_new = document is None
        if document is None:
            document = _create(item, source, read)
        version = create_version(document, read, is_new=is_new)
        if document.removed_at is not None:
            _revive(document)
        return _to_be_indexed(item, document, version)


def settle_unreadable(item: SyncItem, source: Source, code: str, reason: str) -> Settled:
    """Write down that a file could not be read. What was read of it earlier stays, under the rule as it is now."""
    with transaction.atomic():
        found = _still_waiting(item)
        if found is None:
            return Settled(item)
        document = _document(found, source)
        if document is not None and document.removed_at is None:
            _put_under_rule(document, found)
        outcome = Outcome.SKIPPED if code in _SKIPS else Outcome.FAILED
        return _close(found, document, outcome, code, reason)


def _still_waiting(item: SyncItem) -> SyncItem | None:
    """Return the item as it is now; None when it was cancelled, or another file was uploaded in its place."""
    return (
        SyncItem.objects.select_for_update(of=("self",))
        .select_related("policy")
        .filter(pk=item.pk, outcome=Outcome.WAITING, version__isnull=True, file=item.file)
        .first()
    )


def _document(item: SyncItem, source: Source) -> Document | None:
    return Document.objects.select_for_update().filter(source=source, external_id=item.external_id).first()


def _newest(source: Source, external_id: str) -> DocumentVersion | None:
    return (
        DocumentVersion.objects.filter(document__source=source, document__external_id=external_id)
        .defer("text", "sections")
        .order_by("-number")
        .first()
    )


def _put_under_rule(document: Document, item: SyncItem) -> None:
    # An item without a rule cannot come from a listing; its document is dark rather than what it was before.
    set_policy(document, item.policy or intern_policy(DARK), item.policy_note)


def _settle_unchanged(item: SyncItem, document: Document | None) -> Settled:
    version = None if document is None else document.versions.defer("text", "sections").last()
    if document is None or version is None:
        # Purged between the look and now; the item waits and is read afresh.
        return Settled(item)
    if document.removed_at is not None:
        _revive(document)
    if version.state in _LIVE and document.current_version_id == version.pk:
        # Made by this very run before it was cut off, and shown meanwhile by the outbox: that is not "unchanged".
        is_new = version.created_at >= item.run.created_at
        return _close(item, document, Outcome.DONE if is_new else Outcome.UNCHANGED, item.code, item.reason)
    if version.state != State.PENDING:
        version.state = State.PENDING
        version.save(update_fields=["state"])
    return _to_be_indexed(item, document, version)


def _create(item: SyncItem, source: Source, read: Read) -> Document:
    title = _title(read, item.external_id)
    return Document.objects.create(
        source=source,
        external_id=item.external_id,
        title=title,
        title_key=title_key(title),
        short_title_key=short_title_key(title),
        policy=item.policy or intern_policy(DARK),
        policy_note=item.policy_note,
    )


def _revive(document: Document) -> None:
    # Shown again only once its chunks are back in the index, never in between.
    document.removed_at, document.current_version = None, None
    document.save(update_fields=["removed_at", "current_version"])


def create_version(document: Document, read: Read, *, is_new: bool = False) -> DocumentVersion:
    """Write the next version of a document with its chunks, waiting for the index. `read` must hold a parsed text.

    `is_new` says that the document has none yet, which saves looking.
    """
    parsed, stored = read.parsed, read.stored
    assert parsed is not None  # settle() has looked
    assert stored is not None
    before = None
    if not is_new:
        before = document.versions.defer("text", "sections").last()
        # Read and never shown: the new text overtakes it.
        document.versions.filter(state=State.PENDING).update(state=State.RETIRING)
    version = DocumentVersion.objects.create(
        document=document,
        number=1 if before is None else before.number + 1,
        content_digest=read.digest,
        text_digest=digest_of_bytes(parsed.text.encode()),
        text=parsed.text,
        sections=[[s.start, s.end, s.page, list(s.headings)] for s in parsed.sections],
        media_type=parsed.media_type[:120],
        size=stored.size,
        file=stored.name,
        page_count=parsed.page_count,
        title=_title(read, document.external_id),
        author=parsed.author[:200],
        dated=parsed.dated or _date(read.modified),
        is_superseded=parsed.is_superseded,
        parser=parsed.parser[:80],
        warnings=list(parsed.warnings),
    )
    known = _known_embeddings(before, version.title)
    chunks = []
    for ordinal, span in enumerate(read.spans):
        text = parsed.text[span.start : span.end]
        digest = digest_of_bytes(text.encode())
        embedding, sentences = known.get((digest, span.headings, span.table_head), (None, None))
        chunks.append(
            Chunk(
                version=version, ordinal=ordinal, start=span.start, end=span.end, page=span.page,
                headings=list(span.headings), table_head=span.table_head, text=text, digest=digest, embedding=embedding,
                embedding_model=model_name() if embedding else "", sentence_embeddings=sentences, words=packed_codes(text),
                links=linked_names(parsed.links, span.start, span.end, document.external_id),
            )
        )  # fmt: skip
    Chunk.objects.bulk_create(chunks, batch_size=200)
    return version


def _known_embeddings(
    before: DocumentVersion | None, title: str
) -> Mapping[tuple[str, tuple[str, ...], str], tuple[bytes, bytes]]:
    """Return the vectors of the version before and of its sentences, by digest, headings and head of a table.

    They hold only under the same title.
    """
    if before is None or before.title != title:
        return {}
    rows = before.chunks.filter(
        embedding__isnull=False, sentence_embeddings__isnull=False, embedding_model=model_name()
    )
    return {
        (digest, tuple(headings), table_head): (bytes(embedding), bytes(sentences))
        for digest, headings, table_head, embedding, sentences in rows.values_list(
            "digest", "headings", "table_head", "embedding", "sentence_embeddings"
        )
        if embedding is not None and sentences is not None
    }


def _to_be_indexed(item: SyncItem, document: Document, version: DocumentVersion) -> Settled:
    item.document, item.version = document, version
    item.attempts += 1
    item.save(update_fields=["document", "version", "attempts"])
    return Settled(item, version.pk)


def _close(item: SyncItem, document: Document | None, outcome: Outcome, code: str, reason: str) -> Settled:
    item.document, item.outcome, item.finished_at = document, outcome, timezone.now()
    item.code, item.reason = code[:40], reason[:500]
    item.attempts += 1
    item.save(update_fields=["document", "outcome", "code", "reason", "attempts", "finished_at"])
    return Settled(item)


def _title(read: Read, external_id: str) -> str:
    assert read.parsed is not None
    name = external_id.rpartition("/")[2]
    return (" ".join(read.parsed.title.split()) or name.rpartition(".")[0] or name)[:300]


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else timezone.localdate(moment)
