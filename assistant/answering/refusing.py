"""A refusal in words: what was looked for, what of it stands nowhere near, what comes nearest, and what to do next."""

from collections.abc import Sequence, Set

from django.utils.text import get_text_list

from assistant.answering.parts import Found
from assistant.answering.sentences import Sentence, say_the_same, take
from assistant.types import Context, Nearest, Refusal
from retrieval.types import Plan

NEAREST = 3
NEAR = 0.25
"""Sentences that a refusal points to, and the cosine from which on one is near at all."""


def refusal_for(
    parts: Sequence[Found],
    plan: Plan,
    sentences: Sequence[Sentence],
    quoted: Set[tuple[int, int]],
    context: Context,
) -> Refusal:
    """Return the refusal in words. It speaks of what the viewer may read, and says the same when that is all there is.

    `sentences` are those of the context, `quoted` the places of those that answer another part: they are not pointed to.
    It is kept, so it says what was typed, also where that was read as a document's word.
    """
    missing = plan.words_as_typed(word for part in parts for word in part.missing or ())
    sources = tuple(dict.fromkeys(entry.passage.source_name for entry in context.ranked))
    if not context.items:
        reason = "Nothing in the documents you may read speaks of this."
    elif missing == ("not",):
        reason = "The passages found say what is the case; none says what is not, and that was the question."
    elif missing:
        words = get_text_list([f"“{word}”" for word in missing[:4]], "or")
        reason = f"The passages found that come nearest do not speak of {words}, so they do not state what you asked."
    else:
        reason = "The passages found do not state what you asked."
    return Refusal(
        looked_for=tuple(plan.as_typed(found.part.text) for found in parts),
        sources=sources,
        reason=reason,
        missing=() if missing == ("not",) else missing,
        advice=(
            "Ask with the words that a document about it would use, or ask for one thing at a time.",
            "If you expected an answer, ask whoever owns the topic whether it is written down.",
        ),
        nearest=_nearest(parts, sentences, quoted, context),
    )


def _nearest(
    parts: Sequence[Found], sentences: Sequence[Sentence], quoted: Set[tuple[int, int]], context: Context
) -> tuple[Nearest, ...]:
    """Return where the sentences stand that come nearest to these parts, the best first; what is far from all is none."""
    weighed = {scored.sentence.place: scored for part in parts for scored in part.scored}
    chosen: list[set[str]] = []
    taken = set(quoted)
    found: list[Nearest] = []
    for scored in sorted(weighed.values(), key=lambda scored: -scored.score):
        sentence, stems = scored.sentence, set(scored.sentence.stems)
        is_known = sentence.place in taken or any(say_the_same(stems, known) for known in chosen)
        if is_known or scored.features.get("meaning", 0.0) < NEAR:
            continue
        chosen.append(stems)
        start, end = take(sentence, sentences, taken)
        found.append(Nearest(context.ranked[sentence.passage_number].passage.chunk, start, end))
        if len(found) == NEAREST:
            break
    return tuple(found)
