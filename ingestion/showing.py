"""The moment a version becomes the one its document shows. Its chunks are in the index by then."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from django.db import transaction
from django.utils import timezone

from ingestion.bulk import update_rows
from ingestion.models import Document, DocumentVersion, SyncItem
from ingestion.titles import short_title_key, title_key

State = DocumentVersion.State

Upserted = dict[int, set[tuple[int, int, bool]]]
"""For each document the (policy, source, superseded) its chunks were put into the index with."""

_TAKEN_OVER = (
    "current_version_id", "title", "title_key", "short_title_key", "author", "dated", "is_superseded",
    "needs_index_update",
)  # fmt: skip


def show(version_ids: Sequence[int], upserted: Upserted) -> None:
    """Make indexed versions the ones their documents show, and let the ones before go, in one transaction.

    A version that was removed or overtaken while it was indexed has to leave the index again. What is dealt with leaves
    `upserted`.
    """
    if not version_ids:
        return
    with transaction.atomic():
        rows = DocumentVersion.objects.filter(pk__in=version_ids)
        documents = _locked(set(rows.values_list("document_id", flat=True)))
        versions = {
            version.pk: version
            for version in DocumentVersion.objects.filter(document__in=documents)
            .only("document_id", "number", "state", "title", "author", "dated", "is_superseded")
            .order_by("document_id", "number")
        }  # fmt: skip
        before = {pk: version.state for pk, version in versions.items()}
        of_document: dict[int, list[DocumentVersion]] = defaultdict(list)
        for version in versions.values():
            of_document[version.document_id].append(version)
        done: list[int] = []
        gone: list[int] = []
        for version_id in version_ids:
            version = versions[version_id]
            document, siblings = documents[version.document_id], of_document[version.document_id]
            if _is_gone(document) or _is_overtaken(version, siblings):
                # Whatever was just put into the index has to leave it again.
                version.state = State.RETIRING
                gone.append(version_id)
                continue
            if version.state == State.PENDING:
                _take_over(document, version, siblings)
            now_true = (document.policy_id, document.source_id, document.is_superseded)
            if upserted.pop(document.pk, set()) - {now_true}:
                # The rule changed between the look and the write; the next delivery puts it right.
                document.needs_index_update = True
            done.append(version_id)
        _write_states({pk: v.state for pk, v in versions.items() if v.state != before[pk]})
        shown = {versions[pk].document_id for pk in done}
        update_rows(
            Document,
            _TAKEN_OVER,
            ((pk, [getattr(documents[pk], name) for name in _TAKEN_OVER]) for pk in sorted(shown)),
        )
        _finish_items(done, SyncItem.Outcome.DONE)
        _finish_items(gone, SyncItem.Outcome.SKIPPED, "removed", "It was removed before it was indexed.")


def _locked(document_ids: Collection[int]) -> dict[int, Document]:
    """Return the documents, locked in the order of their ids: who locks several in one order waits in no circle."""
    rows = Document.objects.select_for_update(of=("self",)).select_related("source")
    return {document.pk: document for document in rows.filter(pk__in=document_ids).order_by("pk")}


def _is_gone(document: Document) -> bool:
    return document.removed_at is not None or document.source.removed_at is not None


def _is_overtaken(version: DocumentVersion, siblings: Sequence[DocumentVersion]) -> bool:
    return version.state in {State.RETIRING, State.RETIRED} or any(
        other.number > version.number and other.state == State.INDEXED for other in siblings
    )


def _take_over(document: Document, version: DocumentVersion, siblings: Sequence[DocumentVersion]) -> None:
    for other in siblings:
        if other.number < version.number and other.state in {State.INDEXED, State.PENDING}:
            other.state = State.RETIRING
    version.state = State.INDEXED
    document.current_version = version
    document.title = version.title or document.title
    document.title_key = title_key(document.title)
    document.short_title_key = short_title_key(document.title)
    document.author, document.dated = version.author, version.dated
    document.is_superseded = version.is_superseded


def _write_states(states: dict[int, str]) -> None:
    for state in set(states.values()):
        changed = [pk for pk, to in states.items() if to == state]
        DocumentVersion.objects.filter(pk__in=changed).update(state=state)


def _finish_items(
    version_ids: Sequence[int], outcome: SyncItem.Outcome, code: str = "", reason: str = ""
) -> None:
    if not version_ids:
        return
    waiting = SyncItem.objects.filter(version__in=version_ids, outcome=SyncItem.Outcome.WAITING)
    done: dict[str, object] = {"outcome": outcome, "finished_at": timezone.now()}
    if code:
        done |= {"code": code, "reason": reason}
    waiting.update(**done)
