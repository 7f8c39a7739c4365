"""The vectors of sentences: kept small, in step with the passages they belong to, and made when they are missing."""

import numpy as np
import pytest
from pytest_django import Settings

from ingestion.embedding import embedder
from ingestion.forward import Vectors
from ingestion.models import Chunk
from ingestion.rebuilding import rebuild
from ingestion.sentences import best_cosines, packed, spans_at_the_end_of
from ingestion.splitting import split_sentences
from tests import fakes
from tests.ingestion.installation import Installation, installation

__all__ = ["installation"]  # a fixture: pytest finds it by name

TEXT = "Whales are the largest animals. Annual leave is twenty-five days. The printer stands upstairs."


def rows(count: int, width: int = 384) -> Vectors:
    made: Vectors = np.random.default_rng(7).normal(size=(count, width)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def test_a_cosine_over_packed_rows_is_that_over_the_rows_themselves_but_for_a_hundredth() -> None:
    vectors, question = rows(12), rows(1)[0]
    kept = [packed(vectors[:5]), packed(vectors[5:])]
    found = best_cosines(kept, question)
    for value, own in zip(found, (vectors[:5], vectors[5:]), strict=True):
        assert value == pytest.approx(float((own @ question).max()), abs=0.01)


def test_a_passage_without_sentences_or_with_those_of_another_model_has_no_cosine() -> None:
    vectors = rows(2)
    assert packed(vectors[:0]) == b""
    found = best_cosines([b"", packed(vectors), packed(rows(3, 64))], vectors[1])
    assert found[0] is None
    assert found[1] == pytest.approx(1.0, abs=0.01)
    assert found[2] is None
    assert best_cosines([], vectors[0]) == []


def test_sentences_are_found_again_below_title_and_headings() -> None:
    whole = f"Handbook\nPart two\n\n{TEXT}"
    spans = spans_at_the_end_of(whole, TEXT)
    assert [whole[span.start : span.end] for span in spans] == [
        TEXT[span.start : span.end] for span in split_sentences(TEXT)
    ]
    assert len(spans) == 3


@pytest.mark.slow
def test_the_sentence_that_answers_is_the_nearest_one_and_nearer_than_its_passage() -> None:
    made = embedder().embed_sentences([TEXT], [split_sentences(TEXT)])[0]  # type: ignore[attr-defined]
    question = embedder().embed_query("How many days of holiday do I get?")
    assert made.sentences.shape == (3, 384)
    assert np.linalg.norm(made.sentences, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    cosines = made.sentences @ question
    assert int(cosines.argmax()) == 1
    assert float(cosines[1]) > float(made.whole @ question) + 0.05


@pytest.mark.slow
def test_passages_of_any_length_keep_their_places_and_their_own_vectors() -> None:
    texts = [f"{TEXT} " * (1 + number % 7) + f"Number {number}." for number in range(90)]
    made = embedder().embed_sentences(texts, [split_sentences(text) for text in texts])  # type: ignore[attr-defined]
    alone = embedder().embed_passages(texts)
    for text, vectors, whole in zip(texts, made, alone, strict=True):
        assert float(vectors.whole @ whole) == pytest.approx(1.0, abs=1e-3)
        assert float(embedder().embed_query(text) @ whole) == pytest.approx(1.0, abs=2e-3)
        assert 1 < len(vectors.sentences) <= len(split_sentences(text))


@pytest.mark.slow
def test_what_lies_beyond_the_models_limit_has_no_vector() -> None:
    text = "Words that go on and on fill the page. " * 60
    made = embedder().embed_sentences([text], [split_sentences(text)])[0]  # type: ignore[attr-defined]
    assert 20 < len(made.sentences) < 60


def test_every_indexed_chunk_has_one_row_for_each_of_its_sentences(
    installation: Installation, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:SentenceEmbedder"
    installation.write("a.md", f"# Handbook\n\n{TEXT}")
    installation.sync(installation.connect())
    chunk = Chunk.objects.get()
    assert len(bytes(chunk.sentence_embeddings or b"")) == len(split_sentences(chunk.text)) * 64
    question = embedder().embed_query("Annual leave is twenty-five days.")
    assert best_cosines([bytes(chunk.sentence_embeddings or b"")], question)[0] == pytest.approx(
        1.0, abs=0.01
    )


def test_a_model_that_gives_no_sentences_leaves_none_and_is_not_asked_again(
    installation: Installation, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:CountingEmbedder"
    installation.write("a.md", TEXT)
    installation.sync(installation.connect())
    kept = Chunk.objects.get().sentence_embeddings
    assert kept is not None
    assert bytes(kept) == b""
    fakes.CountingEmbedder.count = 0
    rebuild()
    assert fakes.CountingEmbedder.count == 0


def test_what_was_embedded_before_sentences_were_kept_is_embedded_anew_by_a_rebuild(
    installation: Installation, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:SentenceEmbedder"
    installation.write("a.md", TEXT)
    installation.sync(installation.connect())
    kept = bytes(Chunk.objects.get().sentence_embeddings or b"")
    Chunk.objects.update(sentence_embeddings=None)
    rebuild()
    assert bytes(Chunk.objects.get().sentence_embeddings or b"") == kept != b""


def test_an_unchanged_passage_keeps_the_vectors_of_its_sentences_in_the_next_version(
    installation: Installation, settings: Settings
) -> None:
    settings.EMBEDDING_MODEL = "tests.fakes:SentenceEmbedder"
    installation.write("a.md", f"# Handbook\n\n## One\n\n{TEXT}\n\n## Two\n\nOld words.", seconds_ago=60)
    source = installation.connect()
    installation.sync(source)
    before = {c.digest: bytes(c.sentence_embeddings or b"") for c in Chunk.objects.all()}
    installation.write("a.md", f"# Handbook\n\n## One\n\n{TEXT}\n\n## Two\n\n{'Fresh words are here. ' * 3}")
    installation.sync(source)
    versions = Chunk.objects.filter(version__document__source=source, version__number=2)
    assert versions.exists()
    assert all(chunk.sentence_embeddings for chunk in versions)
    for chunk in versions:
        if chunk.digest in before:
            assert bytes(chunk.sentence_embeddings or b"") == before[chunk.digest]
