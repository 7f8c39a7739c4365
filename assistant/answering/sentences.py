"""The sentences an answer may quote: cut out of the permitted passages, with their exact offsets."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import zip_longest

from assistant.answering.steps import with_steps_joined
from ingestion.splitting import split_sentences
from ingestion.tables import begins_within, cells_of, is_head, is_row
from ingestion.words import stems_of
from retrieval.types import Passage, Ranked

# A sentence that starts so leans on the one before it.
LEANS_BACK = re.compile(
    r"^[\W_]*(?:this|that|these|those|it|its|they|them|their|he|she|his|her|such|both|the (?:latter|former|same)|"
    r"however|therefore|thus|otherwise|instead|in this case|in that case|then|also|moreover|consequently|as a result)\b",
    re.IGNORECASE,
)
MARKUP = re.compile(r"^[\s>#*+•‣▪◦·–—●○■□►✓|-]+|^\s*\(?(?:\d{1,3}|[A-Za-z])[.)]\s+")
HEADING = re.compile(r"^\s*#{1,6}\s")
POINTER = re.compile(
    r"^\W*(?:see|refer to|for (?:details|more)\b.{0,30}\bsee)\b.{0,120}$", re.IGNORECASE | re.DOTALL
)
# "The numbers for Germany are different: see Parental Leave in Germany." says where it stands, not what; "Sales rose by a
# tenth (see Table 3)" and "report it as explained in Sickness Absence Policy" say what.
POINTS_ELSEWHERE = re.compile(
    r"[:–—]\s*(?:see|refer to)\s+(?:the\s+)?[\W_]*[A-Z]|"
    r"\b(?:is|are)\s+(?:\w+\s+){0,2}(?:dealt with|described|explained|set out|laid down)(?:\s+\w+ly)?\s+in\s+(?:the\s+)?[\W_]*[A-Z]"
)
FURNITURE = re.compile(r"^(?:page|seite)\s+\d+\b.{0,80}$|^.{0,160}\bpage \d+ of \d+$", re.IGNORECASE)
ALIKE = 0.8
"""From this share of common stems on, two sentences say the same."""
MOST_CHARACTERS = 700
"""Longest quote that is made by taking neighbours along."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage: offsets into the version's text, stems, and its neighbours' places in the passage.

    `passage_number` counts the passages from 0 in rank order, `number` the sentences of the passage. A row of a table is a
    sentence too; `columns` is then the table's first row, whose words belong to each of the others, and `header` the
    sentence that it is, where that stands in the same passage. `caption` is what it stands under, title and heading.
    """

    passage_number: int
    number: int
    start: int
    end: int
    text: str
    stems: tuple[str, ...]
    previous: "Sentence | None"
    is_quotable: bool
    header: "Sentence | None" = None
    columns: str = ""
    is_steps: bool = False
    caption: str = ""

    @property
    def place(self) -> tuple[int, int]:
        return self.passage_number, self.number

    @property
    def is_row(self) -> bool:
        return is_row(self.text)

    @property
    def is_prose(self) -> bool:
        """Whether it is of the kind that the reader learned from."""
        return not (self.is_row or self.is_steps)

    @property
    def read_as(self) -> str:
        """The sentence as it is compared with a question: a row of a table with its columns' names."""
        if not self.columns:
            return self.text
        named = zip_longest(cells_of(self.columns), cells_of(self.text), fillvalue="")
        return ", ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)

    @property
    def compared_as(self) -> str:
        """The sentence as it is compared with a question: what it stands under says what it is about."""
        return f"{self.caption}: {self.read_as}" if self.caption else self.read_as

    @property
    def points_elsewhere(self) -> bool:
        """Whether it sends the reader to another document."""
        return bool(POINTS_ELSEWHERE.search(self.text))

    @property
    def leans_back(self) -> bool:
        return bool(LEANS_BACK.match(self.text))


def sentences_of(ranked: Sequence[Ranked], *, joins_steps: bool = False) -> list[Sentence]:
    """Return every sentence of the passages, in rank order and then in the order of the text.

    `joins_steps` takes numbered steps that follow each other as one sentence.
    """
    found: list[Sentence] = []
    for passage_number, entry in enumerate(ranked):
        passage = entry.passage
        previous: Sentence | None = None
        spans = split_sentences(passage.text)
        cut = with_steps_joined(passage.text, spans) if joins_steps else ((span, False) for span in spans)
        for number, (span, is_steps) in enumerate(cut):
            text = passage.text[span.start : span.end]
            header = _header(text, previous, passage)
            columns = header.text if header else _columns(text, previous, passage)
            previous = Sentence(
                passage_number=passage_number,
                number=number,
                start=passage.start + span.start,
                end=passage.start + span.end,
                text=text,
                stems=tuple(stems_of(f"{columns} {text}")),
                previous=previous,
                is_quotable=_is_quotable(text, passage),
                header=header,
                columns=columns,
                is_steps=is_steps,
                caption=_caption(text, passage),
            )
            found.append(previous)
    return found


