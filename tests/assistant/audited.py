"""A question answered with its whole record, the audit's events included, without an index or a model."""

from collections.abc import Sequence

from accounts.audit import By, record
from accounts.models import User
from assistant import actions, trace
from assistant.auditing.stored import Json
from assistant.models import Question
from assistant.records import record_of_verification
from assistant.types import Claim, Quote, Refusal, VerifiedAnswer
from assistant.writing import write_answer
from ingestion.models import Chunk, Document
from retrieval.types import Withheld


def answered(
    asker: User,
    text: str,
    cited: Sequence[tuple[Document, str]],
    *,
    lost: Sequence[Document] = (),
    withheld: Sequence[tuple[Document, str]] = (),
    prose: str | None = None,
) -> Question:
    """Return a question answered from the cited (document, words), with others that lost or were withheld."""
    question = actions.ask(by=By.user(asker), user=asker, conversation=None, text=text)
    quotes = [_quote(number, document, words) for number, (document, words) in enumerate(cited, start=1)]
    kept = [Withheld(_first(document).pk, document.pk, reason) for document, reason in withheld]
    _retrieve(question, quotes, [_first(document) for document in lost], kept)
    claims = tuple(Claim(prose, (quote,)) for quote in quotes)
    verified = VerifiedAnswer("answered" if quotes else "refused", claims, tuple(quotes))
    if not quotes:
        refusal = Refusal((text,), ("Handbook",), "Nothing speaks of it.", missing=("gardens",))
        verified = VerifiedAnswer("refused", (), (), refusal)
    trace.append(question, "verify", record_of_verification(verified), 0.4)
    answer = write_answer(question, verified, 431.0)
    state = Question.State.ANSWERED if answer.outcome == "answered" else Question.State.REFUSED
    return end(question, state, By.user(asker))


def end(question: Question, state: Question.State, by: By) -> Question:
    """Close a question and have the audit name its last step."""
    question.state = state
    question.save(update_fields=["state"])
    record(
        trace.ENDINGS[state],
        by=by,
        subject=f"question:{question.public_id}",
        details={"last_digest": trace.last_digest(question)},
    )
    return question


def _retrieve(
    question: Question, quotes: Sequence[Quote], lost: Sequence[Chunk], withheld: Sequence[Withheld]
) -> None:
    found = [(quote.chunk, quote.document) for quote in quotes]
    found += [(chunk.pk, chunk.version.document_id) for chunk in lost]
    proposed = [*found, *((w.chunk, w.document or 0) for w in withheld)]
    candidates = [
        {"chunk": chunk, "document": document, "dense": 0.5, "keyword": None if n else 8.5, "fused": 0.9}
        for n, (chunk, document) in enumerate(proposed)
    ]
    kept = [{"chunk": w.chunk, "document": w.document, "reason": w.reason} for w in withheld]
    ranked = [
        {"chunk": chunk, "document": document, "score": 1.1, "features": {"fused": 0.9, "coverage": 0.4}}
        for chunk, document in found
    ]
    items = [
        {"number": q.number, "chunk": q.chunk, "document": q.document, "sub_queries": [1], "tokens": 31}
        for q in quotes
    ]
    steps: list[tuple[str, Json]] = [
        ("screen", {"characters": len(question.text), "findings": []}),
        ("plan", {"rule": "one question", "standalone": question.text, "sub_queries": [{"number": 1, "text": question.text}]}),
        ("search", {"reach": {"policies": 3, "sources": 2}, "sub_queries": [{"number": 1, "candidates": candidates}]}),
        ("gate", {"passed": [{"chunk": chunk, "through": [["everyone"]]} for chunk, _ in found], "withheld": kept}),
        ("bridge", {"bridges": [], "passed": [], "withheld": []}),
        ("rerank", {"ranked": ranked}),
        ("context", {"items": items, "left_out": [{"chunk": c.pk, "reason": "below the cut"} for c in lost], "tokens": 62}),
        ("answer", {"outcome": "answered", "method": "extractive", "stated": 0.8, "claims": [{} for _ in quotes], "considered": []}),
    ]  # fmt: skip
    for name, kept_of_it in steps:
        trace.append(question, name, kept_of_it, 1.5)


def _first(document: Document) -> Chunk:
    chunk: Chunk = (
        Chunk.objects.filter(version=document.current_version).select_related("version").earliest("ordinal")
    )
    return chunk


def _quote(number: int, document: Document, words: str) -> Quote:
    chunk = Chunk.objects.get(version=document.current_version, text__contains=words)
    start = chunk.start + chunk.text.index(words)
    return Quote(
        number, chunk.pk, chunk.digest, document.pk, chunk.version_id, start, start + len(words), words
    )
