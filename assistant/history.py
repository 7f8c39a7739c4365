"""What was asked and answered before, as this viewer may see it now: every word passes the gate again each time.

An answer keeps no words, only where they stand. Words whose document the viewer may no longer read are gone; words that
a newer version of the document still holds are shown from there; words it no longer holds are not shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from accounts.viewer import Viewer
from assistant.models import Answer, Citation, Conversation, Question
from assistant.shown import ShownAnswer, ShownCitation, ShownClaim, ShownPlace, ShownRefusal, ShownTurn
from ingestion.explain import why_readable
from ingestion.models import Document
from ingestion.tables import begins_within
from retrieval.gate import pass_gate, standing_words
from retrieval.types import Passage, Turn

# Further back, earlier turns change nothing about what a follow-up means.
TURNS = 6
REWORDED = "What do you mean? Ask again in full, and it is looked for."


def shown_turns(conversation: Conversation, viewer: Viewer) -> tuple[ShownTurn, ...]:
    """Return the conversation's turns, oldest first, as the viewer may see them now. Suggestions only for the last."""
    questions = list(conversation.questions.order_by("position"))
    answers = _answers(questions)
    words = _Words(answers.values(), viewer)
    turns = []
    for question in questions:
        answer = answers.get(question.pk)
        shown = _answer(answer, words, question is questions[-1], viewer) if answer else None
        turns.append(ShownTurn(question, shown, answer.pk if answer else None))
    return tuple(turns)


def shown_answer(answer: Answer, viewer: Viewer) -> ShownAnswer:
    """Return one answer as the viewer may see it now."""
    return _answer(answer, _Words([answer], viewer), True, viewer)


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


Place = tuple[int, int, int]
"""Chunk, start, end."""


class _Words:
    """The words behind the footnotes of some answers and behind what their refusals point to, read through the gate once."""

    def __init__(self, answers: Iterable[Answer], viewer: Viewer) -> None:
        answers = list(answers)
        self.citations: dict[int, dict[int, Citation]] = {
            answer.pk: {c.number: c for c in answer.citations.all()} for answer in answers
        }
        cited = [_place_of(c) for of_answer in self.citations.values() for c in of_answer.values()]
        near = [place for answer in answers for place in _nearest_of(answer)]
        places = list(dict.fromkeys([*cited, *near]))
        gated = pass_gate([chunk for chunk, _, _ in places], viewer)
        current = {passage.chunk: passage for passage in gated.passages}
        self.placed: dict[Place, tuple[Passage, int, int]] = {}
        moved = []
        for place in places:
            chunk, start, end = place
            if chunk in current:
                self.placed[place] = (current[chunk], start, end)
            else:
                moved.append(place)
        for place, standing in zip(moved, standing_words(moved, viewer), strict=True):
            if standing is not None:
                self.placed[place] = standing

    @property
    def is_whole(self) -> bool:
        """Whether all the words may be read now."""
        return all(
            _place_of(c) in self.placed for of_answer in self.citations.values() for c in of_answer.values()
        )

    def of(self, citation: Citation) -> str:
        """Return the quoted words, or "" when the viewer may not read them now."""
        place = self.placed.get(_place_of(citation))
        return "" if place is None else _between(*place)

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


def _answer(answer: Answer, words: _Words, is_last: bool, viewer: Viewer) -> ShownAnswer:
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
        refusal=_refusal(answer, words, viewer),
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
    place = words.placed.get(_place_of(citation))
    if place is None:
        return ShownCitation(citation.number, str(citation.public_id), False)
    return ShownCitation(
        number=citation.number,
        public_id=str(citation.public_id),
        is_available=True,
        has_moved=place[0].version != citation.version_id,
        **vars(_shown_place(*place)),
    )


def _shown_place(passage: Passage, start: int, end: int) -> ShownPlace:
    """Return words in a passage with where they stand."""
    return ShownPlace(
        quote=_between(passage, start, end),
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
    )


def _between(passage: Passage, start: int, end: int) -> str:
    return passage.text[start - passage.start : end - passage.start]


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


def _refusal(answer: Answer, words: _Words, viewer: Viewer) -> ShownRefusal | None:
    kept = answer.refusal
    if not kept:
        return None
    names = list(kept.get("sources", ()))
    # A source's name is shown to those who may read something in it, now as then.
    readable = Document.objects.visible_to(viewer).filter(source__name__in=names)
    still = set(readable.order_by().values_list("source__name", flat=True).distinct())
    places = (words.placed.get(place) for place in _nearest_of(answer))
    return ShownRefusal(
        looked_for=tuple(kept.get("looked_for", ())),
        sources=tuple(name for name in names if name in still),
        reason=kept.get("reason", ""),
        missing=tuple(kept.get("missing", ())),
        advice=tuple(kept.get("advice", ())),
        nearest=tuple(_shown_place(*place) for place in places if place is not None),
    )


def _place_of(citation: Citation) -> Place:
    return citation.chunk_id, citation.start, citation.end


def _nearest_of(answer: Answer) -> list[Place]:
    return [(place["chunk"], place["start"], place["end"]) for place in answer.refusal.get("nearest", ())]
