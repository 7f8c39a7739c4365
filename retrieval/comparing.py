"""Comparisons: what is held against each other in a question, and what each of it is searched by. Rules, no model."""

import re

from ingestion.words import content_words, words_of

MOST_SIDES = 3
"""More than the whole question and three searches beside it is not made."""
MOST_WORDS = 5
"""Of what is listed between commas."""

# Every piece is bounded: a text of thousands of capitals must not cost seconds.
NAME = r"(?-i:(?:the\s+)?[A-Z\d][^\s,?]{0,40}(?:\s+[A-Z\d][^\s,?]{0,40}){0,4})"
WORD = r"[^\s,?]{1,40}"
PREPOSED = r"(?:(?:in|for|at|of|on|from|by|with|under|during|to)\s+)"
COMPARED = re.compile(r"\b(?:differences?|compare|comparison|differ)\b(?P<rest>[^?]{1,400})", re.IGNORECASE)
JOINED = re.compile(r"\s+(?:and|with|versus|vs\.?|to|from)\s+", re.IGNORECASE)
# "How do the limits in London, Leipzig and Rotterdam compare?": the word that compares comes last.
ENDING = re.compile(
    r"^\W*(?:how|in what way|where)\s+(?:do|does|did)\s+(?P<sides>[^?]{1,200}?)\s+(?:compare|differ)\b",
    re.IGNORECASE,
)
# What is held against each other stands left and right: a word each where it is "versus", names where it may be said of anything.
OPPOSED = (
    re.compile(
        rf"(?:^|(?<=[\s,:]))(?P<a>{NAME}|{WORD})\s+(?:versus|vs\.?)\s+(?P<b>{NAME}|(?:the\s+)?{WORD})"
        rf"(?:\s+(?:versus|vs\.?)\s+(?P<c>{NAME}|{WORD}))?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<a>{NAME}),?\s+(?:compared\s+(?:with|to)|as\s+opposed\s+to)\s+{PREPOSED}?(?P<b>{NAME})",
        re.IGNORECASE,
    ),
    re.compile(rf"\b{PREPOSED}(?P<a>{NAME})\s+than\s+{PREPOSED}(?P<b>{NAME})", re.IGNORECASE),
)
EITHER = re.compile(
    r"^(?P<head>.{1,400}?),\s*(?P<a>[^,?]{1,200}?)\s+or\s+(?P<b>[^,?]{1,200}?)\s*\??$", re.IGNORECASE
)
COMPARING = frozenset(
    "difference differences different compare compares compared comparison differ differs between versus vs than higher lower longer "
    "shorter more less better worse opposed".split()
)
# What both sides of a comparison are about: "sick pay in Germany" and "the Netherlands".
SHARED = re.compile(rf"^(?P<shared>.*\b[a-z]+\s+{PREPOSED})(?:the\s+)?(?P<own>[A-Z\d]\S*(?:\s+[A-Z\d]\S*)*)$")
ENDED_ALIKE = re.compile(rf"^(?P<own>{NAME})(?P<rest>\s+{PREPOSED}.+)$")
PREPOSED_NAME = re.compile(rf"^{PREPOSED}(?P<name>{NAME})$")
BETWEEN = re.compile(r"^(?:between|of)\s+", re.IGNORECASE)
BARE = re.compile(r"^(?:the\s+)?[A-Z\d]\S*(?:\s+[A-Z\d]\S*)*$")


def sides_of(question: str) -> tuple[list[str], str]:
    """Return what the sides of a comparison are searched by, and the rule that found them; none when nothing is compared."""
    compared, ending = COMPARED.search(question), ENDING.match(question)
    sides = _listed(compared["rest"]) if compared else []
    if not sides and ending:
        sides = _listed(ending["sides"])
    if sides:
        return _searches(question, sides), "comparison, each side searched"
    either = EITHER.match(question)
    if either and all(content_words(either[side]) for side in "ab"):
        topic = topic_of(either["head"])
        return [f"{either[side].strip()} {topic}" for side in "ab"], "a choice between two, each searched"
    for pattern in OPPOSED:
        opposed = pattern.search(question)
        if opposed:
            sides = [side for side in opposed.groups() if side]
            if all(content_words(side) for side in sides):
                return _about(question, sides), "comparison, each side searched"
    return [], ""


def _listed(text: str) -> list[str]:
    """Return what is listed up to the first word that joins it to the last: "a, b and c"; nothing where that is no list."""
    joined = JOINED.search(text)
    if joined is None:
        return []
    first, *others = [part for part in text[: joined.start()].split(",") if part.strip()] or [""]
    if any(len(part.split()) > MOST_WORDS for part in others):
        # What stands between commas is a clause: the side begins behind it.
        first, others = others[-1], []
    sides = [first, *others, text[joined.end() :].split(",")[0]]
    return sides if all(content_words(side) for side in sides) else []


def _searches(question: str, sides: list[str]) -> list[str]:
    """Return what each side is searched by.

    A name by itself shares what the first is said of ("sick pay in Germany and the Netherlands"), or what the question is
    about beside them ("How does sick pay differ between Germany and the Netherlands?").
    """
    first, *others = [BETWEEN.sub("", side.strip()) for side in sides]
    others = others[: MOST_SIDES - 1]
    shared = SHARED.match(first)
    if shared:  # "the limit in London and in Germany"
        others = [PREPOSED_NAME.sub(r"\g<name>", side) for side in others]
    ending = ENDED_ALIKE.match(others[-1])
    if shared and ending:  # "the roles of Anna, Bob and Carol in incidents"
        sides, rest = [*others[:-1], ending["own"]], ending["rest"]
        return [f"{first}{rest}", *(f"{shared['shared']}{side}{rest}" for side in sides)]
    are_bare = all(BARE.match(side) for side in others)
    if shared and are_bare:
        return [first, *(f"{shared['shared']}{side}" for side in others)]
    if BARE.match(first) and are_bare:
        return _about(question, [first, *others])
    return [first, *others]


def _about(question: str, sides: list[str]) -> list[str]:
    """Return each side with what the question is about beside all of them."""
    own = COMPARING.union(*map(words_of, sides))
    topic = " ".join(word for word in dict.fromkeys(content_words(question)) if word not in own)
    return [f"{side} {topic}".strip() for side in sides]


def topic_of(text: str) -> str:
    """Return the words that a text is about, each once."""
    return " ".join(dict.fromkeys(content_words(text)))
