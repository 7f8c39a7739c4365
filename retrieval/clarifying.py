"""When to ask back instead of searching, and what the reply then means.

Only what is certain is asked back: a question that points at something nobody has named, or one that asks nothing. A
name that several documents share is no reason: the answer shows whose words it quotes. And only once: after a question
back, whatever comes is searched.
"""

import re
from collections.abc import Sequence

from ingestion.words import content_words, words_of
from retrieval.types import Turn

NOTHING_ASKED = (
    "What would you like to know? Ask for something your documents may state, such as “How many days of annual leave do I "
    "have?”, or name a document."
)
_GREETING = re.compile(
    r"\W*(?:(?:hi|hello|hey|hullo|greetings|good (?:morning|afternoon|evening|day)|help|help me|thanks|thank you|thx|cheers|"
    r"ok|okay|test|testing|who are you|what are you|what can you do|what can i ask(?: you)?|how (?:do|does) (?:this|it) work|"
    r"how are you)(?:\s+(?:there|all|everyone|again|very much|so much|please|footnote))?\W*)+",
    re.IGNORECASE,
)
# Words that point at something said before. "there is", "this year", "that the …" point nowhere.
_POINTING = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|"
    r"(?:this|that|these|those)(?=\s*(?:[?.!,]|$|(?:is|are|was|were|do|does|did|can|may|must|should|will|apply|applies|mean|means|"
    r"work|works|cost|costs|take|takes|happen|happens|one|ones)\b)))\b",
    re.IGNORECASE,
)
# These may point at a word before them in the same question: "When do contractors get theirs?"
_OWN = frozenset({"they", "them", "their", "theirs", "its", "his", "hers"})
_PEOPLE = frozenset({"he", "him", "his", "she", "her", "hers"})
# "How long does it take to get a laptop?", "Is it true that …", "What time is it?": here "it" points at nothing.
_EMPTY_IT = re.compile(
    r"\bit\b.*\b(?:to|that|if|whether|when|for|until|since)\b|\b(?:time|day|date|year|month|weekday)\b.*\bit\b",
    re.IGNORECASE,
)
# Words that say nothing of what is asked about.
_VAGUE = frozenset(
    """take takes took cost costs mean means meant work works worked happen happens happened apply applies applied need
    needs needed get gets got go goes like say says said long much many often far soon big high old late early still
    exactly really now today please detail details info information""".split()
)
_ASKING = re.compile(
    r"^\W*(?:how|what|when|who|whom|whose|where|which|why|may|can|could|do|does|did|is|are|was|were|must|should|will)\b",
    re.IGNORECASE,
)


def clarification_for(question: str, turns: Sequence[Turn]) -> str:
    """Return the question to ask back, or "" when there is something to search for.

    `turns` are what the asker may still see of the conversation, oldest first.
    """
    if turns and turns[-1].clarification:
        return ""
    if _GREETING.fullmatch(question):
        return NOTHING_ASKED
    if turns:
        return ""
    telling = [word for word in content_words(question) if word not in _VAGUE]
    found = _pointing(question)
    if found and (not telling or (len(telling) == 1 and _points_out(found, question, telling[0]))):
        word = found.group().lower()
        asked = "Whom do you mean by" if word in _PEOPLE else "What do you mean by"
        return f"{asked} “{word}”? A name is enough; the question is then asked with it."
    # "Who are we?" has no word that carries content, and still asks something.
    if not content_words(question) and not {"we", "our", "ours", "us", "i", "my", "me"} & set(
        words_of(question)
    ):
        return NOTHING_ASKED
    return ""


def filled_in(question: str, turns: Sequence[Turn]) -> str | None:
    """Return the question that was asked back about with the reply put where it points, or None for anything else.

    "How long does it take?", asked back, answered "the security review": "How long does the security review take?". A
    reply that is a question of its own stands for itself.
    """
    if not turns or not turns[-1].clarification:
        return None
    asked, reply = turns[-1].question, question.strip(" .!?\n")
    if not content_words(reply) or is_own_question(question):
        return None
    found = _pointing(asked)
    if found is None:
        return None
    reply = re.sub(r"^(?:i mean|i meant|about|the one about)\s+", "", reply, flags=re.IGNORECASE)
    owns = found.group().lower() in {"its", "their", "theirs", "his", "hers"}
    ending = ("’" if reply.endswith("s") else "’s") if owns else ""
    return f"{asked[: found.start()]}{reply}{ending}{asked[found.end() :]}"


def is_own_question(reply: str) -> bool:
    """Return whether a reply asks something by itself, rather than completing what was asked before it."""
    return bool(_ASKING.match(reply)) and len(content_words(reply)) > 1


def _points_out(found: re.Match[str], question: str, telling: str) -> bool:
    """Return whether the word surely points out of the question, given the only word that says what it is about."""
    if _EMPTY_IT.search(question):
        return False
    return found.group().lower() not in _OWN or telling not in question[: found.start()].lower()


def _pointing(question: str) -> re.Match[str] | None:
    """Return the first word that points back. "IT" in capitals is a department, unless everything is in capitals."""
    shouted = question.upper() == question
    return next(
        (found for found in _POINTING.finditer(question) if shouted or found.group() != "IT"),
        None,
    )
