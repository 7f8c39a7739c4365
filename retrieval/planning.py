"""From a question and what is visible of the conversation to a plan: a question that stands alone, and its searches.

Rules only; a planner backed by a model stands behind the same protocol. Measured (see docs/retrieval.md): gluing
earlier turns to a follow-up hurts, so only what the follow-up leaves unsaid is carried over.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from ingestion.words import content_words, has_content, stem, words_of
from retrieval.clarifying import filled_in
from retrieval.comparing import sides_of, topic_of
from retrieval.types import Plan, SubQuery, Turn

MAX_SUB_QUERIES = 4


class Planner(Protocol):
    """Turns a question into a plan. Must return at least one sub-query."""

    def plan(self, question: str, turns: Sequence[Turn]) -> Plan:
        """Return the plan for this question after these turns, oldest first."""
        ...


ASKING = r"(?:how|what|when|who|whom|whose|where|which|why|may|can|could|do|does|did|is|are|was|were|must|should|will|am|has|have)"
JOINED = re.compile(
    rf"(?:,\s*(?:and|or|but)\s+|\s+and\s+|;\s*(?:and\s+)?)(?=(?:also\s+)?{ASKING}\b(?!\s*[,?]))",
    re.IGNORECASE,
)
SENTENCES = re.compile(r"(?<=[?])\s+(?=\S)")
ENDED = re.compile(r"(?<=[.!?])\s+")
STARTS_ASKING = re.compile(rf"^\W*(?:and\s+|also\s+|then\s+)*{ASKING}\b", re.IGNORECASE)
# Words that point back. "there is", "this year" and "the form that …" point nowhere, so they do not count.
REFERRING = re.compile(
    r"\b(?:it|its|they|them|their|he|she|his|her|him|(?<!is )(?<!are )(?<!was )(?<!were )there(?! (?:is|are|was|were)\b)|"
    r"(?:this|that|these|those)(?=\s*(?:$|[?.,;]|(?:is|are|was|were|does|do|did|can|may|must|should|will|apply|applies|mean|"
    r"happen|work|cost|take|one|ones|case|also|then|too|for|in|to)\b)))\b",
    re.IGNORECASE,
)
ELLIPTIC = re.compile(
    r"^\W*(?:(?:and|or|but|so)\s+)?(?:(?:what|how)\s+about\s+)?(?:(?P<prep>in|for|at|with|to|of|on|from|by|during|under)\s+)?(?P<rest>[^?]{1,80}?)\s*\?*$",
    re.IGNORECASE,
)
LEADS_ON = re.compile(
    r"^\W*(?:and|or|but|so|then|what about|how about|why not|why|since when|until when|how so)\b",
    re.IGNORECASE,
)
# "… in Germany?" and then "vs the UK?"
OPPOSING = re.compile(
    r"^\W*(?:and\s+)?(?:versus|vs\.?|compared (?:with|to))\s+\S+(?:\s+\S+){0,7}$", re.IGNORECASE
)
# Asking how things were: only then are superseded documents searched.
PAST = re.compile(
    r"\b(?:previous(?:ly)?|former(?:ly)?|old(?:er)? (?:policy|version|rule|rules|limit|guideline)|earlier version|used to|"
    r"superseded|was replaced|were replaced|outdated|historical(?:ly)?|no longer|in the past|last year'?s?|before (?:19|20)\d\d|"
    r"(?:policy|rules?|handbook|guidelines?|version|edition) (?:of|from) (?:19|20)\d\d|"
    r"(?:what|how) (?:has |have |did )?.{0,60}\bchange[ds]?\b|was the .{0,60}\b(?:in|until|between) (?:\w+ )?(?:19|20)\d\d)",
    re.IGNORECASE,
)


class RulePlanner:
    """The planner that needs no model."""

    def plan(self, question: str, turns: Sequence[Turn]) -> Plan:
        """Return the plan: follow-up resolved, several asks split, comparisons searched side by side."""
        question = " ".join(question.split())
        standalone = resolve_follow_up(question, turns)
        texts, rule, are_sides = split_asks(standalone)
        if standalone != question:
            rule = f"follow-up, earlier turn carried over; {rule}"
        sub_queries = [
            SubQuery(number, text, side_of=1 if are_sides and number > 1 else 0)
            for number, text in enumerate(texts, start=1)
        ]
        if len(texts) == 1 and describes_what_it_asks_about(standalone):
            # What the inner part means is found first; the whole is asked again with what was found.
            sub_queries.append(SubQuery(2, f"{standalone} #1", after=(1,)))
            rule = f"{rule}, asked again with what is found"
        return Plan(
            question=question,
            standalone=standalone,
            sub_queries=tuple(sub_queries),
            rule=rule,
            wants_superseded=bool(PAST.search(standalone)),
            background=_background(turns),
        )


def split_asks(question: str) -> tuple[list[str], str, bool]:
    """Return the searches a question needs, at most MAX_SUB_QUERIES, the rule that found them, and whether all but the first
    are sides of the comparison that the first asks for."""
    sentences = [part.strip() for part in SENTENCES.split(question) if content_words(part)]
    asks: list[str] = []
    for sentence in sentences or [question]:
        parts = [part.strip(" ,;") for part in JOINED.split(sentence)]
        # A part must be able to stand: an ask of its own with at least one content word.
        if (
            len(parts) > 1
            and all(STARTS_ASKING.match(part) and content_words(part) for part in parts[1:])
            and _can_stand(parts[0])
        ):
            asks.extend(parts)
        else:
            asks.append(sentence)
    if len(asks) > 1:
        return _with_shared_context(asks[:MAX_SUB_QUERIES]), "several asks in one question", False
    sides, rule = sides_of(question)
    return ([question, *sides], rule, True) if sides else ([question], "one question", False)


# Nouns that stand for somebody or something by way of another: their bearer has to be found first.
RELATION = (
    r"(?:author|owner|founder|director|manager|head|lead(?:er)?|chair|president|performer|composer|writer|producer|creator|designer|"
    r"developer|publisher|supplier|vendor|maker|manufacturer|employer|successor|predecessor|spouse|husband|wife|father|mother|"
    r"son|daughter|child|children|sibling|brother|sister|birthplace|place of (?:birth|death)|country|county|"
    r"state(?! of (?:the |an? )?(?-i:[a-z]))|city|capital|"
    r"region|district|continent|location|nationality|team|company|department|person|parent|member|winner|holder)(?:-in-law)?s?"
)
OF_ANOTHER = re.compile(
    rf"(?<!united )\b{RELATION},?\s+(?:\w+ )?(?:of|that|who|whom|whose|which|where)\b|"
    rf"(?<!\bit)(?<!\bhe)(?<!\bshe)(?<!\bthat)(?<!\bthere)(?<!\bwhat)(?<!\bwho)['’]s\s+(?:\w+\s+)?{RELATION}\b|"
    r"\bsame (?:country|county|state|city|nationality)\b",
    re.IGNORECASE,
)


def describes_what_it_asks_about(question: str) -> bool:
    """Return whether a question speaks of something by way of another: "the manager of the team that runs payroll"."""
    return bool(OF_ANOTHER.search(question))


ANSWER_CHARACTERS = 600
"""Of an earlier answer, what weighs in: its beginning says what it is about."""


def _background(turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return what the conversation was about: the last question, made to stand alone, and what was answered."""
    if not turns:
        return ()
    answer = turns[-1].answer[:ANSWER_CHARACTERS].strip()
    return (_last_standalone(turns), *([answer] if answer else []))


