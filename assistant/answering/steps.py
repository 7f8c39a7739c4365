"""Numbered steps: what answers a question of how something is done is the list, not one line of it."""

import re
from collections.abc import Iterator, Sequence

from ingestion.splitting import Span

ITEM = re.compile(r"\(?\d{1,2}[.)]\s+\S")
MOST_CHARACTERS = 1_200
"""Longest stretch of steps that is quoted as one; a longer list is cut between two of them."""


def with_steps_joined(text: str, sentences: Sequence[Span]) -> Iterator[tuple[Span, bool]]:
    """Yield a text's sentences in order, those of two or more steps that follow each other as one; and whether it is that."""
    rest = list(sentences)
    while rest:
        steps, count = _run(text, rest)
        if steps > 1:
            yield Span(rest[0].start, rest[count - 1].end), True
        else:
            yield rest[0], False
            count = 1
        del rest[:count]


def _run(text: str, sentences: Sequence[Span]) -> tuple[int, int]:
    """Return how many steps the sentences begin with, and how many sentences those are."""
    steps, count, end = 0, 0, sentences[0].start
    for number, span in enumerate(sentences):
        lines_between = text[end : span.start].count("\n")
        begins = bool(ITEM.match(text, span.start)) and (number == 0 or lines_between > 0)
        # What stands on a step's own line, or right below it, belongs to it.
        if not begins and (steps == 0 or lines_between > 1):
            break
        if begins:
            if span.end - sentences[0].start > MOST_CHARACTERS:
                break
            steps += 1
        count, end = number + 1, span.end
    return steps, count
