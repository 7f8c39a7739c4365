"""How retrieval is to work: one frozen value, so that two ways of working can be compared on the same questions."""

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from django.conf import settings

Planning = Literal["off", "rules", "model"]
Fusion = Literal["shares", "min-max", "rrf", "dense", "keyword"]
Reranking = Literal["off", "features", "cross-encoder", "judge"]


class UnknownOption(ValueError):
    """An option or a value that retrieval does not have; the message names what there is."""


@dataclass(frozen=True)
class Options:
    """The ways retrieval can work. The defaults are what measured best (docs/retrieval.md).

    planning: off asks the question as typed, once. fusion: how the two retrievers' scores become one. bridge: documents
    that the question or good passages name. second_search: one more search from the best sentence. sentences: how near a passage's
    best sentence is to the question. reranking: off keeps the order of the fused scores.
    sufficiency: search once more for what the evidence lacks. spelling: read misspelled words as what was found spells them.
    synonyms: read words that nothing found holds as another word for the same that is there.
    """

    planning: Planning = "rules"
    fusion: Fusion = "shares"
    bridge: bool = True
    second_search: bool = True
    sentences: bool = True
    reranking: Reranking = "features"
    sufficiency: bool = True
    spelling: bool = True
    synonyms: bool = True

    @classmethod
    def configured(cls) -> "Options":
        """Return the options this installation is configured with (FOOTNOTE_RETRIEVAL), defaults elsewhere."""
        return cls.parse(settings.RETRIEVAL)

    @classmethod
    def parse(cls, text: str) -> "Options":
        """Return the options named in a text such as `fusion=rrf bridge=off`, defaults elsewhere.

        Raises UnknownOption with a sentence that names what there is.
        """
        given: dict[str, Any] = {}  # Any: a word or a flag
        for part in text.split():
            name, _, value = part.partition("=")
            given[name] = _value_of(name, value)
        return cls(**given)

    def __str__(self) -> str:
        """Return what differs from the defaults, as `parse` reads it; empty when nothing does."""
        standard = Options()
        parts = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != getattr(standard, field.name):
                parts.append(f"{field.name}={_word_of(value)}")
        return " ".join(parts)


CHOICES: dict[str, tuple[str, ...]] = {
    "planning": get_args(Planning),
    "fusion": get_args(Fusion),
    "bridge": ("on", "off"),
    "second_search": ("on", "off"),
    "sentences": ("on", "off"),
    "reranking": get_args(Reranking),
    "sufficiency": ("on", "off"),
    "spelling": ("on", "off"),
    "synonyms": ("on", "off"),
}
"""Every option with the words it takes."""


def _value_of(name: str, value: str) -> str | bool:
    if name not in CHOICES:
        raise UnknownOption(f"Retrieval has no option “{name}”. It has {', '.join(CHOICES)}.")
    if value not in CHOICES[name]:
        raise UnknownOption(f"“{name}” takes {', '.join(CHOICES[name])}, not “{value}”.")
    return value == "on" if CHOICES[name] == ("on", "off") else value


def _word_of(value: str | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else value
