"""The demo organisation's golden questions: some of its questions, each with what a good answer to it rests on."""

from typing import Any

import yaml

from accounts.audit import By
from accounts.models import User
from accounts.viewer import viewer_of
from assistant.golden.actions import add_golden_question
from assistant.golden.models import GoldenQuestion
from assistant.golden.types import Entry
from ingestion.models import Document, Source


def keep_golden_questions(by: By, source: Source, written: str) -> int:
    """Keep the questions that are marked golden, once, and return how many were new. `written` is the questions' YAML."""
    added = 0
    for row in yaml.safe_load(written):
        if row.get("golden"):
            added += _keep(by, source, row)
    return added


def _keep(by: By, source: Source, row: dict[str, Any]) -> int:  # Any: what the YAML file holds
    asker = User.objects.get(email=row["as"])
    if GoldenQuestion.objects.filter(text=row["question"], asker=asker).exists():
        return 0
    documents = Document.objects.visible_to(viewer_of(asker)).filter(
        source=source, external_id__in=row["expect"]
    )
    ids = dict(documents.values_list("external_id", "public_id"))
    entry = Entry(
        row["question"],
        asker,
        GoldenQuestion.Outcome.ANSWERED if row["expect"] else GoldenQuestion.Outcome.REFUSED,
        tuple(str(ids[name]) for name in row["expect"] if name in ids),
        row["contains"] if row.get("contains") and _administrators_may_read(documents.count(), ids) else "",
    )
    # Picked with the asker's eyes: the demo has somebody for every document, but nobody for all of them.
    add_golden_question(by=by, user=None, viewer=viewer_of(asker), entry=entry)
    return 1


def _administrators_may_read(wanted: int, ids: dict[str, Any]) -> bool:  # Any: public ids
    """Return whether each administrator may read all of them: expected words are shown to everybody who administers."""
    return all(
        Document.objects.visible_to(viewer_of(admin)).filter(public_id__in=ids.values()).count() == wanted
        for admin in User.objects.filter(is_admin=True, is_active=True)
    )
