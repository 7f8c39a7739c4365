"""Second searches: what they are embedded by."""

from ingestion.words import STOPWORDS
from retrieval.second import MOST_WORDS, Second


def test_a_second_search_is_embedded_by_its_first_words_that_carry_content() -> None:
    words = [f"word{number}" for number in range(40)]
    search = Second(" of the ".join(words), 2, 0)
    assert search.gist.split() == words[:MOST_WORDS]
    assert not STOPWORDS.intersection(search.gist.split())


def test_a_short_one_is_embedded_whole() -> None:
    assert Second("composer Billy Elliot", 2, 0).gist == "composer Billy Elliot"
