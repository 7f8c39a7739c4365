"""Cut a document's text into chunks of whole sentences that know exactly where they came from.

Every span is a pair of character offsets into the text it was cut from, so `text[start:end]` is the chunk, to the
character. Citations are checked against these offsets later, which is why nothing here rewrites the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from ingestion.splitting import Span, split_sentences
from ingestion.tables import heads_of
from ingestion.tokens import TokenCounter, count_tokens

CHUNK_TOKENS = 192
"""Most tokens in one chunk; with a title and headings before it, it stays within the 256 the model reads."""

TINY_TOKENS = 24
"""A section with fewer tokens than this (a lone heading, a page number) joins its neighbour on the same page."""

_BOUNDARY_HEADINGS = 2
"""Headings of level 1 and 2 are changes of subject; a chunk does not run across one."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a text that lies on one page under one heading path (outermost heading first)."""

    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """A chunk as character offsets, with its page and the heading path most of it lies under.

    `table_head` is the first row of the table in the middle of which it begins; "" where it does not.
    """

    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    table_head: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Sections that may share a chunk."""

    start: int
    end: int
    sections: tuple[Section, ...]


def chunk_text(
    text: str,
    breaks: Sequence[Section] = (),
    *,
    limit_tokens: int = CHUNK_TOKENS,
    language: str = "english",
) -> list[ChunkSpan]:
    """Return sentence-aligned chunks of at most `limit_tokens` word pieces each.

    `breaks` are the document's sections in order, without overlap; text outside them counts as a section without
    page or heading. A chunk never crosses a page, and crosses a heading of level 1 or 2 only to take in a section
    too small to stand alone. A single sentence longer than the limit is cut at whitespace.
    Raises ValueError when sections overlap, are out of order or reach outside the text.
    """
    if limit_tokens < 1:
        raise ValueError(f"limit_tokens must be at least 1, not {limit_tokens}.")
    chunks: list[ChunkSpan] = []
    for group in _groups(text, _sections(text, breaks)):
        counter = TokenCounter(text, group.start, group.end)
        sentences: list[Span] = []
        for section in group.sections:
            inside = text[section.start : section.end]
            for span in split_sentences(inside, language=language):
                whole = Span(section.start + span.start, section.start + span.end)
                sentences.extend(_within(text, whole, limit_tokens, counter))
        heads = heads_of(_lines(text, sentences))
        for first, last in _packed(text, sentences, heads, limit_tokens, counter):
            start, end = sentences[first].start, sentences[last].end
            where = _main_section(group.sections, start, end)
            chunks.append(ChunkSpan(start, end, where.page, where.headings, heads[first]))
    return chunks


def _lines(text: str, sentences: Sequence[Span]) -> Iterator[tuple[str, bool]]:
    """Yield each sentence's text, and whether it stands on the line below the one before."""
    end = 0
    for span in sentences:
        between = text[end : span.start]
        yield text[span.start : span.end], not between.strip() and between.count("\n") == 1
        end = span.end


def embedding_text(title: str, headings: Sequence[str], text: str, table_head: str = "") -> str:
    """Return what is embedded and indexed for keywords: the title and heading path, the head of the table that the chunk begins in, the chunk."""
    path: list[str] = []
    for name in (title, *headings):
        name = " ".join(name.split())
        if name and name not in path:
            path.append(name)
    return "\n".join(filter(None, (" > ".join(path), table_head, text)))


def _within(text: str, sentence: Span, limit: int, counter: TokenCounter) -> Iterator[Span]:
    """Cut a sentence that alone exceeds the token limit at whitespace."""
    if counter.count(sentence.start, sentence.end) <= limit:
        yield sentence
        return
    start = sentence.start
    end = start
    for word in _WORD.finditer(text, sentence.start, sentence.end):
        if end > start and counter.count(start, word.end()) > limit:
            yield Span(start, end)
            start = word.start()
        end = word.end()
    yield Span(start, end)


