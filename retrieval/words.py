"""Words as retrieval counts them: content words, light stems, and how rare each is among the passages at hand."""

import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ingestion.spellings import american

# Possessive: what is matched is the same, in four fifths of the time.
WORD = re.compile(r"[^\W_]++(?:[.,'’-][^\W_]++)*+")


STOPWORDS = frozenset(
    """a about above after again against all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further get had has have having he her here hers him
    his how i if in into is it its itself just let may me might more most much must my no nor not of off on once only or
    other our ours out over own per same shall she should so some such than that the their theirs them then there these
    they this those through to too under until up upon us very was we were what when where whether which while who whom
    whose why will with within would you your yours tell please know show give find explain many get gets got getting""".split()
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, in order."""
    return WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """Return the words that carry content, in order, in lower case."""
    return [word for word in words_of(text) if word not in STOPWORDS]


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return the Snowball stem (Porter2, English) of a word's American spelling."""
    return str(_stemmer().stemWord(american(word.replace("’", "'"))))


_stemmers = threading.local()


def _stemmer() -> Any:  # Any: the library has no types
    """Return this thread's stemmer: it keeps the word it is at in itself."""
    if not hasattr(_stemmers, "own"):
        import Stemmer

        _stemmers.own = Stemmer.Stemmer("english", 0)
    return _stemmers.own


def stems_of(text: str) -> list[str]:
    """Return the stems of a text's content words, in order."""
    return [stem(word) for word in content_words(text)]


def rarity(documents: Iterable[Iterable[str]]) -> dict[str, float]:
    """Return each stem's inverse document frequency over the given stemmed documents (BM25's, always > 0)."""
    counted: Counter[str] = Counter()
    total = 0
    for document in documents:
        counted.update(set(document))
        total += 1
    return {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in counted.items()}


def coverage(
    wanted: Iterable[str], found: Iterable[str], weights: Mapping[str, float], unseen: float
) -> float:
    """Return the share, by weight, of the wanted stems that are found, in [0, 1]; 0 when nothing is wanted."""
    wanted_set, found_set = set(wanted), set(found)
    whole = sum(weights.get(word, unseen) for word in wanted_set)
    if whole <= 0:
        return 0.0
    return sum(weights.get(word, unseen) for word in wanted_set & found_set) / whole


def related(left: str, right: str) -> bool:
    """Return whether two words in lower case look like forms of one ("director", "directed"); stems are too careful."""
    if left == right:
        return True
    shorter = min(len(left), len(right))
    if shorter < 5:
        return False
    root = max(5, shorter - 3)
    return left[:root] == right[:root]
