"""Verifying the records, and remembering when that was last done and what it found."""

from dataclasses import dataclass
from datetime import datetime

from accounts.audit import By, ChainReport, record, verify_everything
from accounts.models import AuditEvent


@dataclass(frozen=True)
class LastVerification:
    """What the last verification found, as it was recorded."""

    at: datetime
    by: str
    checked: int
    found: int
    sentences: tuple[str, ...]
    position: int
    digest: str

    @property
    def was_intact(self) -> bool:
        return self.found == 0


def verify_and_record(*, by: By) -> list[ChainReport]:
    """Verify everything, record the outcome as one event, and return the reports."""
    reports = verify_everything()
    record(
        "audit.verified",
        by=by,
        subject="audit:chain",
        details={
            "head_position": reports[0].head_position,
            "head_digest": reports[0].head_digest,
            "reports": [
                {"name": report.name, "checked": report.checked, "found": report.found} for report in reports
            ],
            "sentences": [found.sentence for report in reports for found in report.disagreements][:20],
        },
    )
    return reports


def last_verification() -> LastVerification | None:
    """Return what the last verification found; None when there was none yet."""
    event = AuditEvent.objects.filter(type="audit.verified").order_by("-position").first()
    if event is None:
        return None
    reports = event.details.get("reports", [])
    return LastVerification(
        at=event.at,
        by=event.actor_name,
        checked=sum(report["checked"] for report in reports),
        found=sum(report["found"] for report in reports),
        sentences=tuple(event.details.get("sentences", [])),
        position=event.details.get("head_position", 0),
        digest=event.details.get("head_digest", ""),
    )
