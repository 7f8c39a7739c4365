"""Reading one file: copied to the storage, parsed, cut into chunks. No database: this runs beside the writer's thread."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingestion import storage
from ingestion.chunking import ChunkSpan, chunk_text
from ingestion.types import Parsed

# Neither database can store these; they are replaced one for one, so that every offset stays right.
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read: below `root`, or already `kept` in the storage when it was uploaded.

    With `known_digest` given, a file that still has it is not parsed again.
    """

    external_id: str
    root: Path | None
    kept: str
    modified: datetime | None
    known_digest: str


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a file: its digest always; where it is kept, its text and chunks only when it is new."""

    digest: str
    modified: datetime | None
    stored: storage.Stored | None = None
    parsed: Parsed | None = None
    spans: tuple[ChunkSpan, ...] = ()


def read(job: Job) -> Read:
    """Read one file. Raises Unreadable or NotStored with a code and a sentence; leaves no half-written file behind."""
    if job.root is None:
        return _read_kept(job)
    from ingestion.sources.files import copy_out

    with storage.incoming() as path:
        copied = copy_out(job.root, job.external_id, path)
        if copied.digest == job.known_digest:
            return Read(copied.digest, copied.modified)
        parsed = _parsed(path, job.external_id)
        spans = tuple(chunk_text(parsed.text, parsed.sections))
        return Read(copied.digest, copied.modified, storage.adopt(path, copied.digest), parsed, spans)


def _read_kept(job: Job) -> Read:
    path = storage.path_of(job.kept)
    digest = "sha256:" + path.name
    if digest == job.known_digest:
        return Read(digest, job.modified)
    try:
        stored = storage.Stored(job.kept, digest, path.stat().st_size)
    except FileNotFoundError:
        raise storage.NotStored(
            "vanished", "The uploaded file is no longer in the storage. Upload it again."
        ) from None
    parsed = _parsed(path, job.external_id)
    return Read(digest, job.modified, stored, parsed, tuple(chunk_text(parsed.text, parsed.sections)))


def _parsed(path: Path, external_id: str) -> Parsed:
    from dataclasses import replace

    from ingestion.parsing import parse

    parsed = parse(path, external_id.rpartition("/")[2])
    return replace(
        parsed,
        text=_NOT_STORABLE.sub("\ufffd", parsed.text),
        title=_NOT_STORABLE.sub("\ufffd", parsed.title),
        author=_NOT_STORABLE.sub("\ufffd", parsed.author),
    )
