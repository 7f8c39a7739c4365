"""What the Ask desk draws: a person's own questions with their answers as they may be shown now."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404

from accounts.models import User
from accounts.viewer import Viewer
from assistant.cautions import Caution, all_in_doubt, cautions_about
from assistant.events import shown_step
from assistant.models import Conversation, Feedback, Question, TraceStep
from assistant.narrowing import NO_FILTERS, Picker, filters_from, in_words, names_for
from assistant.shown import ShownAnswer, ShownCitation, ShownClaim, ShownPlace, ShownTurn
from ingestion.rendering import Block, render
from retrieval.types import Filters

FEEDBACK_REASONS = (
    "It does not answer what I asked",
    "Something is missing",
    "It is out of date",
    "It is wrong",
)
METHODS = {"extractive": "quoted word for word"}


@dataclass(frozen=True)
class Search:
    """One sub-query and what it brought in. Counts what passed the gate, never what did not."""

    number: int
    text: str
    passages: int = 0
    sources: tuple[str, ...] = ()
    is_done: bool = False

    @property
    def found(self) -> str:
        """Return what was found, in words."""
        if not self.passages:
            return "nothing that answers it" if self.is_done else ""
        count = f"{self.passages} passage{'' if self.passages == 1 else 's'}"
        if not self.sources:
            return count
        more = len(self.sources) - 1
        return f"{self.sources[0]}{f' and {more} more' if more else ''} · {count}"


@dataclass(frozen=True)
class Looked:
    """What was looked for and where: sub-queries, what narrowed them, and sentences about what could not."""

    searches: tuple[Search, ...] = ()
    filters: Filters = NO_FILTERS
    not_used: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeskClaim:
    """A sentence with its footnotes at hand."""

    text: str
    is_available: bool
    support: str
    notes: tuple[ShownCitation, ...]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Return the words as a table, a list or lines where the document has them so; nothing for running text."""
        return blocks_of(self.text, self.notes[0].table_head if self.notes else "")


@dataclass(frozen=True)
class DeskPlace:
    """Words that come near what was asked, ready to be drawn."""

    at: ShownPlace

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Return the words as a table, a list or lines where the document has them so; nothing for running text."""
        return blocks_of(self.at.quote, self.at.table_head)


@dataclass(frozen=True)
class DeskTurn:
    """One question, what was looked for, and its answer once there is one."""

    question: Question
    searches: tuple[Search, ...]
    answer: ShownAnswer | None
    feedback: Feedback | None = None
    narrowed: tuple[str, ...] = ()
    not_used: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[DeskClaim, ...]:
        """Return the answer's sentences in order."""
        if self.answer is None:
            return ()
        notes = {citation.number: citation for citation in self.answer.citations}
        return tuple(_claim(claim, notes) for claim in self.answer.claims)

    @property
    def stretches(self) -> list[list[DeskClaim]]:
        """Return the sentences in stretches: those that run on together, and each table or list by itself."""
        found: list[list[DeskClaim]] = []
        for claim in self.claims:
            if found and not claim.blocks and not found[-1][0].blocks:
                found[-1].append(claim)
            else:
                found.append([claim])
        return found

    @property
    def nearest(self) -> tuple[DeskPlace, ...]:
        """Return what came near what was asked, where that, or a part of it, was refused."""
        refusal = self.answer.refusal if self.answer else None
        return tuple(map(DeskPlace, refusal.nearest)) if refusal else ()

    @property
    def notes(self) -> tuple[ShownCitation, ...]:
        """Return the footnotes with their quotes on one line."""
        citations = self.answer.citations if self.answer else ()
        return tuple(replace(citation, quote=on_one_line(citation.quote)) for citation in citations)

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """Return what is to be said of sentences that do not simply stand."""
        return cautions_about(self.answer.claims) if self.answer else ()

    @property
    def is_in_doubt(self) -> bool:
        """Whether no sentence simply stands: what is to be said of them is then read before them."""
        return self.answer is not None and all_in_doubt(self.answer.claims)

    @property
    def follow_ups(self) -> tuple[str, ...]:
        return self.answer.suggestions if self.answer else ()

    @property
    def seconds(self) -> str:
        """Return how long the answer took, for people."""
        return duration(self.answer.milliseconds) if self.answer else ""

    @property
    def method(self) -> str:
        return METHODS.get(self.answer.method, self.answer.method) if self.answer else ""


