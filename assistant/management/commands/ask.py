"""`manage.py ask "…" --as EMAIL`: ask as a person, recorded like any question."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import By
from accounts.models import User
from accounts.viewer import Viewer, viewer_of
from assistant import runner, trace
from assistant.actions import ask
from assistant.cautions import cautions_about
from assistant.history import shown_answer
from assistant.models import Answer, Question, TraceStep
from assistant.narrowing import Picks, picked
from assistant.shown import ShownAnswer, ShownCitation, ShownPlace
from assistant.types import NotAskable
from ingestion.embedding import embedder
from ingestion.index import get_index
from ingestion.index.types import IndexFailure
from ingestion.weights import EmbeddingUnavailable
from retrieval.filtering import KINDS, readable_sources

REFUSED = 3
"""Exit code when the documents state no answer; 1 when something went wrong."""
ASKED_BACK = 4
"""Exit code when the question was asked back instead of answered."""


class Command(BaseCommand):
    help = "Ask a question as a person and print the answer with its footnotes. Exit code 3: no answer was found; 4: asked back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", help="the question, in quotes")
        parser.add_argument("--as", dest="email", required=True, help="e-mail address of the person who asks")
        parser.add_argument(
            "--source", action="append", default=[], help="only this source, by name; repeatable"
        )
        parser.add_argument("--author", action="append", default=[], help="only this author; repeatable")
        parser.add_argument(
            "--type",
            action="append",
            default=[],
            help=f"only this kind of file ({', '.join(KINDS)}); repeatable",
        )
        parser.add_argument(
            "--since", default="", help="dated on this day or later: 2024-03-31, 2024-03 or 2024"
        )
        parser.add_argument("--until", default="", help="dated on this day or earlier")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        user = person(options["email"])
        viewer = viewer_of(user)
        picks = Picks(
            tuple(source_named(name, viewer) for name in options["source"]),
            tuple(options["author"]),
            tuple(options["type"]),
            options["since"],
            options["until"],
        )
        try:
            filters = picked(viewer, picks)
            # Before anything is recorded: a server that is running holds the embedded index for itself.
            get_index()
            embedder()
            question = ask(
                by=By.user(user), user=user, conversation=None, text=options["question"], filters=filters
            )
        except (NotAskable, IndexFailure, EmbeddingUnavailable) as error:
            raise CommandError(str(error)) from error
        runner.wait(question.pk)
        question.refresh_from_db()
        answer = Answer.objects.filter(question=question).first()
        if answer is None:
            raise CommandError(question.error or "The question was not answered.")
        shown = shown_answer(answer, viewer_of(user))
        if options["json"]:
            self.stdout.write(json.dumps(as_json(question, shown), ensure_ascii=False, indent=2))
        else:
            self.stdout.write(as_text(shown, question))
        if shown.outcome == "refused":
            raise SystemExit(REFUSED)
        if shown.outcome == "clarify":
            raise SystemExit(ASKED_BACK)


def source_named(name: str, viewer: Viewer) -> str:
    """Return the public id of a source the person may read. Raises CommandError: others are as unknown as any."""
    found = readable_sources(viewer).filter(name__iexact=" ".join(name.split())).first()
    if found is None:
        raise CommandError(f"The person may read no source called {name}.")
    return str(found.public_id)


def person(email: str) -> User:
    """Return the active person with an e-mail address. Raises CommandError with a sentence when there is none."""
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        raise CommandError(f"There is no person with the e-mail address {email}.")
    if not user.is_active:
        raise CommandError(f"{user.name} ({user.email}) is deactivated and may not ask or read anything.")
    return user


def as_text(shown: ShownAnswer, question: Question) -> str:
    """Return an answer for reading in a terminal: sentences with [1], then the sources they stand in."""
    lines: list[str] = [shown.clarification] if shown.clarification else []
    heads = {citation.number: citation.table_head for citation in shown.citations}
    for claim in shown.claims:
        marks = "".join(f"[{number}]" for number in claim.numbers)
        lines += [heads[claim.numbers[0]]] if claim.is_available and heads.get(claim.numbers[0]) else []
        lines.append(f"{claim.words or 'No longer available to you.'} {marks}")
    lines += [caution.words for caution in cautions_about(shown.claims)]
    if shown.claims:
        lines += ["", "Sources"]
        lines += [f"  [{c.number}] {_cited(c)}" for c in shown.citations]
    if shown.refusal:
        lines += [""] if lines else []
        lines.append(
            "Not found: " + "; ".join(shown.refusal.looked_for) if shown.claims else "No answer found."
        )
        lines.append(shown.refusal.reason)
        if shown.refusal.sources:
            lines.append("Looked in: " + ", ".join(shown.refusal.sources))
        if shown.refusal.nearest:
            lines += ["", "What comes nearest"]
        for place in shown.refusal.nearest:
            lines += filter(None, (place.table_head, place.quote, f"    – {_place(place)}"))
        lines += [f"  - {sentence}" for sentence in shown.refusal.advice]
    lines += [
        "",
        f"Answered in {shown.milliseconds:.0f} ms, quoted word for word. Record: {trace.last_digest(question)}",
    ]
    return "\n".join(lines)


def _cited(citation: ShownCitation) -> str:
    return _place(citation) if citation.is_available else "No longer available to you."


def _place(of: ShownCitation | ShownPlace) -> str:
    parts = [f"{of.source} › {of.title}"]
    if of.headings:
        parts.append(" › ".join(of.headings[-2:]))
    if of.page:
        parts.append(f"page {of.page}")
    if of.dated:
        parts.append(of.dated.isoformat())
    return ", ".join(parts)


def as_json(question: Question, shown: ShownAnswer) -> dict[str, object]:
    """Return an answer as JSON values: what was said, on which words, how long each stage took, and the record's digest."""
    refusal = shown.refusal
    return {
        "id": str(question.public_id),
        "question": question.text,
        "outcome": shown.outcome,
        "filters": question.filters,
        "clarification": shown.clarification,
        "method": shown.method,
        "claims": [
            {
                "text": claim.words,
                "support": claim.support,
                "lacking": list(claim.lacking),
                "citations": list(claim.numbers),
                "quotes": [c.quote for c in shown.citations if c.number in claim.numbers],
            }
            for claim in shown.claims
        ],
        "citations": [{"number": c.number, **_placed(c), "why": list(c.why)} for c in shown.citations],
        "refusal": None
        if refusal is None
        else {
            "looked_for": list(refusal.looked_for),
            "sources": list(refusal.sources),
            "reason": refusal.reason,
            "missing": list(refusal.missing),
            "advice": list(refusal.advice),
            "nearest": [_placed(place) for place in refusal.nearest],
        },
        "milliseconds": shown.milliseconds,
        "steps": [
            {"name": step.name, "ms": step.milliseconds}
            for step in TraceStep.objects.filter(question_id=question.pk).order_by("position")
        ],
        "record": trace.last_digest(question),
    }


def _placed(of: ShownCitation | ShownPlace) -> dict[str, object]:
    return {
        "title": of.title,
        "source": of.source,
        "document": of.document,
        "headings": list(of.headings),
        "page": of.page,
        "start": of.start,
        "end": of.end,
        "quote": of.quote,
        "table_head": of.table_head,
    }
