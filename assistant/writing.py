"""Stage 10: an answer becomes rows, after its footnotes have passed the gate once more."""

from collections.abc import Mapping
from dataclasses import replace

from accounts.canonical import digest_of_bytes, storable
from accounts.models import User
from accounts.viewer import viewer_of
from assistant import trace
from assistant.citations import mismatch, numbered
from assistant.models import Answer, Citation, Question
from assistant.records import record_of_refusal
from assistant.types import Record, Refusal, Struck, VerifiedAnswer
from retrieval.gate import pass_gate
from retrieval.types import Passage

WITHDRAWN = "What had been found is no longer among what you may read, so nothing is claimed. Ask again, or ask whoever owns the topic."


def write_answer(question: Question, verified: VerifiedAnswer, milliseconds: float) -> Answer:
    """Write the answer, its footnotes and the last step of the record; return the answer.

    Call it in the transaction that closes the question. Rights may have changed while the answer was being made, so the
    gate is asked again for every footnote, for the asker as the database has them now.
    """
    asker = User.objects.get(pk=question.conversation.owner_id)
    gated = pass_gate([quote.chunk for quote in verified.footnotes], viewer_of(asker))
    kept, struck = _still_permitted(verified, {p.chunk: p for p in gated.passages})
    answer = Answer.objects.create(
        question=question,
        outcome=kept.outcome,
        claims=[
            {"text": claim.text, "numbers": [q.number for q in claim.quotes], "support": claim.support}
            | ({"lacking": list(claim.lacking)} if claim.lacking else {})
            for claim in kept.claims
        ],
        refusal=storable(record_of_refusal(kept.refusal)),
        clarification=kept.clarification,
        method=kept.method,
        milliseconds=round(milliseconds, 1),
    )
    citations = [
        Citation(
            answer=answer,
            number=quote.number,
            chunk_id=quote.chunk,
            chunk_digest=quote.chunk_digest,
            document_id=quote.document,
            version_id=quote.version,
            start=quote.start,
            end=quote.end,
            quote_digest=digest_of_bytes(quote.text.encode()),
        )
        for quote in kept.footnotes
    ]
    Citation.objects.bulk_create(citations)
    details: Record = {
        **trace.record_of_answer(answer, citations),
        "withheld": [{"chunk": w.chunk, "document": w.document, "reason": w.reason} for w in gated.withheld],
        "struck": [{"chunk": s.chunk, "start": s.start, "end": s.end, "reason": s.reason} for s in struck],
    }
    trace.append(question, "record", details, milliseconds)
    return answer


def _still_permitted(
    verified: VerifiedAnswer, passages: Mapping[int, Passage]
) -> tuple[VerifiedAnswer, list[Struck]]:
    struck: list[Struck] = []
    claims = []
    for claim in verified.claims:
        quotes = []
        for quote in claim.quotes:
            passage = passages.get(quote.chunk)
            reason = mismatch(quote, passage) if passage else "withheld at the moment of writing"
            if reason:
                struck.append(Struck(quote.chunk, quote.start, quote.end, reason))
            else:
                quotes.append(quote)
        # Prose rests on all of its words together; a quote stands as long as one of its places does.
        if quotes and (claim.text is None or len(quotes) == len(claim.quotes)):
            claims.append(replace(claim, quotes=tuple(quotes)))
    if not struck:
        return verified, []
    if not claims:
        refusal = Refusal((), (), WITHDRAWN)
        return numbered(replace(verified, refusal=refusal), [], struck), struck
    return numbered(verified, claims, struck), struck
