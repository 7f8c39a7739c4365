"""What kind of answer a question waits for, and whether a sentence holds one of that kind. Small rules, no model."""

import re
from typing import Literal

from assistant.answering.steps import ITEM
from ingestion.words import STOPWORDS, words_of

Kind = Literal["time", "amount", "person", "place", "yes_no", "reason", "steps", "any"]

NUMBER_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion dozen "
    "half third quarter twice once double triple several none no zero couple many few both"
).split()
_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"

_QUESTIONS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "steps",
        re.compile(
            r"\bhow (?:do|can|could|should|must|may|would) (?:i|we|you|one|somebody|someone|people)\b|\bhow to\b|"
            r"\bwhat (?:do|should|must|shall|can) (?:i|we|you|one) (?:\w+ )?do\b|"
            r"\bwhat (?:are|is) the (?:\w+ )?(?:steps|procedure|process) (?:to|for|of|when|if)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "time",
        re.compile(
            r"\bwhen\b|\b(?:what|which|in what|in which|during what)\s+(?:\w+\s+){0,2}(?:year|date|day|month|century|decade|time|period|era|quarter|week|hour|deadline)s?\b|"
            r"\bhow (?:long|often|soon|late|early)\b|\b(?:since|until|by) when\b|\bhow old\b",
            re.IGNORECASE,
        ),
    ),
    (
        "amount",
        re.compile(
            r"\bhow (?:many|much|far|high|tall|large|big|deep|wide|heavy|fast|hot|cold|few)\b|"
            r"\b(?:what|which)\s+(?:\w+\s+){0,3}(?:number|amount|percent(?:age)?|proportion|share|rate|ratio|price|cost|limit|budget|population|size|"
            r"temperature|speed|distance|height|weight|maximum|minimum|salary|fee|total|average|area|value|fraction|allowance|cap)\b",
            re.IGNORECASE,
        ),
    ),
    ("person", re.compile(r"\bwho(?:se|m)?\b", re.IGNORECASE)),
    (
        "place",
        re.compile(
            r"\bwhere\b|\b(?:what|which)\s+(?:\w+\s+){0,2}(?:city|country|place|town|state|region|location|province|building|"
            r"room|office|continent|island|river|street|county|nation|site)s?\b",
            re.IGNORECASE,
        ),
    ),
    ("reason", re.compile(r"\bwhy\b|\bwhat (?:caused?|reason)", re.IGNORECASE)),
    (
        "yes_no",
        re.compile(
            r"^\W*(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had|am)\b",
            re.IGNORECASE,
        ),
    ),
)

_TIME = re.compile(
    rf"\b(?:1\d|20)\d\ds?\b|\b{_MONTH}\b|\b\d{{1,2}}(?:st|nd|rd|th)\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|"
    r"\b(?:\d+|"
    + "|".join(NUMBER_WORDS)
    + r")[ -](?:\w+[ -])?(?:year|month|week|day|hour|minute|second|centur|decade|night)|"
    r"\b(?:century|centuries|decades?|BCE?|CE|AD|a\.m\.|p\.m\.|noon|midnight|morning|afternoon|evening|today|daily|weekly|monthly|"
    r"quarterly|yearly|annual(?:ly)?|biannual|seasons?|spring|summer|autumn|winter|immediately|era|age|war|reign|after|before|during|until|"
    r"every|each|once|twice)\b|\b\d{1,2}[:.]\d\d\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"\d|%|[€$£¥]|\b(?:" + "|".join(NUMBER_WORDS) + r")\b", re.IGNORECASE)
_CAPITALISED = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-Z][\w'’-]+")
_ROLE = re.compile(
    r"\b(?:manager|director|officer|lead|head|owner|team|department|board|committee|council|president|minister|chair\w*|king|queen|emperor|"
    r"employees?|members?|people|person|staff|author|scientists?|engineers?|workers?|group|company|line manager|hr|government|"
    r"he|she|they|anyone|everyone|nobody|who)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b(?:in|at|on|near|from|to|into|under|inside|outside|between|along|across|within|around|through|north|south|east|west)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|due to|as a result|so that|in order to|therefore|owing to|thus|caused?|leads? to|led to|reason|to (?:avoid|prevent|ensure|protect|allow|reduce)|for)\b",
    re.IGNORECASE,
)

_STEP = re.compile(rf"^[ \t]*{ITEM.pattern}", re.MULTILINE)


def kind_of(question: str) -> Kind:
    """Return what kind of answer a question waits for; `any` when its words do not say."""
    found: list[tuple[int, int, Kind]] = []
    for order, (kind, pattern) in enumerate(_QUESTIONS):
        match = pattern.search(question)
        if match:
            found.append((match.start(), order, kind))
    if not found:
        return "any"
    # "Is it known when …" waits for a time: of several, yes-or-no only when nothing else is asked.
    asked = [entry for entry in found if entry[2] != "yes_no"] or found
    return min(asked)[2]


def holds(kind: Kind, sentence: str, question: str) -> float:
    """Return in [0, 1] how surely a sentence holds an answer of a kind; 0.5 where nothing can be said.

    What the question itself names does not count: "When did the 2019 review end?" is not answered by "2019".
    """
    if kind in {"any", "yes_no"}:
        return 0.5
    said = set(words_of(question))
    if kind == "time":
        return float(any(_is_new(match.group(), said) for match in _TIME.finditer(sentence)))
    if kind == "amount":
        words = [word for word in words_of(sentence) if word not in said]
        return float(any(_AMOUNT.search(word) for word in words))
    if kind == "person":
        if any(_is_new(match.group(), said) for match in _CAPITALISED.finditer(sentence)):
            return 1.0
        return 0.6 if _ROLE.search(sentence) else 0.0
    if kind == "place":
        named = any(_is_new(match.group(), said) for match in _CAPITALISED.finditer(sentence))
        return 0.5 * named + 0.5 * bool(_PLACE.search(sentence))
    if kind == "steps":
        return float(len(_STEP.findall(sentence)) > 1)
    return float(bool(_REASON.search(sentence)))


def _is_new(found: str, said: set[str]) -> bool:
    return any(word not in said and word not in STOPWORDS for word in words_of(found)) or not words_of(found)
