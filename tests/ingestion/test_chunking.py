"""Sentences and chunks: exact offsets, nothing lost, nothing glued together."""

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.chunking import ChunkSpan, Section, chunk_text, embedding_text
from ingestion.splitting import Span, split_sentences
from ingestion.tokens import count_tokens

# Text as it is met: prose, lists, tables, blank lines, characters outside the basic plane, control characters.
fragments = st.sampled_from(
    [
        "The plan covers visits.",
        "Dr. Smith paid $3.50, e.g. on 4 May.",
        " ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "- an item",
        "1. Numbered",
        "| a | b |",
        "# Heading",
        "这是第一句。这是第二句！",
        "naïve café",
        "🙂",
        "\u00a0",
        "\f",
        "\x00",
        "x" * 1_500,
        "word " * 400,
        "?",
    ]
)
# Parsers leave no control characters in a text; the model reads them as nothing, and Python some of them as spaces.
plain = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("\n\t"), max_size=30)
texts = st.lists(fragments | plain, max_size=25).map("".join)


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


def chunks(text: str, *breaks: Section, limit_tokens: int = 192) -> list[str]:
    return [text[chunk.start : chunk.end] for chunk in chunk_text(text, breaks, limit_tokens=limit_tokens)]


def assert_covers(text: str, spans: list[Span] | list[ChunkSpan]) -> None:
    """Assert that spans are ordered, apart, not blank, and leave out nothing but whitespace."""
    position = 0
    for span in spans:
        assert position <= span.start < span.end <= len(text)
        assert not text[position : span.start].strip()
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        position = span.end
    assert not text[position:].strip()


@settings(max_examples=150, deadline=None)
@given(texts)
def test_sentences_are_ordered_apart_and_cover_every_character_that_is_not_space(text: str) -> None:
    assert_covers(text, split_sentences(text))


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(min_value=1, max_value=200), st.data())
def test_chunks_are_ordered_apart_and_cover_every_character_that_is_not_space(
    text: str, limit: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pages = data.draw(st.lists(st.sampled_from([None, 1, 2]), min_size=len(cuts), max_size=len(cuts)))
    breaks = [
        Section(start, end, page, (f"Part {page}",))
        for start, end, page in zip(cuts, cuts[1:], pages, strict=False)
    ]
    assert_covers(text, chunk_text(text, breaks, limit_tokens=limit))


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(min_value=8, max_value=200))
@example(text="x" * 2_400 + " word" * 20, limit=8)  # one piece, cut, with words after it
def test_no_chunk_exceeds_the_limit_unless_it_is_a_single_word(text: str, limit: int) -> None:
    for chunk in chunks(text, limit_tokens=limit):
        assert count_tokens(chunk) <= limit or len(chunk.split()) == 1


def test_an_empty_text_has_no_sentences_and_no_chunks() -> None:
    assert split_sentences("") == []
    assert split_sentences(" \n\n ") == []
    assert chunk_text(" \n ", [Section(0, 3, 1)]) == []


def test_abbreviations_and_numbers_do_not_end_a_sentence() -> None:
    text = "The U.S. plan costs $3.50 a day, e.g. for Dr. Smith. See p. 4 for more."
    assert sentences(text) == ["The U.S. plan costs $3.50 a day, e.g. for Dr. Smith.", "See p. 4 for more."]


def test_a_heading_is_not_glued_to_the_sentence_below_it() -> None:
    text = "Benefits Overview\nNorthwind Health Plus is a comprehensive plan that covers visits.\n\nNotes\n\nIt ends."
    assert sentences(text) == [
        "Benefits Overview",
        "Northwind Health Plus is a comprehensive plan that covers visits.",
        "Notes",
        "It ends.",
    ]


def test_a_sentence_wrapped_over_lines_stays_one_sentence() -> None:
    text = "The employee shall notify the manager in writing before\nthe end of the month. Then it is paid."
    assert sentences(text) == [
        "The employee shall notify the manager in writing before\nthe end of the month.",
        "Then it is paid.",
    ]


