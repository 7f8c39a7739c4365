"""Words for the same thing: what people ask about in one word, their documents may call by another.

"How many vacation days do I get?" finds the neighbourhood by its meaning; there they speak of leave. A term of the
question that nothing found holds is read as the other term for it that most of what was found holds; where that holds none
either, one search looks for them ("per diem" means little to the model). Only passages that the asker may read count. The terms come from `synonyms.txt` and from a file of the organisation's own, both in the format
that search engines share (Solr's): terms between commas stand for each other, `a, b => c` goes one way, `#` is a remark.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from accounts.viewer import Viewer
from ingestion.index.types import IndexQuery
from ingestion.words import WORD, stem, words_of
from retrieval.gate import pass_gate
from retrieval.options import Options
from retrieval.search import SearchResults, search_more
from retrieval.types import Candidate, Gated, Passage, Plan

BUILT_IN = Path(__file__).with_name("synonyms.txt")

Term = tuple[str, ...]
"""A term's words in lower case and in the singular."""

Synonyms = Mapping[Term, Sequence[str]]
"""What each term may be read as, in the order of the files."""

MOST_LOOKED_AT = 10
"""Passages of the search for other terms: enough to see which of them is used here."""


class SynonymsError(Exception):
    """A file of synonyms cannot be used; the message names file and line."""


@dataclass(frozen=True)
class Place:
    """Where in a text a term stands, as character offsets, and as what it is typed there."""

    start: int
    end: int
    term: Term
    typed: str


@dataclass(frozen=True)
class OtherWords:
    """The terms of a question that nothing found holds, as typed, and the plan that asks for them as they are called there.

    `read_otherwise` of them are read as another term; none, and the plan asks what it did. `candidates` were looked for
    because nothing found held another either, `gated` is what passed of them.
    """

    plan: Plan
    lacking: tuple[str, ...] = ()
    read_otherwise: int = 0
    candidates: tuple[Candidate, ...] = ()
    gated: Gated = field(default_factory=lambda: Gated((), ()))


def other_words(
    plan: Plan, passages: Iterable[Passage], results: SearchResults, viewer: Viewer, synonyms: Synonyms
) -> OtherWords:
    """Return which terms of a question nothing found holds, and the plan in other words. One more search at most."""
    terms = terms_in(plan.standalone, synonyms)
    # Nearly every question has none: passages are then not read.
    held = stemmed_passages(passages) if terms else []
    lacking = unheld(terms, held)
    if not lacking:
        return OtherWords(plan)
    readings = readings_in(held, lacking, synonyms)
    unread = [term for term in lacking if term not in readings]
    candidates: tuple[Candidate, ...] = ()
    gated = Gated((), ())
    if unread:
        text = " ".join(other for term in unread for other in synonyms[term])
        candidates = search_more([(IndexQuery(results.asked.vector, text), MOST_LOOKED_AT)], results)[0]
        gated = pass_gate([candidate.chunk for candidate in candidates], viewer)
        readings |= readings_in(stemmed_passages(gated.passages), unread, synonyms)
    return OtherWords(
        reworded_plan(plan, readings), tuple(lacking.values()), len(readings), candidates, gated
    )


def terms_in(question: str, synonyms: Synonyms) -> dict[Term, str]:
    """Return the terms of a question, each as it is typed."""
    return {place.term: place.typed for place in _places(question, synonyms)}


def unheld(terms: Mapping[Term, str], held: Sequence[str]) -> dict[Term, str]:
    """Return the terms that no passage holds. `held` are `stemmed_passages`."""
    return {
        term: typed for term, typed in terms.items() if not any(_stemmed(typed) in stems for stems in held)
    }


def readings_in(held: Sequence[str], terms: Iterable[Term], synonyms: Synonyms) -> dict[Term, str]:
    """Return for each term the other one that most passages hold; a term for which they have no other is left out.

    Of several that as many hold it is the first in the files; where a longer one has it in it ("annual leave" for "leave"),
    that one, which says more exactly what is meant.
    """
    found = {}
    for term in terms:
        holding = {other: sum(_stemmed(other) in stems for stems in held) for other in synonyms[term]}
        counts = {other: count for other, count in holding.items() if count}
        if counts:
            most = max(counts, key=counts.__getitem__)
            exact = [other for other in counts if _stemmed(most) in _stemmed(other)]
            found[term] = max(exact, key=lambda other: (len(words_of(other)), counts[other]))
    return found


