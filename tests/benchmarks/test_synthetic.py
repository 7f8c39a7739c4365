"""Made-up corpora: of the size asked for, the same every time, and shaped as measuring needs them."""

import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest

from benchmarks.plot import latency_plot
from benchmarks.synthetic import NEAREST, Corpus, Seeds, demo_sentences, normalised, questions


@pytest.fixture(scope="module")
def made_of() -> Seeds:
    sentences = tuple(demo_sentences())
    random = np.random.default_rng(1)
    return Seeds(sentences, normalised(random.normal(size=(len(sentences), 32)).astype(np.float32)))


def test_a_corpus_has_the_number_of_chunks_asked_for_and_is_the_same_every_time(made_of: Seeds) -> None:
    first, second = Corpus(made_of, 700), Corpus(made_of, 700)
    assert first.documents == second.documents
    assert sum(document.chunks for document in first.documents) == 700
    one, other = first.chunks_of(3, 9), second.chunks_of(3, 9)
    assert one.texts == other.texts
    assert np.array_equal(one.vectors, other.vectors)
    assert (
        len(one.texts) == len(one.headings) == len(one.vectors) == sum(d.chunks for d in first.documents[3:9])
    )


def test_chunks_of_one_document_lie_closer_together_than_chunks_of_different_ones(made_of: Seeds) -> None:
    corpus = Corpus(made_of, 400)
    longest = max(range(len(corpus.documents)), key=lambda n: corpus.documents[n].chunks)
    inside = corpus.chunks_of(longest, longest + 1).vectors
    outside = corpus.chunks_of(0, len(corpus.documents)).vectors
    assert (inside @ inside.T).mean() > (inside @ outside.T).mean() + 0.1
    assert np.linalg.norm(outside, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_few_words_are_everywhere_and_most_are_rare(made_of: Seeds) -> None:
    corpus = Corpus(made_of, 1_000)
    texts = corpus.chunks_of(0, len(corpus.documents)).texts
    counted = Counter(word for text in texts for word in set(text.lower().split()))
    assert sum(count <= 3 for count in counted.values()) > len(counted) / 2
    assert max(counted.values()) > len(texts) / 2


def test_no_question_comes_twice(made_of: Seeds) -> None:
    corpus = Corpus(made_of, 300)
    asked = list(questions(corpus, made_of, 200))
    assert len(set(asked)) == 200
    assert len(made_of.sentences) > NEAREST


def test_the_chart_is_well_formed_and_tells_its_figures_to_those_who_cannot_see_it() -> None:
    chart = ET.fromstring(latency_plot([(1_000, 12.0, 20.5), (10_000, 15.0, 25.0), (100_000, 22.0, 41.0)]))
    assert "100,000 chunks p50 22, p95 41" in chart.attrib["aria-label"]
    lines = [element for element in chart.iter() if element.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [3, 3]
