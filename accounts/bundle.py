"""The audit chain as one file that can be checked without the product: events, the head, and a small verifier."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.utils import timezone

from accounts import chain
from accounts.canonical import canonical_json
from accounts.models import AuditEvent, AuditHead

VERIFIER = Path(__file__).with_name("offline_verifier.py")
_PAGE = 1000
_PIECE = 256 * 1024  # bytes

README = """This is the audit chain of a Footnote installation.

events.jsonl  one event per line, oldest first, with every field its digest covers
head.json     where the chain ended when this was exported
verify.py     checks all of it: python3 verify.py

Keep the digest in head.json somewhere this installation's administrators cannot write. Every later export must carry an
event at that position with that digest.
"""


def write_bundle(file: IO[bytes]) -> tuple[int, str]:
    """Write the bundle as a zip and return where the chain ends: position and digest.

    Events appended while it is written are left to the next bundle.
    """
    head = AuditHead.objects.filter(pk=1).first() or AuditHead(position=0, digest=chain.GENESIS)
    written = timezone.now()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        with bundle.open(_entry("events.jsonl", written), "w", force_zip64=True) as lines:
            for event in _events_until(head.position):
                line = chain.event_fields(event) | {"digest": event.digest}
                lines.write(canonical_json(line).encode("utf-8", "surrogatepass") + b"\n")
        about = {
            "format": 1,
            "position": head.position,
            "digest": head.digest,
            "genesis": chain.GENESIS,
            "exported_at": chain.moment(written),
        }
        bundle.writestr(_entry("head.json", written), json.dumps(about, indent=2) + "\n")
        bundle.writestr(_entry("verify.py", written), VERIFIER.read_bytes())
        bundle.writestr(_entry("README.txt", written), README)
    return head.position, head.digest


def bundle_pieces() -> Iterator[bytes]:
    """Yield the bundle in pieces; it is built in a temporary file, which goes with the last piece."""
    with tempfile.TemporaryFile(prefix="footnote-bundle-") as file:
        write_bundle(file)
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def bundle_name() -> str:
    """Return the file name of a bundle exported now."""
    return f"footnote-audit-{timezone.now().astimezone(UTC):%Y%m%d-%H%M%S}.zip"


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=at.astimezone(UTC).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _events_until(position: int) -> Iterator[AuditEvent]:
    """Yield events by position, a page at a time: a long export holds no cursor and no transaction open."""
    after = 0
    while True:
        page = list(
            AuditEvent.objects.filter(position__gt=after, position__lte=position).order_by("position")[:_PAGE]
        )
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].position
