"""Cut a text into sentences, each a pair of character offsets into it: `text[start:end]` is the sentence, to the character."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from ingestion.tokens import package_folder

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktTokenizer

SENTENCE_CHARACTERS = 1_000
"""Longest sentence. Beyond it the text is a table, a log or a list without full stops, and is cut at whitespace."""

# A line that starts one of these starts something new: a list item, a markdown heading, a table row, a block quote.
_ITEM = re.compile(
    r"[ \t]*(?:[-*+•‣▪◦·–—●○■□►✓][ \t]+|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)][ \t]+|#{1,6}[ \t]+|>[ \t]|\|)"
)
_BLANK = re.compile(r"\n[ \t\r\f\v\u00a0]*\n|\f")
_SENTENCE_END = tuple(".!?:;,…。！？；：，、")

# Punkt knows the Latin full stop only; these end a sentence without a space after them.
_IDEOGRAPHIC_END = re.compile(r"[。！？]+[”’」』）)]*")

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


def split_sentences(text: str, *, language: str = "english") -> list[Span]:
    """Return the sentences of a text in order, trimmed of outer whitespace, covering every other character.

    Blank lines, list items, table rows and headings end a sentence whatever their punctuation.
    """
    spans: list[Span] = []
    for block in _blocks(text):
        for sentence in _sentences_of(text, block, language):
            spans.extend(_shortened(text, sentence))
    return spans


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


_punkt_lock = threading.Lock()


@lru_cache(maxsize=8)
def _punkt(language: str) -> PunktTokenizer:
    """Load the Punkt model that ships inside llama-index-core, without importing llama_index."""
    with _punkt_lock:
        import nltk.data
        from nltk.tokenize.punkt import PunktTokenizer

        folder = package_folder("llama_index") / "core" / "_static" / "nltk_cache"
        if str(folder) not in nltk.data.path:
            nltk.data.path.insert(0, str(folder))
        return PunktTokenizer(language)
