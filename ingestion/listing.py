"""Listing a source into the items of a run. Rules and removals found by it hold at once, before anything is read."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from ingestion import outbox
from ingestion.access import DARK, Rule, intern_policy
from ingestion.models import AccessPolicy, Document, Source, SyncItem, SyncRun
from ingestion.sources.access_file import FILE_NAME
from ingestion.sources.folder import list_folder
from ingestion.types import Found, Refused, SourceError

BATCH = 500
GONE = "gone"
"""The code of a waiting item whose document the source no longer lists."""

Outcome = SyncItem.Outcome

# Somebody has to put these right on the machine, and can then retry; all else that is refused is as it should be.
_FAILURES = {"permission_denied", "unreadable", "broken_link"}


class Policies:
    """The policy rows of rules, each interned once."""

    def __init__(self) -> None:
        self._known: dict[Rule, AccessPolicy] = {}

    def of(self, rule: Rule) -> AccessPolicy:
        """Return the row of a rule."""
        if rule not in self._known:
            self._known[rule] = intern_policy(rule)
        return self._known[rule]


def list_source(run: SyncRun, source: Source) -> Iterator[None]:
    """List a source into items of the run, yielding between batches so that the caller can show signs of life.

    May be cut off and called again. Raises SourceError when the source cannot be listed: then nothing is removed.
    """
    if source.kind == Source.Kind.UPLOAD:
        _listed(run, "")  # the uploads themselves are the items
        return
    if not run.is_partial:
        run.items.all().delete()
    policies = Policies()
    entries = iter(list_folder(Path(source.path)))
    found = dark = 0
    note = ""
    closed_folders: list[str] = []
    named = set(run.items.values_list("external_id", flat=True)) if run.is_partial else None
    while batch := list(islice(entries, BATCH)):
        for entry in batch:
            if isinstance(entry, Found):
                found += 1
                dark += bool(entry.rule_note)
                note = note or entry.rule_note
            elif entry.external_id.endswith("/"):
                closed_folders.append(entry.external_id)
        with transaction.atomic():
            _take_in(run, source, policies, [e for e in batch if named is None or e.external_id in named])
        yield
    if not found:
        _refuse_an_empty_mount(source)
    yield from _close_folders(run, source, policies, closed_folders)
    yield from _mark_gone(run, source)
    _listed(run, _dark_note(dark, found, note))


def remove_gone(run: SyncRun) -> Iterator[int]:
    """Tombstone the documents the source no longer lists; yield how many after each batch."""
    while items := list(run.items.filter(outcome=Outcome.WAITING, code=GONE)[:BATCH]):
        with transaction.atomic():
            outbox.tombstone(Document.objects.filter(pk__in=[item.document_id for item in items]))
            SyncItem.objects.filter(pk__in=[item.pk for item in items]).update(
                outcome=Outcome.REMOVED,
                reason="The source no longer lists it.",
                finished_at=timezone.now(),
            )
        yield len(items)


def set_policy(document: Document, policy: AccessPolicy, note: str) -> bool:
    """Put a locked document under a rule, at once for every reader; return whether that changed anything."""
    if document.policy_id == policy.pk and document.policy_note == note[:500]:
        return False
    has_moved = document.policy_id != policy.pk
    document.policy, document.policy_note = policy, note[:500]
    document.needs_index_update = document.needs_index_update or has_moved
    document.save(update_fields=["policy", "policy_note", "needs_index_update"])
    return has_moved


def _take_in(run: SyncRun, source: Source, policies: Policies, entries: Sequence[Found | Refused]) -> None:
    ids = [entry.external_id for entry in entries]
    documents = {
        document.external_id: document
        for document in Document.objects.select_for_update().filter(source=source, external_id__in=ids)
    }
    items = []
    for entry in entries:
        document = documents.get(entry.external_id)
        if isinstance(entry, Refused):
            if document is not None:
                # Whoever could read it by the rule of yesterday: that rule is not known to hold today.
                set_policy(document, policies.of(DARK), entry.reason)
            items.append(_refused(run, entry, document))
            continue
        policy = policies.of(entry.rule)
        item = SyncItem(
            run=run, external_id=entry.external_id, document=document, policy=policy,
            policy_note=entry.rule_note[:500], modified_at=entry.modified, outcome=Outcome.WAITING,
        )  # fmt: skip
        if document is not None and set_policy(document, policy, entry.rule_note):
            item.code, item.reason = "access_changed", "Its access rule changed; that holds already."
        if entry.rule_note:
            item.code, item.reason = "dark", entry.rule_note[:500]
        items.append(item)
    SyncItem.objects.bulk_create(
        items,
        update_conflicts=True,
        unique_fields=["run", "external_id"],
        update_fields=[
            "document", "policy", "policy_note", "modified_at", "outcome", "code", "reason", "finished_at",
        ],
    )  # fmt: skip


def _refused(run: SyncRun, entry: Refused, document: Document | None) -> SyncItem:
    return SyncItem(
        run=run, external_id=entry.external_id[:1000], document=document, code=entry.code[:40],
        outcome=Outcome.FAILED if entry.code in _FAILURES else Outcome.SKIPPED,
        reason=entry.reason[:500], finished_at=timezone.now(),
    )  # fmt: skip


def _refuse_an_empty_mount(source: Source) -> None:
    """Raise SourceError when a folder looks like the empty mount point of a share that is not there."""
    known = source.documents.filter(removed_at__isnull=True).count()
    if known and not (Path(source.path) / FILE_NAME).exists():
        raise SourceError(
            f"The folder {source.path} is empty, without even its {FILE_NAME}, though {known} documents came from it. "
            "It looks like a share that is not mounted, so nothing was removed. Mount it and sync again; if the folder "
            "is meant to be empty, remove the source."
        )


def _close_folders(
    run: SyncRun, source: Source, policies: Policies, folders: Sequence[str]
) -> Iterator[None]:
    """Darken the documents below folders that could not be looked into: they may still be there, under any rule."""
    for folder in folders:
        below = source.documents.filter(removed_at__isnull=True, external_id__startswith=folder)
        refusal = run.items.filter(external_id=folder).first()
        note = (refusal.reason if refusal else "") or f"The folder {folder} could not be listed."
        for document in _unlisted(run, below).iterator(chunk_size=BATCH):
            with transaction.atomic():
                set_policy(document, policies.of(DARK), note)
                SyncItem.objects.get_or_create(
                    run=run,
                    external_id=document.external_id,
                    defaults={
                        "document": document, "outcome": Outcome.SKIPPED, "code": "folder_closed",
                        "reason": note[:500], "finished_at": timezone.now(),
                    },
                )  # fmt: skip
            yield


def _mark_gone(run: SyncRun, source: Source) -> Iterator[None]:
    if run.is_partial:
        # The rule is what a listing gives; an item without one was not listed.
        run.items.filter(outcome=Outcome.WAITING, policy__isnull=True, document__isnull=False).update(
            code=GONE
        )
        run.items.filter(outcome=Outcome.WAITING, policy__isnull=True, document__isnull=True).update(
            outcome=Outcome.SKIPPED,
            code="vanished",
            reason="The source no longer lists it.",
            finished_at=timezone.now(),
        )
        return
    while batch := list(_unlisted(run, source.documents.filter(removed_at__isnull=True))[:BATCH]):
        SyncItem.objects.bulk_create(
            SyncItem(run=run, external_id=document.external_id, document=document, code=GONE)
            for document in batch
        )
        yield


def _unlisted(run: SyncRun, documents: "QuerySet[Document]") -> "QuerySet[Document]":
    listed = SyncItem.objects.filter(run=run, external_id=OuterRef("external_id"))
    return documents.filter(~Exists(listed)).order_by("pk")


def _dark_note(dark: int, found: int, note: str) -> str:
    if not dark:
        return ""
    what = "Every document is" if dark == found else f"{dark} of {found} documents are"
    return f"{what} dark, readable by nobody, because an access rule could not be read. {note}"


def _listed(run: SyncRun, note: str) -> None:
    run.is_listed, run.note = True, note[:500]
    run.save(update_fields=["is_listed", "note"])
