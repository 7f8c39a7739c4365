"""What people do to sources and documents. Each action is atomic, takes `by=` and leaves exactly one audit event."""

from ingestion.actions.documents import change_document_access, remove_document, upload_document
from ingestion.actions.sources import (
    change_source,
    change_source_access,
    connect_source,
    pause_source,
    remove_source,
    resume_source,
)
from ingestion.actions.syncs import (
    cancel_sync,
    pause_sync,
    request_sync,
    resume_sync,
    retry_failed,
    retry_item,
)
from ingestion.locking import NotPossible

__all__ = [
    "NotPossible",
    "cancel_sync",
    "change_document_access",
    "change_source",
    "change_source_access",
    "connect_source",
    "pause_source",
    "pause_sync",
    "remove_document",
    "remove_source",
    "request_sync",
    "resume_source",
    "resume_sync",
    "retry_failed",
    "retry_item",
    "upload_document",
]