def _can_stand(part: str) -> bool:
    return bool(STARTS_ASKING.match(part)) and len(content_words(part)) >= 1


def _with_shared_context(asks: list[str]) -> list[str]:
    """Give a later ask that only refers ("… and who approves it?") the topic of the first."""
    first = asks[0]
    return [first] + [
        f"{ask} ({topic_of(first)})" if REFERRING.search(ask) and len(content_words(ask)) <= 3 else ask
        for ask in asks[1:]
    ]


def resolve_follow_up(question: str, turns: Sequence[Turn]) -> str:
    """Return the question with what it leaves unsaid put back from the last turn, or unchanged when it stands alone."""
    if not turns:
        return question
    filled = filled_in(question, turns)
    if filled is not None:
        return filled
    previous = _last_standalone(turns)
    if not question:  # nothing but filter words: the question before, looked for elsewhere
        return previous
    words = words_of(question)
    carried = content_words(question)
    if OPPOSING.match(question):
        return f"{previous.rstrip(' ?.')} {question}"
    elliptic = ELLIPTIC.match(question)
    leads_on = LEADS_ON.match(question)
    has_verb = any(word in VERBS for word in words)
    if elliptic and leads_on and not has_verb and len(words) <= 9:
        return _replace_constraint(previous, elliptic["prep"], elliptic["rest"].strip())
    if _points_back(question) and len(carried) <= 6:
        return _carry_topic(question, previous)
    if leads_on and len(carried) <= 4:
        return _carry_topic(question, previous)
    if len(carried) <= 1 and len(words) <= 6:
        return _carry_topic(question, previous)
    return question