def said_otherwise(question: str, text: str, synonyms: Synonyms) -> frozenset[str]:
    """Return the words of a question's terms, in lower case, for which a text holds another term: "UK" in what says "United Kingdom"."""
    terms = terms_in(question, synonyms)
    if not terms:
        return frozenset()
    held = _stemmed(text)
    return frozenset(
        word
        for term, typed in terms.items()
        if any(_stemmed(other) in held for other in synonyms[term])
        for word in words_of(typed)
    )


def stemmed_passages(passages: Iterable[Passage]) -> list[str]:
    """Return the stems of each passage, its title and headings with it, in order and between spaces."""
    return [_stemmed(passage.with_titles) for passage in passages]


def reworded_plan(plan: Plan, words: Mapping[Term, str]) -> Plan:
    """Return a plan that asks the same in these other words."""
    read_as = ((words[place.term], place.typed) for place in _places(plan.standalone, words))
    return plan.in_words_of(lambda text: reworded(text, words), read_as)


def reworded(text: str, words: Mapping[Term, str]) -> str:
    """Return a text with these terms put in other words."""
    for place in reversed(list(_places(text, words))):
        text = f"{text[: place.start]}{words[place.term]}{text[place.end :]}"
    return text


def synonyms_for(options: Options) -> Synonyms:
    """Return the configured terms, none where the options leave them out. Raises SynonymsError like `configured_synonyms`."""
    return configured_synonyms() if options.synonyms else {}


def configured_synonyms() -> Synonyms:
    """Return the terms that come with the product and the organisation's own (FOOTNOTE_SYNONYMS), read once.

    Raises SynonymsError with file and line when one of the files cannot be used.
    """
    return _read(settings.SYNONYMS)


@lru_cache(maxsize=4)
def _read(own: str) -> Synonyms:
    readings: dict[Term, list[str]] = {}
    # The organisation's own words come first: of two that as many passages hold, the first is taken.
    for path in [*([Path(own)] if own else []), BUILT_IN]:
        for term, others in read_synonyms(path):
            known = readings.setdefault(term, [])
            known += [other for other in others if other not in known]
    return readings


def read_synonyms(path: Path) -> Iterator[tuple[Term, list[str]]]:
    """Yield the terms of a file, each with what it may be read as. Raises SynonymsError with file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SynonymsError(f"The synonyms in {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SynonymsError(f"The synonyms in {path} cannot be read: they are not in UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        left, arrow, right = text.partition("=>")
        terms, others = _terms(left), _terms(right if arrow else left)
        if not terms or not others or (not arrow and len(terms) < 2):
            raise SynonymsError(
                f"{path}, line {number}: expected terms for the same thing, such as “vacation, annual leave”, or "
                f"“PTO => leave”, not “{text}”."
            )
        for term in terms:
            yield _folded(term), [other for other in others if _folded(other) != _folded(term)]


def _terms(text: str) -> list[str]:
    return [term for part in text.split(",") if (term := " ".join(part.split())) and words_of(term)]


def _places(text: str, terms: Mapping[Term, object]) -> Iterator[Place]:
    """Yield where terms stand in a text, in order, of those that begin with the same word the longest."""
    longest = max(map(len, terms), default=0)
    found = list(WORD.finditer(text))
    forms = [_singular(match.group().lower()) for match in found]
    at = 0
    while at < len(found):
        lengths = range(min(longest, len(found) - at), 0, -1)
        term = next((t for n in lengths if (t := tuple(forms[at : at + n])) in terms), None)
        if term:
            start, end = found[at].start(), found[at + len(term) - 1].end()
            yield Place(start, end, term, text[start:end])
        at += len(term or ".")


def _folded(term: str) -> Term:
    return tuple(map(_singular, words_of(term)))


def _singular(word: str) -> str:
    """Return a word without the s of the plural or the possessive: what is asked for is the same."""
    word = word.replace("’", "'").removesuffix("'s")
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _stemmed(text: str) -> str:
    """Return a text's stems in order, each between spaces, so that one text can be looked for in another."""
    return f" {' '.join(map(stem, words_of(text)))} "
