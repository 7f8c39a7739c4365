"""Words as numbers: kept with each passage, and read again where they were kept otherwise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingestion import words
from ingestion.models import Chunk
from ingestion.rebuilding import rebuild
from ingestion.words import (
    NO_CONTENT,
    code_of,
    codes_of,
    content_words,
    is_read,
    packed_codes,
    unpacked_codes,
)
from tests.ingestion.installation import Installation, installation

__all__ = ["installation"]  # a fixture: pytest finds it by name

TEXT = "The colour of the travelling expenses' form is grey, or gray."


def test_forms_and_spellings_of_a_word_have_one_number_and_stop_words_have_none() -> None:
    the, color, *_, grey, either, gray = codes_of(TEXT).tolist()
    assert the == either == NO_CONTENT
    assert grey == gray != NO_CONTENT
    assert [color] == codes_of("colors").tolist() == [code_of("color")]


def test_words_drawn_together_with_a_stop_word_carry_no_content() -> None:
    text = "What’s the wifi password, and why doesn't it work? I've tried; it won't, and I can't. O'Neill's boss's."
    assert content_words(text) == ["wifi", "password", "work", "tried", "o'neill's", "boss's"]


def test_words_run_together_in_a_hurry_carry_as_little() -> None:
    assert content_words("whats the wifi password, it doesnt work and im ill") == [
        "wifi",
        "password",
        "work",
        "ill",
    ]


@given(st.text(max_size=200))
def test_what_is_kept_of_a_text_says_of_its_words_what_reading_it_says(text: str) -> None:
    kept = packed_codes(text)
    assert is_read(kept)
    assert np.array_equal(unpacked_codes(kept, "another text"), codes_of(text))


def test_what_was_read_otherwise_or_never_is_read_now() -> None:
    assert np.array_equal(unpacked_codes(b"", TEXT), codes_of(TEXT))
    assert np.array_equal(unpacked_codes(b"else" + packed_codes("other words")[4:], TEXT), codes_of(TEXT))


def test_another_stop_word_is_another_way_of_reading() -> None:
    kept = packed_codes(TEXT)
    before = words.STOPWORDS
    try:
        words.STOPWORDS = before | {"grey"}
        words._reading.cache_clear()
        assert not is_read(kept)
    finally:
        words.STOPWORDS = before
        words._reading.cache_clear()
    assert is_read(kept)


def test_every_stored_chunk_keeps_its_words_and_a_rebuild_puts_right_what_an_earlier_release_kept(
    installation: Installation,
) -> None:
    installation.write("a.md", f"# Forms\n\n{TEXT}")
    installation.sync(installation.connect())
    chunk = Chunk.objects.get()
    assert bytes(chunk.words or b"") == packed_codes(chunk.text)
    for earlier in (None, b"else" + packed_codes("other words")[4:]):
        Chunk.objects.update(words=earlier)
        rebuild()
        assert bytes(Chunk.objects.get().words or b"") == packed_codes(chunk.text)
