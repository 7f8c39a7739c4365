"""How much words weigh: how rare each is among the passages at hand, and how many of those wanted are found."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping


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
