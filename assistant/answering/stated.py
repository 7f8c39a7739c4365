"""Does the evidence state what was asked? Decided by what the question names, not by how similar a text sounds.

Similarity cannot decide it: the best scores of answerable and unanswerable questions overlap almost wholly. A name, a
number or a negation that the question turns on and the passage does not hold can.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.answering.expected import kind_of
from assistant.answering.scoring import Scored
from retrieval.words import STOPWORDS, content_words, stem, words_of

SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|$)", re.DOTALL)
NAME = re.compile(r"[^\W\d_][\w’'-]*")
# Question words that a sentence-initial capital or a title-cased question makes look like names.
ORDINARY = STOPWORDS | set(
    "hi hello dear thanks please many much long often old far explain describe list name give compare summarise summarize define "
    "monday tuesday wednesday thursday friday saturday sunday".split()
)
DENYING = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|none|nobody|nothing|without)\b|n['’]t\b", re.IGNORECASE
)
# What also says no in a text: it answers a question that asks for what is not.
NEGATIVE = re.compile(
    DENYING.pattern
    + r"|\b(?:except\w*|exclu\w+|unless|only|other than|rather than|instead|lack\w*|fail\w*|refus\w+|reject\w*|prohibit\w*|forbid\w*|forbidden|"
    r"ban(?:s|ned)?|den(?:y|ies|ied)|avoid\w*|absen\w+|miss\w+|stop\w*|los[st]\w*|little|few|hardly|rarely|seldom|barely|unable|un\w{4,}|"
    r"in\w{2,}ible|non-?\w+|dis\w{4,}|oppos\w+|against|outside|beyond|ineligible|exempt\w*|late|overdue)\b",
    re.IGNORECASE,
)
# "Which costs are not covered?" turns on its "not"; "What if I have not got a badge?" does not.
ASKS_FOR_WHAT_IS_NOT = re.compile(
    r"^\W*(?:(?:in|on|at|for|by|to|of|from|with|during|under)\s+)?(?:what|which|who|whom|whose|where|when|how (?:many|much))\b(?!.*\b(?:if|unless|i|we|you|my|our)\b)",
    re.IGNORECASE,
)


# How much somebody has in mind decides what applies to them ("a purchase of EUR 20,000"); no text need say that number.
AMOUNT = re.compile(
    r"(?:[€$£¥]|\b(?:EUR|USD|GBP|CHF)\b)\s*\d[\d.,]*|\b\d{1,3}(?:,\d{3})+\b|\b\d[\d.,]*\s*(?:%|percent|euros?|dollars?|pounds?|days?|weeks?|months?|"
    r"years?|hours?|minutes?|km|kilomet\w+|miles?|people|persons?|employees|guests|nights?|items?|units?|pieces?|kg|GB|MB|TB)\b",
    re.IGNORECASE,
)
TELLING_SHARE = 0.5
"""Of the rarest missing word's weight: what is as common as “new” is not what is missing."""


@dataclass(frozen=True)
class Specifics:
    """What a question turns on: names and numbers as typed, and whether it asks for what is not."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    is_negated: bool


@dataclass(frozen=True)
class Verdict:
    """Whether a sentence in its passage states what was asked. `missing` are words of the question; `stated` in [0, 1]."""

    missing: tuple[str, ...]
    is_denied: bool
    is_of_kind: bool
    stated: float


def specifics_of(question: str) -> Specifics:
    """Return what a question turns on. A question typed wholly in capitals, or in none, names nothing."""
    first = NAME.search(question)
    shouted = question == question.upper()
    amounts = {word for match in AMOUNT.finditer(question) for word in words_of(match.group())}
    names = []
    for match in NAME.finditer(question):
        word, lower = match.group(), match.group().lower()
        is_first = first is not None and match.start() == first.start()
        if word[:1].isupper() and not (shouted or is_first or lower in ORDINARY or lower in amounts):
            names.append(re.sub(r"['’]s$", "", word))
    numbers = [
        word for word in words_of(_asking(question)) if any(c.isdigit() for c in word) and word not in amounts
    ]
    negated = bool(DENYING.search(question)) and bool(ASKS_FOR_WHAT_IS_NOT.match(question))
    return Specifics(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(numbers)), negated)


def _asking(question: str) -> str:
    """Return the sentences that ask. "The backlog has 12 million messages. Who …?" tells a number of the asker's own."""
    sentences = [match.group() for match in SENTENCE.finditer(question)]
    asking = [sentence for sentence in sentences if sentence.rstrip().endswith("?")]
    return " ".join(asking) if asking else question


def judge(question: str, scored: Scored, neighbourhood: str) -> Verdict:
    """Return whether a sentence states what was asked, given the text around it (passage, title, headings)."""
    specifics = specifics_of(question)
    words = words_of(neighbourhood)
    known = {*words, *map(stem, words)}
    missing_names = tuple(name for name in specifics.names if not _is_named(name, known))
    missing_numbers = tuple(number for number in specifics.numbers if not _is_counted(number, known))
    denied = specifics.is_negated and not NEGATIVE.search(scored.sentence.text)
    of_kind = scored.features.get("kind", 0.5) > 0 or kind_of(question) not in {"time", "amount"}
    return Verdict(
        missing=(*missing_names, *missing_numbers),
        is_denied=denied,
        is_of_kind=of_kind,
        stated=_stated(scored, len(missing_names), len(missing_numbers), denied),
    )


def _stated(scored: Scored, names: int, numbers: int, denied: bool) -> float:
    """Return how surely it is stated: a logistic curve over few features, measured like the weights of the score."""
    level = (
        3.0 * scored.features.get("meaning", 0.0)
        + 1.4 * scored.features.get("weakest", 0.0)
        - 0.7 * min(names, 1)
        - 1.4 * min(numbers, 1)
        - 2.5 * denied
        - 1.8
    )
    return 1.0 / (1.0 + math.exp(-level))


def unsaid(
    question: str, known: Sequence[str], weights: Mapping[str, float], unseen: float
) -> tuple[str, ...]:
    """Return the question's telling words, as typed, that none of the given stems is: the rarest and those near it."""
    stems = set(known)
    missing = {
        word: weights.get(stem(word), unseen) for word in content_words(question) if stem(word) not in stems
    }
    rarest = max(missing.values(), default=0.0)
    return tuple(word for word, weight in missing.items() if weight >= TELLING_SHARE * rarest)


def _is_named(name: str, known: set[str]) -> bool:
    """Tell whether a name occurs, allowing for endings ("Norman", "Normandy") and for hyphens."""
    lower = name.lower()
    if lower in known or stem(lower) in known:
        return True
    parts = [part for part in re.split(r"[-’'.]", lower) if part]
    if len(parts) > 1 and all(part in known or stem(part) in known for part in parts if len(part) > 1):
        return True
    if len(lower) < 5:
        return False
    root = lower[: max(4, len(lower) - 3)]
    return any(word.startswith(root) for word in known)


def _is_counted(number: str, known: set[str]) -> bool:
    """Tell whether a number occurs, with or without separators, or as the beginning of one ("1990s" and "1990")."""
    plain = re.sub(r"[^\w]", "", number)
    digits = re.sub(r"\D", "", number)
    return any(
        plain == (bare := re.sub(r"[^\w]", "", word)) or (digits and digits == re.sub(r"\D", "", bare))
        for word in known
        if any(character.isdigit() for character in word)
    )