def blocks_of(words: str, table_head: str) -> tuple[Block, ...]:
    """Return quoted words as blocks, below their table's head where they lack it; nothing for running text."""
    if "\n" not in words and not words.startswith(("|", "- ", "* ", "• ")):
        return ()
    blocks = render("\n".join(filter(None, (table_head, words))))
    return () if all(block.kind == "paragraph" for block in blocks) else blocks


def _claim(claim: ShownClaim, notes: dict[int, ShownCitation]) -> DeskClaim:
    cited = tuple(notes[number] for number in claim.numbers if number in notes)
    return DeskClaim(claim.words, claim.is_available, claim.support, cited)


def on_one_line(words: str) -> str:
    """Return quoted words for places that show one line: table cells and line ends become commas and semicolons."""
    lines = []
    for line in words.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        told = ", ".join(cell for cell in cells if cell.strip("-: ")) if "|" in line else line.strip()
        if told:
            lines.append(told)
    return "; ".join(lines) if "|" in words else " ".join(lines)


def duration(milliseconds: float) -> str:
    """Return a duration for people: milliseconds below one second, then seconds with one decimal."""
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else f"{milliseconds / 1000:.1f} s"


def desk_turns(turns: Iterable[ShownTurn], viewer: Viewer) -> tuple[DeskTurn, ...]:
    """Return the turns with what was looked for and the feedback given, in a fixed number of queries for all of them."""
    turns = list(turns)
    looked = {
        turn.question.pk: Looked(filters=filters_from(turn.question.filters)) for turn in turns
    } | _looked([turn.question.pk for turn in turns], viewer)
    names = names_for(viewer, [one.filters for one in looked.values()])
    feedback = {
        f.answer_id: f
        for f in Feedback.objects.filter(answer__in=[t.answer_id for t in turns if t.answer_id])
    }
    return tuple(
        DeskTurn(
            turn.question,
            looked[turn.question.pk].searches,
            turn.answer,
            feedback.get(turn.answer_id) if turn.answer_id else None,
            in_words(looked[turn.question.pk].filters, names),
            looked[turn.question.pk].not_used,
        )
        for turn in turns
    )


def searches_of(question: Question, viewer: Viewer) -> tuple[Search, ...]:
    """Return a question's sub-queries as far as the record knows them."""
    return _looked([question.pk], viewer).get(question.pk, Looked()).searches


def _looked(questions: list[int], viewer: Viewer) -> dict[int, Looked]:
    plans: dict[int, dict[str, Any]] = {}  # Any: JSON values, here and below
    found: dict[int, dict[int, dict[str, Any]]] = {}
    steps = TraceStep.objects.filter(question_id__in=questions, name__in=["plan", "context"])
    for step in steps.order_by("question_id", "position"):
        shown = shown_step(step, viewer)
        if step.name == "plan":
            plans[step.question_id] = shown
        else:
            found[step.question_id] = {entry["number"]: entry for entry in shown["found"]}
    return {
        question: Looked(
            tuple(
                Search(
                    number=sub_query["number"],
                    text=sub_query["text"],
                    passages=found.get(question, {}).get(sub_query["number"], {}).get("passages", 0),
                    sources=tuple(found.get(question, {}).get(sub_query["number"], {}).get("sources", ())),
                    is_done=question in found,
                )
                for sub_query in plan["sub_queries"]
            ),
            filters_from(plan["filters"]),
            tuple(plan["filters_not_used"]),
        )
        for question, plan in plans.items()
    }


def own_conversation(user: User, conversation: UUID) -> Conversation:
    """Return a conversation of this person's own. Raises Http404 for anybody else's and for deleted ones."""
    return get_object_or_404(Conversation, public_id=conversation, owner=user, removed_at__isnull=True)


def own_question(user: User, question: UUID) -> Question:
    """Return a question of this person's own. Raises Http404 for anybody else's and for deleted conversations."""
    found = (
        Question.objects.select_related("conversation")
        .filter(public_id=question, conversation__owner=user, conversation__removed_at__isnull=True)
        .first()
    )
    if found is None:
        raise Http404
    return found


def box(picker: Picker, text: str = "", error: str = "") -> dict[str, object]:
    """Return what the question box needs: what to pick from, the words to keep in it and why they were not taken."""
    return {
        "picker": picker,
        "box_text": text,
        "box_error": error,
        "max_characters": settings.MAX_QUESTION_CHARACTERS,
    }
