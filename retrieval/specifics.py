"""What a question turns on: the names, the numbers and the "not" in it, and whether a text holds them."""

import re
from collections.abc import Set
from dataclasses import dataclass

from ingestion.words import STOPWORDS, stem, words_of

SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|$)", re.DOTALL)
NAME = re.compile(r"(?!I['’])[^\W\d_](?<!['’].)[\w’'-]*")
# Question words that a sentence-initial capital or a title-cased question makes look like names.
ORDINARY = STOPWORDS | set(
    "hi hello dear thanks please many much long often old far explain describe list name give compare summarise summarize define "
    "monday tuesday wednesday thursday friday saturday sunday".split()
)
DENYING = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|none|nobody|nothing|without)\b|n['’]t\b", re.IGNORECASE
)
# "Which costs are not covered?" turns on its "not"; "What if I have not got a badge?" does not.
ASKS_FOR_WHAT_IS_NOT = re.compile(
    r"^\W*(?:(?:in|on|at|for|by|to|of|from|with|during|under)\s+)?(?:what|which|who|whom|whose|where|when|how (?:many|much))\b(?!.*\b(?:if|unless|i|we|you|my|our)\b)",
    re.IGNORECASE,
)
# How much somebody has in mind decides what applies to them ("a purchase of EUR 20,000"); no text need say that number.
AMOUNT = re.compile(
    r"(?:[€$£¥]|\b(?:EUR|USD|GBP|CHF)\b)\s*\d[\d.,]*|\b\d{1,3}(?:,\d{3})+\b|\b\d+(?:\.\d+)?k\b|\b\d[\d.,]*\s*(?:%|(?:thousand|million|billion)\b)|"
    r"\b(?!(?:19|20)\d\d\s+[a-z]+\s)\d[\d.,]*\s*(?:(?!and\b|or\b|to\b)[a-z]+\s+)?(?:percent|euros?|eur|dollars?|usd|pounds?|gbp|days?|weeks?|months?|years?|hours?|minutes?|km|kilomet\w+|miles?|people|"
    r"persons?|employees|guests|students|visitors|nights?|items?|units?|pieces?|kg|GB|MB|TB)\b",
    re.IGNORECASE,
)
# Who asks, and from where, is no part of what is asked: "I'm Sanne and work in Leeds. How do I book a room?" A rule for all
# names neither.
INTRODUCED = re.compile(
    r"(?:^|(?<=[.!?,;:\n]))\W{0,5}(?:(?:hi|hello|hey)\b[\s,!]*)?(?:and\s+)?"
    r"(?:i(?:['’]m|\s+am)(?!\s+(?!work|liv|com|start|join)\w+ing\b)|my name is|i\s+(?:just\s+|recently\s+)?(?:work|live|sit|started|joined|moved|come from)|"
    r"i(?:['’]ve|\s+have)\s+(?:just\s+|recently\s+)?(?:started|joined|moved))\b"
    r"[^.!?\n]{1,160}?(?:[.!\n]|,(?=\s*(?:and\s+)?(?:how|what|when|who|whom|whose|where|which|why|can|could|do|does|am|is|are|may|must|should|will)\b))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Specifics:
    """What a question turns on: names and numbers as typed, and whether it asks for what is not."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    is_negated: bool

    def without(self, stems: Set[str]) -> "Specifics":
        """Return the same without the names and numbers whose stems are among these."""
        names, numbers = (
            tuple(word for word in words if stem(word.lower()) not in stems)
            for words in (self.names, self.numbers)
        )
        return Specifics(names, numbers, self.is_negated)


def specifics_of(question: str) -> Specifics:
    """Return what a question turns on. A question typed wholly in capitals, or in none, names nothing."""
    first = NAME.search(question)
    shouted = question == question.upper()
    amounts = amounts_in(question)
    introduced = [match.span() for match in INTRODUCED.finditer(question)]
    names = []
    for match in NAME.finditer(question):
        word, lower = match.group(), match.group().lower()
        is_first = first is not None and match.start() == first.start()
        is_own = any(start <= match.start() < end for start, end in introduced)
        if word[:1].isupper() and not (
            shouted or is_first or is_own or lower in ORDINARY or lower in amounts
        ):
            names.append(re.sub(r"['’]s$", "", word))
    numbers = [
        word for word in words_of(_asking(question)) if any(c.isdigit() for c in word) and word not in amounts
    ]
    negated = bool(DENYING.search(question)) and bool(ASKS_FOR_WHAT_IS_NOT.match(question))
    return Specifics(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(numbers)), negated)


def without_own_names(question: str, held: Set[str]) -> str:
    """Return a question without the names by which its asker is introduced, save those that one of these stems is."""
    return INTRODUCED.sub(
        lambda said: NAME.sub(
            lambda word: (
                ""
                if word.group()[:1].isupper()
                and word.group().lower() not in ORDINARY
                and stem(word.group().lower()) not in held
                else word.group()
            ),
            said.group(),
        ),
        question,
    )


def amounts_in(question: str) -> set[str]:
    """Return the words of the amounts that somebody has in mind: "eur" and "20,000"."""
    return {word for match in AMOUNT.finditer(question) for word in words_of(match.group())}


def _asking(question: str) -> str:
    """Return the sentences that ask. "The backlog has 12 million messages. Who …?" tells a number of the asker's own."""
    sentences = [match.group() for match in SENTENCE.finditer(question)]
    asking = [sentence for sentence in sentences if sentence.rstrip().endswith("?")]
    return " ".join(asking) if asking else question


def missing_from(specifics: Specifics, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the numbers that a text does not hold."""
    words = set(words_of(text))
    missing = [name for name in specifics.names if name.lower() not in words]
    if missing:
        known = words.union(map(stem, words))
        missing = [name for name in missing if not _is_named(name, known)]
    return (
        tuple(missing),
        tuple(number for number in specifics.numbers if not _is_counted(number, words)),
    )


def is_nowhere(specific: str, stems: Set[str]) -> bool:
    """Return whether a name or a number is among none of these stems.

    False for what is typed in capitals: a text may write out what the letters stand for.
    """
    if any(character.isdigit() for character in specific):
        return not _is_counted(specific, stems)
    return not (specific.isupper() or _is_named(specific, stems))


def _is_named(name: str, known: Set[str]) -> bool:
    """Tell whether a name occurs, allowing for endings ("Norman", "Normandy") and for hyphens."""
    lower = name.lower()
    if stem(lower) in known:
        return True
    parts = [part for part in re.split(r"[-’'._]", lower) if part]
    if len(parts) > 1 and all(part in known or stem(part) in known for part in parts if len(part) > 1):
        return True
    if len(lower) < 5:
        return False
    root = lower[: max(4, len(lower) - 3)]
    return any(word.startswith(root) for word in known)


def _is_counted(number: str, known: Set[str]) -> bool:
    """Tell whether a number occurs, with or without separators, or as the beginning of one ("1990s" and "1990")."""
    plain = re.sub(r"[^\w]", "", number)
    digits = re.sub(r"\D", "", number)
    return any(
        plain == (bare := re.sub(r"[^\w]", "", word)) or (digits and digits == re.sub(r"\D", "", bare))
        for word in known
        if any(character.isdigit() for character in word)
    )
