"""What the trace keeps of each stage of answering: ids, offsets, scores and reasons as JSON; no words of any document."""

from accounts.canonical import digest_of_bytes
from assistant.types import Context, Draft, Record, Refusal, Screened, VerifiedAnswer


def record_of_screening(screened: Screened) -> Record:
    """Return what the trace keeps of the screening: the question's digest and what was noticed in it."""
    return {
        "characters": len(screened.text),
        "text_digest": digest_of_bytes(screened.text.encode()),
        "findings": [
            {"kind": f.kind, "what": f.what, "start": f.start, "end": f.end} for f in screened.findings
        ],
    }


def record_of_context(context: Context) -> Record:
    """Return what the trace keeps of the context: what is in it, and why each other passage is not."""
    return {
        "items": [
            {
                "number": item.number,
                "chunk": item.passage.chunk,
                "digest": item.passage.chunk_digest,
                "document": item.passage.document,
                "version": item.passage.version,
                "sub_queries": list(item.ranked.sub_queries),
                "tokens": item.tokens,
            }
            for item in context.items
        ],
        "left_out": [{"chunk": entry.chunk, "reason": entry.reason} for entry in context.left_out],
        "tokens": context.tokens,
    }


def record_of_draft(draft: Draft) -> Record:
    """Return what the trace keeps of a draft: what was chosen, and every sentence that was weighed and lost."""
    return {
        "outcome": draft.outcome,
        "method": draft.method,
        "stated": round(draft.stated, 4),
        "claims": [
            {
                "sub_queries": list(claim.sub_queries),
                "quotes": [{"chunk": q.chunk, "start": q.start, "end": q.end} for q in claim.quotes],
            }
            for claim in draft.claims
        ],
        "considered": [
            {
                "chunk": entry.chunk,
                "start": entry.start,
                "end": entry.end,
                "score": round(entry.score, 4),
                "features": {name: round(value, 4) for name, value in entry.features.items()},
                "lost": entry.lost,
            }
            for entry in draft.considered
        ],
        "refusal": record_of_refusal(draft.refusal),
    }


def record_of_verification(verified: VerifiedAnswer) -> Record:
    """Return what the trace keeps of the verification: which quotes stood, and which were struck and why."""
    return {
        "outcome": verified.outcome,
        "claims": [
            {"numbers": [q.number for q in claim.quotes], "support": claim.support}
            for claim in verified.claims
        ],
        "footnotes": [
            {
                "number": q.number,
                "chunk": q.chunk,
                "start": q.start,
                "end": q.end,
                "quote_digest": digest_of_bytes(q.text.encode()),
            }
            for q in verified.footnotes
        ],
        "struck": [
            {"chunk": s.chunk, "start": s.start, "end": s.end, "reason": s.reason} for s in verified.struck
        ],
    }


def record_of_clarification(asked_back: VerifiedAnswer) -> Record:
    """Return what the trace keeps of a question back."""
    return {
        "outcome": asked_back.outcome,
        "method": asked_back.method,
        "clarification": asked_back.clarification,
    }


def record_of_refusal(refusal: Refusal | None) -> Record:
    """Return a refusal as JSON, {} for none."""
    if refusal is None:
        return {}
    return {
        "looked_for": list(refusal.looked_for),
        "sources": list(refusal.sources),
        "reason": refusal.reason,
        "missing": list(refusal.missing),
        "advice": list(refusal.advice),
        "nearest": [{"chunk": n.chunk, "start": n.start, "end": n.end} for n in refusal.nearest],
    }
