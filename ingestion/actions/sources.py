"""Connecting, changing, pausing and removing sources."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import By
from ingestion import outbox, tasks
from ingestion.access import Rule, intern_policy
from ingestion.locking import (
    Details,
    NotPossible,
    close,
    enqueue,
    locked_source,
    queue,
    record_source,
    told,
)
from ingestion.models import Source, SyncRun


def connect_source(
    *,
    by: By,
    kind: str,
    name: str,
    rule: Rule,
    path: str = "",
    sync_minutes: int | None = None,
    authority: int = Source.Authority.ORDINARY,
) -> Source:
    """Connect a source and return it; nothing is read before a sync is requested.

    `kind` is "folder" (with a `path` under one of the allowed roots) or "upload"; `authority` is how much the source's
    word counts. Raises NotPossible for a path that cannot be used, a name that is taken, or an unknown kind or authority.
    """
    name = _source_name(name)
    if kind not in Source.Kind.values:
        raise NotPossible(f"There is no kind of source called {kind!r}.")
    _check_schedule(kind, sync_minutes)
    _check_authority(authority)
    resolved = _folder(path) if kind == Source.Kind.FOLDER else ""
    with transaction.atomic():
        _check_name_free(name, None)
        policy = intern_policy(rule)
        source = Source.objects.create(
            name=name,
            kind=kind,
            path=resolved,
            policy=policy,
            sync_minutes=sync_minutes,
            authority=authority,
        )
        details: Details = {
            "kind": kind,
            "path": resolved,
            "sync_minutes": sync_minutes,
            "authority": authority,
            "rule": told(policy),
        }
        record_source("source.connected", by, source, details)
    return source


def change_source(*, by: By, source: Source, name: str, sync_minutes: int | None, authority: int) -> Source:
    """Change a source's name, its schedule in minutes (None: by hand) and how much its word counts, and return it.

    Holds from the next question on: authority is read with the passages, no index is touched.
    """
    name = _source_name(name)
    _check_authority(authority)
    with transaction.atomic():
        source = locked_source(source)
        _check_schedule(source.kind, sync_minutes)
        _check_name_free(name, source)
        details: Details = {
            "name": [source.name, name],
            "sync_minutes": [source.sync_minutes, sync_minutes],
            "authority": [source.authority, authority],
        }
        source.name, source.sync_minutes, source.authority = name, sync_minutes, authority
        source.save(update_fields=["name", "sync_minutes", "authority"])
        record_source("source.changed", by, source, details)
    return source


def change_source_access(*, by: By, source: Source, rule: Rule, reason: str = "") -> Source:
    """Change who may read a source's documents and return it. Holds from the next request on: no index is touched."""
    with transaction.atomic():
        source = locked_source(source)
        before, after = source.policy, intern_policy(rule)
        source.policy = after
        source.save(update_fields=["policy"])
        record_source("source.changed", by, source, {"rule": [told(before), told(after)]}, reason)
    return source


def pause_source(*, by: By, source: Source) -> Source:
    """Stop syncing a source, its open run included, until it is resumed. Its documents stay readable."""
    with transaction.atomic():
        source = locked_source(source)
        if source.is_paused:
            raise NotPossible(f"{source.name} is already paused.")
        source.is_paused = True
        source.save(update_fields=["is_paused"])
        paused = source.runs.filter(state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING]).update(
            state=SyncRun.State.PAUSED
        )
        record_source("source.paused", by, source, {"runs_paused": paused})
    return source


def resume_source(*, by: By, source: Source) -> Source:
    """Let a source be synced again; a run that was paused with it goes on."""
    with transaction.atomic():
        source = locked_source(source)
        if not source.is_paused:
            raise NotPossible(f"{source.name} is not paused.")
        source.is_paused = False
        source.save(update_fields=["is_paused"])
        run = source.runs.filter(state=SyncRun.State.PAUSED).first()
        if run is not None:
            queue(run)
        record_source("source.resumed", by, source, {"run": None if run is None else str(run.public_id)})
    return source


def remove_source(*, by: By, source: Source, reason: str = "") -> Source:
    """Remove a source with all its documents: gone for every reader at once, purged later. Its name becomes free."""
    with transaction.atomic():
        source = locked_source(source)
        name, now = source.name, timezone.now()
        count = source.documents.filter(removed_at__isnull=True).count()
        suffix = f" (removed {source.pk})"
        source.name, source.removed_at = name[: 120 - len(suffix)] + suffix, now
        source.save(update_fields=["name", "removed_at"])
        for run in source.runs.filter(state__in=SyncRun.OPEN):
            close(run, SyncRun.State.CANCELLED, "The source was removed before this document was read.")
        outbox.retire_documents(source.documents.all())
        record_source("source.removed", by, source, {"documents": count}, reason, label=name)
        enqueue(tasks.deliver_outbox.delay)
    return source


def _source_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 100:
        raise NotPossible("Give the source a name of at most 100 characters.")
    return name


def _check_name_free(name: str, besides: Source | None) -> None:
    taken = Source.objects.filter(name__iexact=name)
    if besides is not None:
        taken = taken.exclude(pk=besides.pk)
    if taken.exists():
        raise NotPossible(f"There is already a source called {name}.")


def _check_schedule(kind: str, sync_minutes: int | None) -> None:
    if sync_minutes is None:
        return
    if kind == Source.Kind.UPLOAD:
        raise NotPossible("Uploads are read when they arrive; they have no schedule.")
    if not 1 <= sync_minutes <= 60 * 24 * 31:
        raise NotPossible("A schedule is a number of minutes between 1 and 44640 (31 days).")


def _check_authority(authority: int) -> None:
    if authority not in Source.Authority.values:
        raise NotPossible("A source is informal (-1), ordinary (0) or authoritative (1).")


def _folder(path: str) -> str:
    from ingestion.sources.folder import check_root
    from ingestion.types import SourceError

    try:
        resolved = str(check_root(path))
    except SourceError as error:
        raise NotPossible(str(error)) from error
    other = Source.objects.current().filter(kind=Source.Kind.FOLDER, path=resolved).first()
    if other is not None:
        raise NotPossible(f"The folder {resolved} is already connected as {other.name}.")
    return resolved