def _caption(text: str, passage: Passage) -> str:
    """Return what a sentence is compared under: its heading; for a table's row, which says nothing of its subject, the title as well."""
    headings = passage.headings[-1:]
    if is_row(text):
        return ", ".join(dict.fromkeys((passage.title, *headings)))
    return "" if headings == (passage.title,) else "".join(headings)


def _header(text: str, previous: Sentence | None, passage: Passage) -> Sentence | None:
    """Return the first row of the table that a row belongs to. None for that row itself, and where it stands in an earlier passage."""
    if not is_row(text) or previous is None or not previous.is_row:
        return None
    if previous.header is not None:
        return previous.header
    if passage.ordinal == 0 or not begins_within(passage.text, previous.start - passage.start):
        return previous
    # A passage that begins in the middle of a table holds no header. One stored by an earlier release does not say that it does.
    is_first = previous.previous is None and not passage.table_head
    has_digits = any(character.isdigit() for character in previous.text)
    return previous if is_first and is_head(previous.text) and not has_digits else None


def _columns(text: str, previous: Sentence | None, passage: Passage) -> str:
    """Return the head of the table that the passage begins in the middle of, for its rows."""
    carries_on = is_row(text) and (previous is None or (previous.is_row and previous.header is None))
    return passage.table_head if carries_on else ""


def _is_quotable(text: str, passage: Passage) -> bool:
    """Tell whether a sentence says something by itself: a heading, a rule of dashes or a lone number does not."""
    if HEADING.match(text):
        return False
    plain = " ".join(MARKUP.sub("", text).split())
    if not any(character.isalpha() for character in plain):
        return False
    names = {" ".join(str(name).split()).casefold() for name in (*passage.headings, passage.title)}
    if plain.casefold().rstrip(".:") in names:
        return False
    # A title page: the heading and what stands under it ("Ada Byron, 6 March 2026"), no sentence.
    first_line = text.strip().split("\n", 1)[0].strip().casefold()
    if first_line in names and not plain.endswith((".", "!", ":", ";", ")", "”", '"')):
        return False
    # A question in a text is answered by what follows it; quoting it would answer a question with itself.
    if plain.endswith("?") and len(plain) < 200:
        return False
    return not POINTER.match(plain) and not FURNITURE.search(plain)


def take(sentence: Sentence, sentences: Sequence[Sentence], taken: set[tuple[int, int]]) -> tuple[int, int]:
    """Return the offsets to quote for a sentence, and add the places of all that lies between them to those taken."""
    passage = [other for other in sentences if other.passage_number == sentence.passage_number]
    start, end = extent(sentence, passage, taken)
    taken |= {other.place for other in passage if start <= other.start and other.end <= end}
    return start, end


def extent(sentence: Sentence, passage: Sequence[Sentence], taken: Set[tuple[int, int]]) -> tuple[int, int]:
    """Return the offsets to quote for a sentence: with the one it leans on, the list it announces, the table it is in.

    `passage` are the sentences of its passage in order, `taken` the places of those already quoted: they are not repeated.
    """
    if sentence.is_row:
        return _table(sentence, passage, taken)
    start, end = sentence.start, sentence.end
    before = sentence.previous
    if (
        before is not None
        and before.place not in taken
        and end - before.start <= MOST_CHARACTERS
        and (
            (sentence.leans_back and before.is_quotable and not before.is_row)
            or before.text.rstrip().endswith(":")
        )
    ):
        start = before.start
    if sentence.text.rstrip().endswith(":"):
        for item in passage[sentence.number + 1 :]:
            is_item = MARKUP.match(item.text) and item.is_quotable and item.place not in taken
            if item.end - start > MOST_CHARACTERS or not is_item:
                break
            end = item.end
    return start, end


def _table(row: Sentence, passage: Sequence[Sentence], taken: Set[tuple[int, int]]) -> tuple[int, int]:
    """Return the offsets of a whole table, of its head down to the row, or of the row alone: the longest that is short enough."""
    first = row.header or row
    if first.place in taken:
        return row.start, row.end
    last = row
    for other in passage[row.number + 1 :]:
        if not other.is_row or other.header is not first:
            break
        last = other
    for start, end in ((first.start, last.end), (first.start, row.end)):
        if end - start <= MOST_CHARACTERS:
            return start, end
    return row.start, row.end


def say_the_same(left: Set[str], right: Set[str]) -> bool:
    """Tell whether two sentences, given by their stems, say the same."""
    both = len(left | right)
    return bool(both) and len(left & right) / both >= ALIKE
