"""What was asked and answered before, as this viewer may see it now: every word passes the gate again each time.

An answer keeps no words, only where they stand. Words whose document the viewer may no longer read are gone; words that
a newer version of the document still holds are shown from there; words it no longer holds are not shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from accounts.viewer import Viewer
from assistant.models import Answer, Citation, Conversation, Question
from assistant.types import Refusal, Support
from ingestion.explain import why_readable
from ingestion.models import Document
from ingestion.tables import begins_within
from retrieval.gate import pass_gate, standing_words
from retrieval.types import Passage, Turn

# Further back, earlier turns change nothing about what a follow-up means.
TURNS = 6
REWORDED = "What do you mean? Ask again in full, and it is looked for."


@dataclass(frozen=True)
class ShownCitation:
    """A footnote as this viewer may see it now. When `is_available` is False every field after it is empty.

    `table_head` is the first row of the table that the quote is of, where it does not hold it: a row means little without.
    `document` is the public id, for links; `start` and `end` are offsets into the text of the version on show, and
    `has_moved` says that the words were cited from an earlier version. `why` are sentences.
    """

    number: int
    public_id: str
    is_available: bool
    quote: str = ""
    table_head: str = ""
    title: str = ""
    source: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    dated: date | None = None
    author: str = ""
    document: str = ""
    start: int = 0
    end: int = 0
    is_superseded: bool = False
    has_moved: bool = False
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShownClaim:
    """A sentence of an answer. `words` is empty when it is no longer available to this viewer, and so is `lacking` then.

    `lacking` are words of the question that stand nowhere near the sentence.
    """

    words: str
    numbers: tuple[int, ...]
    support: Support
    lacking: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        return bool(self.words)


@dataclass(frozen=True)
class ShownAnswer:
    """An answer as this viewer may see it now."""

    outcome: str
    claims: tuple[ShownClaim, ...]
    citations: tuple[ShownCitation, ...]
    refusal: Refusal | None
    clarification: str
    method: str
    milliseconds: float
    sources: tuple[str, ...]
    suggestions: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return all(claim.is_available for claim in self.claims)


@dataclass(frozen=True)
class ShownTurn:
    """A question and, once there is one, its answer as this viewer may see it now."""

    question: Question
    answer: ShownAnswer | None
    answer_id: int | None = None


def shown_turns(conversation: Conversation, viewer: Viewer) -> tuple[ShownTurn, ...]:
    """Return the conversation's turns, oldest first, as the viewer may see them now. Suggestions only for the last."""
    questions = list(conversation.questions.order_by("position"))
    answers = _answers(questions)
    words = _Words(answers.values(), viewer)
    turns = []
    for question in questions:
        answer = answers.get(question.pk)
        shown = _shown(answer, words, question is questions[-1], viewer) if answer else None
        turns.append(ShownTurn(question, shown, answer.pk if answer else None))
    return tuple(turns)


def shown_answer(answer: Answer, viewer: Viewer) -> ShownAnswer:
    """Return one answer as the viewer may see it now."""
    return _shown(answer, _Words([answer], viewer), True, viewer)


def visible_turns(conversation: Conversation, viewer: Viewer) -> tuple[Turn, ...]:
    """Return what of a conversation may enter the next question: the last turns' words that pass the gate now."""
    return _turns(list(conversation.questions.order_by("position")), viewer)


def turns_before(question: Question, viewer: Viewer) -> tuple[Turn, ...]:
    """Return what of the conversation may enter the answering of this question: turns before it, re-gated."""
    earlier = Question.objects.filter(
        conversation_id=question.conversation_id, position__lt=question.position
    ).order_by("position")
    return _turns(list(earlier), viewer)


def _turns(questions: Sequence[Question], viewer: Viewer) -> tuple[Turn, ...]:
    recent = [q for q in questions if q.state != Question.State.RUNNING][-TURNS:]
    answers = _answers(recent)
    words = _Words(answers.values(), viewer)
    return tuple(_turn(question, answers.get(question.pk), words, viewer) for question in recent)


def _turn(question: Question, answer: Answer | None, words: "_Words", viewer: Viewer) -> Turn:
    asked_back = _clarification(answer, viewer) if answer else ""
    return Turn(question.text, _text_of(answer, words), asked_back)


def _text_of(answer: Answer | None, words: "_Words") -> str:
    if answer is None:
        return ""
    return " ".join(filter(None, (words.of_claim(answer, claim) for claim in answer.claims)))


def _answers(questions: Iterable[Question]) -> dict[int, Answer]:
    found = Answer.objects.filter(question__in=list(questions)).prefetch_related("citations")
    return {answer.question_id: answer for answer in found}


