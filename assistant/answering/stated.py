"""Does the evidence state what was asked? Decided by what the question names, not by how similar a text sounds.

Similarity cannot decide it: the best scores of answerable and unanswerable questions overlap almost wholly. A name, a
number or a negation that the question turns on and the passage does not hold can.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.answering.expected import kind_of
from assistant.answering.scoring import Scored, odds_of
from ingestion.words import content_words, stem
from retrieval.specifics import DENYING, missing_from, specifics_of
from retrieval.synonyms import Synonyms, said_otherwise

# What also says no in a text: it answers a question that asks for what is not.
NEGATIVE = re.compile(
    DENYING.pattern
    + r"|\b(?:except\w*|exclu\w+|unless|only|other than|rather than|instead|lack\w*|fail\w*|refus\w+|reject\w*|prohibit\w*|forbid\w*|forbidden|"
    r"ban(?:s|ned)?|den(?:y|ies|ied)|avoid\w*|absen\w+|miss\w+|stop\w*|los[st]\w*|little|few|hardly|rarely|seldom|barely|unable|un\w{4,}|"
    r"in\w{2,}ible|non-?\w+|dis\w{4,}|oppos\w+|against|outside|beyond|ineligible|exempt\w*|late|overdue)\b",
    re.IGNORECASE,
)


HOW = re.compile(r"\bhow\s+(?:often|long|far|old|soon|high|large|big|tall)\b", re.IGNORECASE)
"""Words that ask; no text lacks them."""

ASKING = frozenset(
    """happen happens happened mean means say says tell tells mention mentioned mentions outline outlined describe described explain
    explains explained define defined summarise regarding concerning involve involved related according detail details
    detailed document documents question answer differ difference differences compare compared similar kind kinds type types
    sort sorts example examples term terms name names list thing things way ways step steps situation situations case cases
    reason reasons role impact affect affects effect effects influence implication implications consequence consequences limitation
    limitations need needs require requires handle handles deal apply applies important specific various several main certain exactly
    usually generally typically possible available whether else refer refers called known something anything everything somebody someone
    anybody anyone everybody everyone want wants wanted like think thinks guess know knows knew hear heard see sees seen look looks going
    goes went gone gave giving given take takes taken come comes came really actually probably maybe perhaps still already yet ever even
    quite rather exactly basically currently nowadays now today ok okay allowed able supposed wondering question sure enough alone thing
    stuff guy lot bit pls plz asap btw fyi hi hello hey ago back one ones""".split()
)
"""Words that a question is asked with, and not about: a text that answers it may do without."""

TELLING_SHARE = 0.5
"""Of the rarest missing word's weight: what is as common as “new” is not what is missing."""


@dataclass(frozen=True)
class Verdict:
    """Whether a sentence in its passage states what was asked. `missing` are words of the question; `stated` in [0, 1], and what
    it is by the features alone: the same where nothing was read."""

    missing: tuple[str, ...]
    is_denied: bool
    is_of_kind: bool
    stated: float
    by_features: float


def judge(question: str, scored: Scored, neighbourhood: str, synonyms: Synonyms) -> Verdict:
    """Return whether a sentence states what was asked, given the text around it (passage, title, headings)."""
    specifics = specifics_of(question)
    missing_names, missing_numbers = missing_from(specifics, neighbourhood)
    if missing_names:
        otherwise = said_otherwise(question, neighbourhood, synonyms)
        missing_names = tuple(name for name in missing_names if name.lower() not in otherwise)
    denied = specifics.is_negated and not NEGATIVE.search(scored.sentence.text)
    of_kind = scored.features.get("kind", 0.5) > 0 or kind_of(question) not in {"time", "amount"}
    by_features = _stated(scored, len(missing_names), len(missing_numbers), denied)
    odds = odds_of(scored)
    lacking = len(missing_names) + len(missing_numbers)
    return Verdict(
        missing=(*missing_names, *missing_numbers),
        is_denied=denied,
        is_of_kind=of_kind,
        stated=by_features if odds is None else _read(scored, odds, lacking, denied),
        by_features=by_features,
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


def _read(scored: Scored, odds: float, lacking: int, denied: bool) -> float:
    """Return how surely it is stated, says a curve over what the reader found and how near it is in meaning.

    Fitted to squad2 and to questions as they are asked at work, each set left out in turn (docs/retrieval.md).
    """
    level = (
        0.27 * odds + 2.4 * scored.features.get("meaning", 0.0) - 0.6 * min(lacking, 2) - 1.5 * denied - 1.2
    )
    return 1.0 / (1.0 + math.exp(-level))


def unsaid(
    question: str, known: Sequence[str], weights: Mapping[str, float], unseen: float
) -> tuple[str, ...]:
    """Return the question's telling words, as typed, that none of the given stems is: the rarest and those near it."""
    stems = set(known)
    asked_for: dict[str, str] = {}  # "boss's" and "boss" are one, as first typed
    for word in content_words(HOW.sub("", question)):
        if word not in ASKING:
            asked_for.setdefault(stem(word), word)
    missing = {word: weights.get(own, unseen) for own, word in asked_for.items() if own not in stems}
    rarest = max(missing.values(), default=0.0)
    return tuple(word for word, weight in missing.items() if weight >= TELLING_SHARE * rarest)
