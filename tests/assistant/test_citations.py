"""Verification: every quote stands where it says it stands, or it is struck."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.citations import mismatch, verify
from assistant.context import build_context
from assistant.types import Claim, Context, Draft, Quote
from ingestion.models import Chunk
from retrieval.gate import pass_gate
from retrieval.types import Passage, Ranked
from tests.world import World


@pytest.fixture
def context(world: World) -> Context:
    """What alice may read, as a context."""
    gated = pass_gate(list(Chunk.objects.order_by("pk").values_list("pk", flat=True)), world.viewer("alice"))
    return build_context(
        [Ranked(p, 1.0 - n / 100, (1,), None) for n, p in enumerate(gated.passages)], world.viewer("alice")
    )


def quote_of(passage: Passage, start: int, end: int) -> Quote:
    """Return the quote of a passage's characters start to end."""
    return Quote(
        0, passage.chunk, passage.chunk_digest, passage.document, passage.version,
        passage.start + start, passage.start + end, passage.text[start:end],
    )  # fmt: skip


def draft_of(*claims: Claim) -> Draft:
    return Draft("answered", claims)


def test_true_quotes_are_numbered_in_order_of_appearance(context: Context) -> None:
    first, second = context.items[0].passage, context.items[1].passage
    draft = draft_of(
        Claim(None, (quote_of(second, 0, 10),)),
        Claim(None, (quote_of(first, 0, 10), quote_of(second, 0, 10))),
        Claim(None, (quote_of(first, 0, 11),)),
    )
    verified = verify(draft, context)
    assert [[q.number for q in claim.quotes] for claim in verified.claims] == [[1], [2, 1], [3]]
    assert [q.number for q in verified.footnotes] == [1, 2, 3]
    assert verified.struck == ()


def test_a_quote_that_does_not_match_is_struck_and_the_claim_lives_on_the_rest(context: Context) -> None:
    passage = context.items[0].passage
    false = replace(quote_of(passage, 0, 10), text="something!")
    verified = verify(draft_of(Claim(None, (false, quote_of(passage, 11, 20)))), context)
    assert [q.text for q in verified.footnotes] == [passage.text[11:20]]
    assert [s.reason for s in verified.struck] == ["the words are not those of the passage"]


def test_a_claim_without_any_true_quote_is_struck_and_the_answer_becomes_a_refusal(context: Context) -> None:
    false = replace(quote_of(context.items[0].passage, 0, 10), text="something!")
    verified = verify(
        draft_of(Claim("Prose about it.", (false,)), Claim("Prose about nothing.", ())), context
    )
    assert (verified.outcome, verified.claims, verified.footnotes) == ("refused", (), ())
    assert verified.refusal is not None


def test_prose_that_lost_a_footnote_is_only_partly_supported(context: Context) -> None:
    passage = context.items[0].passage
    false = replace(quote_of(passage, 0, 10), start=passage.start + 1, end=passage.start + 11)
    verified = verify(draft_of(Claim("Prose.", (quote_of(passage, 0, 9), false))), context)
    assert verified.claims[0].support == "partial"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"chunk": 999_999}, "the passage is not part of the evidence"),
        ({"document": 999_999}, "the passage belongs to another document or version"),
        ({"version": 999_999}, "the passage belongs to another document or version"),
        ({"chunk_digest": "sha256:" + "0" * 64}, "the passage's digest is another"),
        ({"end": 10_000_000}, "the quote lies outside the passage"),
        ({"start": -1}, "the quote lies outside the passage"),
    ],
)
def test_whatever_is_changed_about_a_quote_strikes_it(
    context: Context, changed: dict[str, int], reason: str
) -> None:
    quote = replace(quote_of(context.items[0].passage, 0, 10), **changed)  # type: ignore[arg-type]
    verified = verify(draft_of(Claim(None, (quote,))), context)
    assert verified.struck[0].reason == reason


def test_a_passage_whose_text_is_not_what_its_digest_says_supports_nothing(context: Context) -> None:
    passage = context.items[0].passage
    tampered = replace(passage, text=passage.text.replace("e", "3"))
    assert mismatch(quote_of(tampered, 0, 10), tampered) == "the passage's text does not have its digest"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
def test_a_quote_is_kept_exactly_when_its_words_stand_at_its_place(
    context: Context, data: st.DataObject
) -> None:
    passage = data.draw(st.sampled_from([item.passage for item in context.items]))
    start = data.draw(st.integers(-3, len(passage.text) + 3))
    end = data.draw(st.integers(-3, len(passage.text) + 3))
    words = data.draw(st.one_of(st.just(passage.text[max(0, start) : max(0, end)]), st.text(max_size=12)))
    quote = replace(quote_of(passage, 0, 1), start=passage.start + start, end=passage.start + end, text=words)
    stands = (
        0 <= start < end <= len(passage.text) and passage.text[start:end] == words and bool(words.strip())
    )
    verified = verify(draft_of(Claim(None, (quote,))), context)
    assert bool(verified.footnotes) is stands
    assert bool(verified.struck) is not stands


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_footnotes_count_from_one_without_gaps_and_each_place_has_one(
    context: Context, data: st.DataObject
) -> None:
    def a_quote() -> Quote:
        passage = data.draw(st.sampled_from([item.passage for item in context.items[:3]]))
        return quote_of(passage, 0, data.draw(st.integers(1, 4)))

    claims = [Claim(None, tuple(a_quote() for _ in range(data.draw(st.integers(0, 3))))) for _ in range(4)]
    verified = verify(draft_of(*claims), context)
    assert [q.number for q in verified.footnotes] == list(range(1, len(verified.footnotes) + 1))
    places = [(q.chunk, q.start, q.end) for q in verified.footnotes]
    assert len(set(places)) == len(places)
    assert {q for claim in verified.claims for q in claim.quotes} == set(verified.footnotes)
