"""British and American spellings of one English word, so that a question in one finds a text in the other.

Only what differs by rule or is common in documents; a spelling that no text has finds nothing and does no harm.
"""

import re
from functools import lru_cache

_OUR = (
    "arb|arm|behavi|cand|clam|col|demean|endeav|fav|ferv|flav|hon|hum|lab|neighb|od|parl|ranc|rig|rum|savi|sav|splend|succ|tum|"
    "val|vap|vig"
)
_RE = "calib|cent|epicent|fib|goit|(?:milli|micro)?lit|lust|meag|(?:kilo|centi|milli|micro|nano)?met|sab|somb|spect|theat|tit"
_LL = (
    "cancel|channel|counsel|dial|duel|enamel|fuel|funnel|initial|label|level|marshal|marvel|model|panel|pedal|quarrel|rival|"
    "shovel|signal|total|travel|tunnel|unravel"
)
_ENDINGS = "(?=(?:s|ed|ing|al|ally|able|ably|ite|ites|ful|hood|hoods|ly|er|ers|less|ism|y)?$)"
_IZE = "(e|es|ed|er|ers|ing|able|ation|ations|ational)$"

RULES = [
    (rf"({_OUR})our{_ENDINGS}", r"\1or", rf"({_OUR})or{_ENDINGS}", r"\1our"),
    (rf"(\w{{3}})is{_IZE}", r"\1iz\2", rf"(\w{{3}})iz{_IZE}", r"\1is\2"),
    (r"(anal|paral|catal)ys(e|ed|es|er|ers|ing)$", r"\1yz\2", r"(anal|paral|catal)yz(e|ed|es|er|ers|ing)$", r"\1ys\2"),
    (rf"^({_RE})re(s?)$", r"\1er\2", rf"^({_RE})er(s?)$", r"\1re\2"),
    (rf"^({_RE})red$", r"\1ered", rf"^({_RE})ered$", r"\1red"),
    (r"^(def|off|lic|pret)ence", r"\1ense", r"^(def|off|lic|pret)ense", r"\1ence"),
    (r"^(anal|catal|dial|epil|monol|prol)ogue(s?)$", r"\1og\2", r"^(anal|catal|dial|epil|monol|prol)og(s?)$", r"\1ogue\2"),
    (rf"^({_LL})l(ed|er|ers|ing|or|ors)$", r"\1\2", rf"^({_LL})(ed|er|ers|ing|or|ors)$", r"\1l\2"),
    (r"aemi(a|as|c)$", r"emi\1", r"emi(a|as|c)$", r"aemi\1"),
]  # fmt: skip
"""British to American, and back: what is looked for, and what stands there instead."""

BEGINNINGS = {
    "acknowledgement": "acknowledgment", "aeroplane": "airplane", "aesthet": "esthet", "aetiol": "etiol",
    "ageing": "aging", "aluminium": "aluminum", "anaesth": "anesth", "archaeol": "archeol", "artefact": "artifact",
    "caesarean": "cesarean", "coeliac": "celiac", "diarrhoea": "diarrhea", "encyclopaed": "encycloped",
    "enquir": "inquir", "enrolment": "enrollment", "faec": "fec", "foet": "fet", "fulfilment": "fulfillment",
    "grey": "gray", "gynaecol": "gynecol", "haem": "hem", "homoeo": "homeo", "instalment": "installment",
    "jewellery": "jewelry", "judgement": "judgment", "manoeuv": "maneuv", "mould": "mold", "oedem": "edem",
    "oesoph": "esoph", "oestr": "estr", "orthopaed": "orthoped", "paediatr": "pediatr", "plough": "plow",
    "practis": "practic", "programme": "program", "sceptic": "skeptic", "skilful": "skillful", "sulph": "sulf",
    "wilful": "willful",
}  # fmt: skip
_AMERICAN = {american: british for british, american in BEGINNINGS.items()}

_TO_AMERICAN = [(re.compile(old), new) for old, new, _, _ in RULES]
_TO_BRITISH = [(re.compile(old), new) for _, _, old, new in RULES]
_BRITISH_BEGINNING = re.compile("|".join(sorted(BEGINNINGS, key=len, reverse=True)))
_AMERICAN_BEGINNING = re.compile("|".join(sorted(_AMERICAN, key=len, reverse=True)))


_HINT = re.compile(r"our|[iy]s[aei]|re[ds]?$|ence|ogue|ll[eio]|aemi")
"""What the rules to American ask for; words without it, nearly all, are told by it alone."""


def american(word: str) -> str:
    """Return a word in lower case in its American spelling; most words have only one."""
    found = _BRITISH_BEGINNING.match(word)
    if found:
        return BEGINNINGS[found.group()] + word[found.end() :]
    return _first_of(_TO_AMERICAN, word) if _HINT.search(word) else word


@lru_cache(maxsize=10_000)
def other_spelling(word: str) -> str | None:
    """Return a word's spelling on the other side of the Atlantic, where it may have one; in lower case."""
    other = american(word)
    if other == word:
        found = _AMERICAN_BEGINNING.match(word)
        other = _AMERICAN[found.group()] + word[found.end() :] if found else _first_of(_TO_BRITISH, word)
    return None if other == word else other


def _first_of(rules: list[tuple[re.Pattern[str], str]], word: str) -> str:
    for pattern, replacement in rules:
        changed = pattern.sub(replacement, word)
        if changed != word:
            return changed
    return word
