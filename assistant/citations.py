"""Stage 9: nothing is said that its footnote does not hold, character for character.

A quote that does not stand where it says it stands is struck; a claim that no verified quote supports is struck with
it; what remains is numbered in the order in which a reader meets it.
"""

from collections.abc import Mapping
from dataclasses import replace

from accounts.canonical import digest_of_bytes
from assistant.types import Claim, Context, Draft, Quote, Refusal, Struck, VerifiedAnswer
from retrieval.types import Passage

Place = tuple[int, int, int]
"""Chunk, start, end: two quotes at the same place are one footnote."""


def verify(draft: Draft, context: Context) -> VerifiedAnswer:
    """Return the draft with every quote checked against the context's passages, numbered, the rest struck."""
    passages = {item.passage.chunk: item.passage for item in context.items}
    struck: list[Struck] = []
    claims: list[Claim] = []
    for claim in draft.claims:
        quotes = tuple(quote for quote in claim.quotes if _stands(quote, passages, struck))
        if not quotes:
            struck.extend(
                Struck(q.chunk, q.start, q.end, "no verified words support the claim")
                for q in claim.quotes[:1]
            )
            continue
        # Prose that lost one of its footnotes is no longer wholly supported by what remains.
        lost_one = claim.text is not None and len(quotes) < len(claim.quotes)
        claims.append(replace(claim, quotes=quotes, support="partial" if lost_one else claim.support))
    return numbered(draft, claims, struck)


def numbered(draft: Draft | VerifiedAnswer, claims: list[Claim], struck: list[Struck]) -> VerifiedAnswer:
    """Return an answer whose footnotes count from 1 in order of appearance; without claims it is a refusal."""
    numbers: dict[Place, int] = {}
    footnotes: list[Quote] = []
    renumbered: list[Claim] = []
    for claim in claims:
        quotes: dict[Place, Quote] = {}
        for quote in claim.quotes:
            place = (quote.chunk, quote.start, quote.end)
            if place not in numbers:
                numbers[place] = len(numbers) + 1
                footnotes.append(replace(quote, number=numbers[place]))
            quotes[place] = replace(quote, number=numbers[place])
        renumbered.append(replace(claim, quotes=tuple(quotes.values())))
    if not renumbered:
        refusal = draft.refusal or Refusal(
            (), (), "None of what was found could be verified, so nothing is claimed."
        )
        return VerifiedAnswer("refused", (), (), refusal, draft.method, tuple(struck))
    return VerifiedAnswer(
        "answered", tuple(renumbered), tuple(footnotes), draft.refusal, draft.method, tuple(struck)
    )


def _stands(quote: Quote, passages: Mapping[int, Passage], struck: list[Struck]) -> bool:
    reason = mismatch(quote, passages.get(quote.chunk))
    if reason:
        struck.append(Struck(quote.chunk, quote.start, quote.end, reason))
    return not reason


def mismatch(quote: Quote, passage: Passage | None) -> str:
    """Return why a quote does not stand in a passage, "" when it does."""
    if passage is None:
        return "the passage is not part of the evidence"
    if (quote.document, quote.version) != (passage.document, passage.version):
        return "the passage belongs to another document or version"
    if quote.chunk_digest != passage.chunk_digest:
        return "the passage's digest is another"
    if digest_of_bytes(passage.text.encode()) != passage.chunk_digest:
        return "the passage's text does not have its digest"
    if not passage.start <= quote.start < quote.end <= passage.end:
        return "the quote lies outside the passage"
    if passage.text[quote.start - passage.start : quote.end - passage.start] != quote.text:
        return "the words are not those of the passage"
    if not quote.text.strip():
        return "the quote holds no words"
    return ""
