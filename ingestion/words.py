"""Words as ranking counts them: in lower case, without those that carry no content, by their stems, or by a number for each.

A passage's words are turned into numbers once, when it is stored: reading thirty passages' words again for every question
took a tenth of the question's time (docs/decisions/0018).
"""

import re
import threading
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ingestion.irregular import FORMS, base_form
from ingestion.spellings import BEGINNINGS, RULES, american

# Possessive: what is matched is the same, in four fifths of the time.
WORD = re.compile(r"[^\W_]++(?:[.,'’-][^\W_]++)*+")


STOPWORDS = frozenset(
    """a about above after again against all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further get had has have having he her here hers him
    his how i if in into is it its itself just let may me might more most much must my no nor not of off on once only or
    other our ours out over own per same shall she should so some such than that the their theirs them then there these
    they this those through to too under until up upon us very was we were what when where whether which while who whom
    whose why will with within would you your yours tell please know show give find explain many get gets got getting""".split()
)


RUN_TOGETHER = frozenset(
    word.replace("'", "")
    for word in """what's who's where's how's that's there's don't doesn't didn't isn't aren't wasn't weren't hasn't haven't hadn't
    can't couldn't shouldn't wouldn't mustn't i'm i've you're you've they're we've""".split()
)
"""Stop words hung on to each other, as they are typed in a hurry. In stored texts they are words like any other: few hold one."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, in order."""
    return WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Return the words that carry content, in order, in lower case. "What's" and "don't" carry as little as "what" and "do"."""
    return [word for word in words_of(text) if has_content(word)]


def has_content(word: str) -> bool:
    """Tell whether a word in lower case is neither a stop word nor one with another hung on to it."""
    if word in STOPWORDS or word in RUN_TOGETHER:
        return False
    before, apostrophe, _ = word.replace("’", "'").partition("'")
    return not apostrophe or not ({before, before.removesuffix("n")} & STOPWORDS or before == "won")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return the Snowball stem (Porter2, English) of the American spelling of what a word is a form of."""
    return str(_stemmer().stemWord(base_form(american(word.replace("’", "'")))))


_stemmers = threading.local()


def _stemmer() -> Any:  # Any: the library has no types
    """Return this thread's stemmer: it keeps the word it is at in itself."""
    if not hasattr(_stemmers, "own"):
        import Stemmer

        _stemmers.own = Stemmer.Stemmer("english", 0)
    return _stemmers.own


def stems_of(text: str) -> list[str]:
    """Return the stems of a text's content words, in order."""
    return [stem(word) for word in content_words(text)]


# --- Words as numbers ---------------------------------------------------------------------------------------------

Codes = npt.NDArray[np.uint32]
"""A text's words in order, each as its stem's number; NO_CONTENT for one that carries none. Shape (words,)."""

NO_CONTENT = 0


def code_of(stemmed: str) -> int:
    """Return a stem's number: 32 bits of checksum, so that two stems share one in one of four thousand million cases."""
    return crc32(stemmed.encode()) or 1


def codes_of(text: str) -> Codes:
    """Return a text's words as numbers."""
    return np.array([_code(word) for word in words_of(text)], dtype=np.uint32)


@lru_cache(maxsize=65536)
def _code(word: str) -> int:
    return NO_CONTENT if word in STOPWORDS else code_of(stem(word))


def packed_codes(text: str) -> bytes:
    """Return a text's words as they are kept with it: what they were read with, and a number for each word."""
    return _reading() + codes_of(text).astype("<u4").tobytes()


def is_read(kept: bytes) -> bool:
    """Tell whether words that were kept were read as they would be today."""
    return kept[:4] == _reading()


def unpacked_codes(kept: bytes, text: str) -> Codes:
    """Return the words that are kept of a text; of one that was read otherwise than today, or never, they are read now."""
    if not is_read(kept):
        return codes_of(text)
    codes: Codes = np.frombuffer(kept, dtype="<u4", offset=4)
    return codes


@lru_cache(maxsize=1)
def _reading() -> bytes:
    """Return a number for how words are read: it is another once any of what tells them apart and stems them is."""
    import Stemmer

    made_of = (
        WORD.pattern,
        sorted(STOPWORDS),
        sorted(BEGINNINGS.items()),
        RULES,
        sorted(FORMS.items()),
        Stemmer.version(),
    )
    return crc32(repr(made_of).encode()).to_bytes(4, "little")