def _points_back(question: str) -> bool:
    """Return whether a word points to an earlier turn: one after a sentence that names something points there."""
    found = REFERRING.search(question)
    if found is None:
        return False
    sentences = ENDED.split(question[: found.start()])
    return len(content_words(" ".join(sentences[:-1]))) < 2


VERBS = frozenset(
    """is are was were do does did can could may might must should will would has have had get gets apply applies need
    needs mean means happen happens work works cost costs take takes""".split()
)


def _last_standalone(turns: Sequence[Turn]) -> str:
    """Return the latest question resolved against those before it, so that a topic survives a chain of follow-ups."""
    resolved = ""
    for number, turn in enumerate(turns[-4:]):
        resolved = (
            resolve_follow_up(turn.question, [Turn(resolved, "", turns[-4:][number - 1].clarification)])
            if number and resolved
            else turn.question
        )
    return resolved


def _replace_constraint(previous: str, preposition: str | None, rest: str) -> str:
    """Swap the matching part of the previous question: "… in Germany?" and "And in Leeds?" give "… in Leeds?"."""
    if preposition:
        found = list(
            re.finditer(
                rf"\b{preposition}\s+(?:the\s+)?[^\s,?]+(?:\s+[A-Z][^\s,?]+)*", previous, re.IGNORECASE
            )
        )
        if found:
            last = found[-1]
            return f"{previous[: last.start()]}{preposition.lower()} {rest}{previous[last.end() :]}"
        return f"{previous.rstrip(' ?.')} {preposition.lower()} {rest}?"
    names = list(re.finditer(r"(?<!^)\b[A-Z][\w-]*(?:\s+[A-Z][\w-]*)*", previous))
    if names and rest[:1].isupper():
        last = names[-1]
        return f"{previous[: last.start()]}{rest}{previous[last.end() :]}"
    return f"{previous.rstrip(' ?.')} {rest}?"


def _carry_topic(question: str, previous: str) -> str:
    """Add the previous question's topic words that the follow-up does not say itself, a handful at most."""
    said = {stem(word) for word in content_words(question)}
    missing = [
        word
        for word in dict.fromkeys(re.findall(r"[^\W_]+(?:[.'’-][^\W_]+)*", previous))
        if has_content(word.lower()) and word.lower() not in VERBS and stem(word.lower()) not in said
    ]
    if not missing:
        return question
    return f"{question.rstrip(' ?.')} ({' '.join(missing[:8])})?"