class _Words:
    """The words behind the footnotes of some answers, read through the gate once for all of them."""

    def __init__(self, answers: Iterable[Answer], viewer: Viewer) -> None:
        self.citations: dict[int, dict[int, Citation]] = {
            answer.pk: {c.number: c for c in answer.citations.all()} for answer in answers
        }
        every = [c for of_answer in self.citations.values() for c in of_answer.values()]
        gated = pass_gate([c.chunk_id for c in every], viewer)
        current = {passage.chunk: passage for passage in gated.passages}
        self.placed: dict[int, tuple[Passage, int, int]] = {}
        moved = []
        for citation in every:
            passage = current.get(citation.chunk_id)
            if passage is not None:
                self.placed[citation.pk] = (passage, citation.start, citation.end)
            else:
                moved.append(citation)
        wanted = [(c.chunk_id, c.start, c.end) for c in moved]
        for citation, place in zip(moved, standing_words(wanted, viewer), strict=True):
            if place is not None:
                self.placed[citation.pk] = place

    @property
    def is_whole(self) -> bool:
        """Whether all the words may be read now."""
        return all(c.pk in self.placed for of_answer in self.citations.values() for c in of_answer.values())

    def of(self, citation: Citation) -> str:
        """Return the quoted words, or "" when the viewer may not read them now."""
        place = self.placed.get(citation.pk)
        if place is None:
            return ""
        passage, start, end = place
        return passage.text[start - passage.start : end - passage.start]

    def of_claim(self, answer: Answer, claim: dict[str, object]) -> str:
        """Return what a claim says, "" when none of the words it rests on may be read now."""
        numbers = claim.get("numbers")
        cited = [self.citations[answer.pk].get(n) for n in numbers] if isinstance(numbers, list) else []
        words = [text for citation in cited if citation and (text := self.of(citation))]
        if not words:
            return ""
        prose = claim.get("text")
        # Prose rests on all of its footnotes; a quote is any one of them, since they say the same.
        if isinstance(prose, str):
            return prose if len(words) == len(cited) else ""
        return words[0]


def _shown(answer: Answer, words: _Words, is_last: bool, viewer: Viewer) -> ShownAnswer:
    from assistant.suggestions import follow_ups

    citations = tuple(
        _shown_citation(citation, words) for _, citation in sorted(words.citations[answer.pk].items())
    )
    citations = _with_reasons(citations, viewer)
    claims = tuple(_shown_claim(claim, words.of_claim(answer, claim)) for claim in answer.claims)
    return ShownAnswer(
        outcome=answer.outcome,
        claims=claims,
        citations=citations,
        refusal=_refusal(answer, viewer),
        clarification=_clarification(answer, viewer),
        method=answer.method,
        milliseconds=answer.milliseconds,
        sources=tuple(dict.fromkeys(c.source for c in citations if c.is_available)),
        suggestions=follow_ups([c.document for c in citations if c.is_available], viewer, answer.question)
        if is_last
        else (),
    )


def _shown_claim(claim: Mapping[str, Any], words: str) -> ShownClaim:  # Any: JSON values
    # What a text does not say is said of its words too.
    lacking = tuple(claim.get("lacking", ())) if words else ()
    return ShownClaim(words, tuple(claim["numbers"]), claim["support"], lacking)


def _shown_citation(citation: Citation, words: _Words) -> ShownCitation:
    place = words.placed.get(citation.pk)
    if place is None:
        return ShownCitation(citation.number, str(citation.public_id), False)
    passage, start, end = place
    return ShownCitation(
        number=citation.number,
        public_id=str(citation.public_id),
        is_available=True,
        quote=words.of(citation),
        table_head=passage.table_head if begins_within(passage.text, end - passage.start) else "",
        title=passage.title,
        source=passage.source_name,
        headings=passage.headings,
        page=passage.page,
        dated=passage.dated,
        author=passage.author,
        document=passage.document_public_id,
        start=start,
        end=end,
        is_superseded=passage.is_superseded,
        has_moved=passage.version != citation.version_id,
    )


def _with_reasons(citations: tuple[ShownCitation, ...], viewer: Viewer) -> tuple[ShownCitation, ...]:
    """Add why the viewer may read each cited document, asked once per document."""
    ids = {c.document for c in citations if c.is_available}
    documents = Document.objects.visible_to(viewer).filter(public_id__in=ids)
    related = documents.select_related("policy", "source__policy")
    why = {str(document.public_id): why_readable(viewer, document) for document in related}
    return tuple(replace(c, why=why.get(c.document, ())) if c.is_available else c for c in citations)


def _clarification(answer: Answer, viewer: Viewer) -> str:
    """Return what was asked back. A model may have taken words of earlier answers into it: then they must all be readable."""
    if not answer.clarification or answer.method == "extractive":
        return answer.clarification
    question = answer.question
    earlier = Answer.objects.filter(
        question__conversation_id=question.conversation_id, question__position__lt=question.position
    ).prefetch_related("citations")
    return answer.clarification if _Words(earlier, viewer).is_whole else REWORDED


def _refusal(answer: Answer, viewer: Viewer) -> Refusal | None:
    kept = answer.refusal
    if not kept:
        return None
    names = list(kept.get("sources", ()))
    # A source's name is shown to those who may read something in it, now as then.
    readable = Document.objects.visible_to(viewer).filter(source__name__in=names)
    still = set(readable.order_by().values_list("source__name", flat=True).distinct())
    return Refusal(
        looked_for=tuple(kept.get("looked_for", ())),
        sources=tuple(name for name in names if name in still),
        reason=kept.get("reason", ""),
        missing=tuple(kept.get("missing", ())),
        advice=tuple(kept.get("advice", ())),
    )
