"""Second searches: a later sub-query is asked with what an earlier one found, in words of its best passage's best sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.splitting import split_sentences
from ingestion.words import STOPWORDS, content_words, stem, stems_of
from retrieval.types import Passage, Plan, Ranked

SOURCES = 2  # passages that a later sub-query is asked from
MOST_SEARCHES = 4
MOST_WORDS = 14
"""Words that a second search is embedded by: with 14 to 20 the figures are level, and a little above those of whole sentences; with
10 2wiki101 loses two points of recall@10. The model's time goes by words."""
FOUND = re.compile(r"#\d+")  # stands in a sub-query for what that sub-query found
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True)
class Second:
    """A search to be made: its words, the sub-query it is for, and the place of the passage it is asked from.

    `text` holds words of a document and goes to the index only; no record keeps it.
    """

    text: str
    sub_query: int
    source: int

    @property
    def gist(self) -> str:
        """The first MOST_WORDS of its words that are no stop words: what it is embedded by."""
        return " ".join([word for word in self.text.split() if word.lower() not in STOPWORDS][:MOST_WORDS])


def second_searches(plan: Plan, first: Sequence[Ranked]) -> tuple[Second, ...]:
    """Return the searches for the plan's later sub-queries, each asked from the best passages of those it waits for."""
    searches: list[Second] = []
    for sub_query in plan.sub_queries:
        if not sub_query.after:
            continue
        earlier = set(sub_query.after)
        sources = [
            n for n, ranked in enumerate(first) if not ranked.sub_queries or earlier & set(ranked.sub_queries)
        ]
        for source in sources[:SOURCES]:
            passage = first[source].passage
            searches.append(Second(_filled_in(sub_query.text, passage), sub_query.number, source))
    return tuple(searches[:MOST_SEARCHES])


def _filled_in(text: str, passage: Passage) -> str:
    """Return a sub-query with what a passage says in the place of what it waits for.

    Words of the passage's title are left out on both sides: what is asked next is about something else.
    """
    own = set(stems_of(passage.title))
    asked = [word for word in content_words(FOUND.sub(" ", text)) if stem(word) not in own]
    found = [word for word in WORD.findall(best_sentence(text, passage)) if stem(word.lower()) not in own]
    return " ".join((*asked, *found))


def best_sentence(text: str, passage: Passage) -> str:
    """Return the passage's sentence that holds most of a question's words, the first of several."""
    wanted = set(stems_of(text))
    sentences = [passage.text[span.start : span.end] for span in split_sentences(passage.text)]
    return max(sentences, key=lambda sentence: len(wanted & set(stems_of(sentence))), default=passage.text)
