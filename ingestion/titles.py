"""Titles as keys: how documents are found when another text mentions them by name."""

import re
import unicodedata

WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def title_words(text: str) -> list[str]:
    """Return the words of a text as titles are compared: lower case, accents kept, punctuation dropped."""
    return [word.lower() for word in WORDS.findall(unicodedata.normalize("NFC", text))]


# "Bethel University (Minnesota)", "Travel policy (2024)": what tells namesakes apart is rarely said when one is mentioned.
APART = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")


def title_key(title: str) -> str:
    """Return the key of a title, at most 300 characters, such as `travel and expenses policy`."""
    return " ".join(title_words(title))[:300]


def short_title_key(title: str) -> str:
    """Return the key of a title without the brackets at its end, empty when it has none or nothing else."""
    short = APART.sub("", title)
    return title_key(short) if short != title else ""