def _sections(text: str, breaks: Sequence[Section]) -> list[Section]:
    """Return the sections with the gaps between them filled, so that no text is lost."""
    filled: list[Section] = []
    position = 0
    for section in breaks:
        if section.start < position or section.end < section.start or section.end > len(text):
            raise ValueError(
                f"Section {section.start}-{section.end} overlaps another, is out of order, or reaches outside the text."
            )
        if text[position : section.start].strip():
            filled.append(Section(position, section.start))
        if section.end > section.start:
            filled.append(section)
        position = section.end
    if text[position:].strip():
        filled.append(Section(position, len(text)))
    return filled


def _groups(text: str, sections: Sequence[Section]) -> list[_Group]:
    """Join neighbouring sections that may share a chunk."""
    groups: list[list[Section]] = []
    for section in sections:
        if groups and _same_subject(groups[-1][-1], section):
            groups[-1].append(section)
        else:
            groups.append([section])
    joined: list[list[Section]] = []
    for position, group in enumerate(groups):
        if (
            joined
            and joined[-1][-1].page == group[0].page
            and _belong_together(text, joined[-1], groups, position)
        ):
            joined[-1].extend(group)
        else:
            joined.append(group)
    return [_Group(group[0].start, group[-1].end, tuple(group)) for group in joined]


def _belong_together(
    text: str, before: Sequence[Section], groups: Sequence[Sequence[Section]], position: int
) -> bool:
    """Tell whether one of two neighbours on a page is too small to stand alone."""
    if _is_tiny(text, before):
        return True
    group = groups[position]
    if not _is_tiny(text, group):
        return False
    if position + 1 < len(groups):
        after, path = groups[position + 1][0], group[-1].headings
        # A heading with nothing under it but its first subheading belongs to what follows.
        if after.page == group[-1].page and path and after.headings[: len(path)] == path:
            return False
    return True


def _same_subject(left: Section, right: Section) -> bool:
    return (
        left.page == right.page and left.headings[:_BOUNDARY_HEADINGS] == right.headings[:_BOUNDARY_HEADINGS]
    )


def _is_tiny(text: str, sections: Sequence[Section]) -> bool:
    content = text[sections[0].start : sections[-1].end]
    # Four characters a token on average, so most sections are decided without counting.
    if len(content) > TINY_TOKENS * 12:
        return False
    return count_tokens(content) < TINY_TOKENS


def _packed(
    text: str, sentences: Sequence[Span], heads: Sequence[str], most: int, counter: TokenCounter
) -> Iterator[tuple[int, int]]:
    """Yield (first, last) sentence indexes of chunks of even size, preferring to end where a paragraph or a table ends.

    `heads` are those of the tables that sentences carry on. A chunk that is read with one has that much less room.
    """
    first = 0
    sizes: dict[str, int] = {}
    while first < len(sentences):
        start, head = sentences[first].start, heads[first]
        if head and head not in sizes:
            sizes[head] = count_tokens(head)
        limit = max(most // 2, most - sizes[head]) if head else most
        left = counter.count(start, sentences[-1].end)
        if left <= limit:
            yield first, len(sentences) - 1
            return
        target = left / ceil(left / limit)
        last, best, best_cost = first, first, float("inf")
        while last < len(sentences) - 1:
            size = counter.count(start, sentences[last].end)
            if size > limit and last > first:
                break
            ends_paragraph = "\n" in text[sentences[last].end : sentences[last + 1].start]
            gain = -0.3 if heads[last + 1] else 0.15 if ends_paragraph else 0.0
            cost = abs(size - target) / target - gain
            if cost < best_cost:
                best, best_cost = last, cost
            last += 1
        yield first, best
        first = best + 1


def _main_section(sections: Sequence[Section], start: int, end: int) -> Section:
    """Return the section that holds most of a chunk; of equals, the first."""
    return max(sections, key=lambda section: min(section.end, end) - max(section.start, start))