def test_list_items_and_table_rows_stand_alone_and_keep_their_markers() -> None:
    text = (
        "You need:\n- a passport\n- two photographs\n1. Sign it\n2. Send it\n| Year | Days |\n| 2026 | 25 |"
    )
    assert sentences(text) == [
        "You need:",
        "- a passport",
        "- two photographs",
        "1. Sign it",
        "2. Send it",
        "| Year | Days |",
        "| 2026 | 25 |",
    ]


def test_sentences_in_scripts_without_spaces_are_separated() -> None:
    assert sentences("这是第一句。这是第二句！完") == ["这是第一句。", "这是第二句！", "完"]


def test_an_endless_sentence_is_cut_at_whitespace() -> None:
    text = "word " * 1_000
    pieces = sentences(text)
    assert max(map(len, pieces)) <= 1_000
    assert all(set(piece.split()) == {"word"} for piece in pieces)


def test_a_short_text_is_one_chunk() -> None:
    text = "One sentence. Another one.\n\nA second paragraph."
    assert chunk_text(text) == [ChunkSpan(0, len(text), None, ())]


def test_chunks_of_a_long_text_are_of_even_size() -> None:
    text = " ".join(f"Sentence number {number} says something short." for number in range(60))
    sizes = [count_tokens(chunk) for chunk in chunks(text, limit_tokens=128)]
    assert max(sizes) <= 128
    assert min(sizes) > 0.7 * max(sizes)


def test_a_chunk_never_crosses_a_page() -> None:
    text = "First page.\n\nSecond page."
    found = chunk_text(text, [Section(0, 11, 1), Section(13, 25, 2)])
    assert [(text[c.start : c.end], c.page) for c in found] == [("First page.", 1), ("Second page.", 2)]


def test_a_chunk_does_not_cross_a_heading_of_level_two_but_one_of_level_three() -> None:
    body = "This part has enough words in it to be worth finding by itself. " * 3
    first, second, third = body, body, body
    text = first + second + third
    at = len(body)
    found = chunk_text(
        text,
        [
            Section(0, at, None, ("Leave", "Annual")),
            Section(at, 2 * at, None, ("Leave", "Sick", "Short")),
            Section(2 * at, 3 * at, None, ("Leave", "Sick", "Long")),
        ],
    )
    assert [(c.start, c.headings) for c in found] == [
        (0, ("Leave", "Annual")),
        (at, ("Leave", "Sick", "Short")),
    ]


def test_a_heading_with_nothing_under_it_joins_what_follows() -> None:
    body = "This part has enough words in it to be worth finding by itself. " * 3
    text = f"{body}\nSick leave\n{body}"
    start = text.index("Sick")
    found = chunk_text(
        text,
        [
            Section(0, start, 1, ("Annual leave",)),
            Section(start, start + 11, 1, ("Sick leave",)),
            Section(start + 11, len(text), 1, ("Sick leave", "Pay")),
        ],
    )
    assert [(c.start, c.headings) for c in found] == [(0, ("Annual leave",)), (start, ("Sick leave", "Pay"))]


def test_text_between_sections_is_not_lost() -> None:
    text = "Before. Inside. After."
    assert "".join(chunks(text, Section(8, 15, 1))).replace(" ", "") == "Before.Inside.After."


@pytest.mark.parametrize(
    "breaks", [[Section(0, 5), Section(3, 6)], [Section(4, 6), Section(0, 2)], [Section(0, 99)]]
)
def test_sections_that_overlap_or_reach_outside_are_refused(breaks: list[Section]) -> None:
    with pytest.raises(ValueError, match="Section"):
        chunk_text("Some text.", breaks)


def test_what_is_embedded_names_the_document_and_the_headings_once() -> None:
    assert embedding_text("Leave", ("Leave", "Sick  leave"), "Text.") == "Leave > Sick leave\nText."
    assert embedding_text("", (), "Text.") == "Text."


@pytest.mark.slow
def test_chunking_loads_no_model_and_no_llama_index() -> None:
    code = (
        "import sys; from ingestion.chunking import chunk_text; chunk_text('One. Two.');"
        "print(sorted({'torch', 'transformers', 'llama_index.core'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
