"""What every engine of the index must do, with what is put into it; `test_index.py` holds each engine to it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.index.terms import FROM_SEARCHES
from ingestion.index.types import (
    ASIDE_WEIGHT,
    PAYLOAD_KEYS,
    IndexEntry,
    IndexFilter,
    IndexHits,
    IndexPoint,
    IndexQuery,
    IndexUnavailable,
    Vector,
    VectorIndex,
)

TEXTS = {
    1: "The red fox jumps over the fence.",
    2: "A red hen sleeps.",
    3: "The blue whale is not red.",
    4: "The of and.",
    5: "Café opening hours for the fox.",
    6: "Fox, fox and fox again.",
}


def vector(seed: int, size: int = 384) -> Vector:
    values = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return np.asarray(values / np.linalg.norm(values), dtype=np.float32)


def asking(text: str) -> IndexQuery:
    return IndexQuery(vector(1), text)


def point(
    chunk: int, *, document: int = 10, source: int = 1, policy: int = 1, superseded: int = 0, text: str = ""
) -> IndexPoint:
    return IndexPoint(
        chunk, document, source, policy, superseded, vector(chunk), text or TEXTS.get(chunk, f"Text {chunk}.")
    )


def where(
    policies: Sequence[int] = (1,),
    sources: Sequence[int] = (1,),
    *,
    superseded: bool = False,
    documents: Sequence[int] | None = None,
) -> IndexFilter:
    return IndexFilter(
        frozenset(policies),
        frozenset(sources),
        superseded,
        None if documents is None else frozenset(documents),
    )


def same(left: IndexHits, right: IndexHits) -> bool:
    """Compare hits as a viewer could, apart from the last digits that depend on how a matrix was multiplied."""

    def rounded(hits: IndexHits) -> list[tuple[int, float]]:
        return [(hit.chunk, round(hit.score, 5)) for hit in (*hits.dense, *hits.keyword)]

    return rounded(left) == rounded(right)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


class IndexContract:
    """What every engine must do."""

    @pytest.fixture
    def index(self, folder: Path) -> Iterator[VectorIndex]:
        raise AssertionError("Each engine's class gives its own index.")

    def found(self, index: VectorIndex, filter_: IndexFilter, text: str = "red fox") -> set[int]:
        hits = index.search(vector(1), text, filter_, 50)
        return {hit.chunk for hit in (*hits.dense, *hits.keyword)}

    def test_the_nearest_vector_and_the_shared_words_come_first(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        hits = index.search(vector(2), "blue whale", where(), 3)
        assert hits.dense[0].chunk == 2
        assert hits.dense[0].score == pytest.approx(1.0, abs=1e-3)
        assert len(hits.dense) == 3
        assert [hit.chunk for hit in hits.keyword] == [3]
        assert {hit.document for hit in (*hits.dense, *hits.keyword)} == {10}

    def test_words_match_whatever_their_case_ending_or_accent(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        assert [hit.chunk for hit in index.search(vector(1), "CAFES", where(), 9).keyword] == [5]

    def test_an_empty_set_of_policies_or_sources_or_documents_finds_nothing(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        for nothing in (where(()), where(sources=()), where((), ()), where(documents=())):
            assert self.found(index, nothing) == set()
            assert index.scores([(asking("red fox"), [1, 2])], nothing) == [{}]

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        st.frozensets(st.integers(1, 3)),
        st.frozensets(st.integers(1, 2)),
        st.booleans(),
        st.none() | st.frozensets(st.integers(1, 6)),
    )
    def test_exactly_what_the_filter_admits_is_found(
        self,
        index: VectorIndex,
        policies: frozenset[int],
        sources: frozenset[int],
        superseded: bool,
        documents: frozenset[int] | None,
    ) -> None:
        points = [
            point(
                n, document=n % 6 + 1, source=n % 2 + 1, policy=n % 3 + 1, superseded=n % 5 == 0, text="fox"
            )
            for n in range(1, 31)
        ]
        index.upsert(points)
        admitted = {
            p.chunk
            for p in points
            if p.policy in policies
            and p.source in sources
            and (superseded or not p.superseded)
            and (documents is None or p.document in documents)
        }
        filter_ = IndexFilter(policies, sources, superseded, documents)
        hits = index.search(vector(1), "fox", filter_, 50)
        assert {hit.chunk for hit in hits.dense} == admitted
        assert {hit.chunk for hit in hits.keyword} == admitted
        assert set(index.scores([(asking("fox"), range(1, 31))], filter_)[0]) == admitted

    def test_the_index_holds_the_declared_integers_and_no_text(self, index: VectorIndex) -> None:
        index.upsert([point(1, document=7, source=8, policy=9, superseded=1)])
        assert list(index.entries()) == [IndexEntry(chunk=1, document=7, source=8, policy=9, superseded=1)]
        (payload,) = self.payloads(index)
        assert payload == {"document": 7, "source": 8, "policy": 9, "superseded": 1}
        assert set(payload) == set(PAYLOAD_KEYS)

    def payloads(self, index: VectorIndex) -> list[dict[str, object]]:
        raise AssertionError("Each engine's class reads its own payloads.")

    def test_invisible_documents_do_not_change_the_scores_a_viewer_sees(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        before = index.search(vector(1), "red fox café", where(), 50)
        alone = index.search(vector(1), "red fox café", where(documents=[10]), 50)
        index.upsert([point(n, document=11, policy=2, text="red fox café red") for n in range(100, 140)])
        index.upsert([point(n, document=12, source=2, text="fox fox") for n in range(140, 180)])
        index.upsert([point(n, document=13, superseded=1, text="red") for n in range(180, 220)])
        assert same(index.search(vector(1), "red fox café", where(), 50), before)
        assert same(index.search(vector(1), "red fox café", where(documents=[10]), 50), alone)

    def test_scores_stay_the_same_however_often_is_asked(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        index.upsert([point(n, document=11, policy=2, text="red fox café red") for n in range(100, 140)])
        asked = IndexQuery(vector(1), "red fox", "whale café")
        for narrowed in (where(), replace(where(), sample=frozenset({1, 2, 3, 5, 100, 101, 999}))):
            first = index.search_many([asked], narrowed, 50)[0]
            again = [index.search_many([asked], narrowed, 50)[0] for _ in range(FROM_SEARCHES + 2)]
            assert all(same(hits, first) for hits in again)

    def test_what_is_written_counts_from_the_next_search_on_however_often_was_asked(
        self, index: VectorIndex
    ) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        before = index.search(vector(1), "red fox", where(), 50)
        index.upsert([point(n, document=11, text="red") for n in range(100, 120)])
        more = [index.search(vector(1), "red fox", where(), 50) for _ in range(FROM_SEARCHES + 2)]
        assert not any(same(hits, before) for hits in more)
        # Now the twenty lie under a rule that is not the viewer's, and must not weigh in any more.
        index.set_access(11, source=1, policy=2)
        assert same(index.search(vector(1), "red fox", where(), 50), before)
        index.set_access(11, source=1, policy=1)
        assert same(index.search(vector(1), "red fox", where(), 50), more[0])
        index.delete_document(11)
        assert same(index.search(vector(1), "red fox", where(), 50), before)

    @pytest.mark.parametrize("share", [0.01, 0.05, 0.5, 0.95, 1.0])
    def test_a_share_that_does_not_hold_changes_nothing_that_is_found(
        self, index: VectorIndex, share: float
    ) -> None:
        index.upsert([point(n, policy=n % 10 + 1) for n in range(1, 61)])
        expected = {n for n in range(1, 61) if n % 10 == 0}
        for told in (None, share):
            hits = index.search(vector(1), "text", replace(where(), share=told), 50)
            assert {hit.chunk for hit in hits.dense} == {hit.chunk for hit in hits.keyword} == expected

    def test_a_word_is_found_in_either_spelling(self, index: VectorIndex) -> None:
        index.upsert([point(1, text="The organisation of colours."), point(2, text="A color of its own.")])
        for asked in ("colour", "color"):
            assert {hit.chunk for hit in index.search(vector(1), asked, where(), 9).keyword} == {1, 2}
        assert [hit.chunk for hit in index.search(vector(1), "organization", where(), 9).keyword] == [1]

    def test_a_word_is_found_in_a_form_that_no_ending_makes_after_those_that_say_it_as_asked(
        self, index: VectorIndex
    ) -> None:
        index.upsert([point(1, text="Lost badges."), point(2, text="Losing badges.")])
        for asked, first in (("lose", 2), ("lost", 1)):
            assert [hit.chunk for hit in index.search(vector(1), asked, where(), 9).keyword] == [
                first,
                3 - first,
            ]
        assert index.search(vector(1), "loss", where(), 9).keyword == ()

    def test_narrowing_to_a_document_keeps_its_scores(self, index: VectorIndex) -> None:
        index.upsert([point(chunk, document=chunk) for chunk in TEXTS])
        wide = {hit.chunk: hit.score for hit in index.search(vector(1), "red fox", where(), 50).keyword}
        narrow = index.search(vector(1), "red fox", where(documents=[2]), 50).keyword
        assert {hit.chunk: hit.score for hit in narrow} == pytest.approx({2: wide[2]})

    def test_scores_are_those_of_the_search_and_zero_where_no_word_is_shared(
        self, index: VectorIndex
    ) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        hits = index.search(vector(1), "red fox", where(), 50)
        scores = index.scores([(asking("red fox"), [*TEXTS, 999])], where())[0]
        assert set(scores) == set(TEXTS)
        assert {hit.chunk: hit.score for hit in hits.dense} == pytest.approx(
            {chunk: score.dense for chunk, score in scores.items()}, abs=1e-5
        )
        words = {hit.chunk: hit.score for hit in hits.keyword}
        assert {chunk: score.keyword for chunk, score in scores.items()} == pytest.approx(
            {chunk: words.get(chunk, 0.0) for chunk in TEXTS}
        )

    def test_several_questions_at_once_get_the_answers_they_get_alone(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        questions = [
            IndexQuery(vector(1), "red fox"),
            IndexQuery(vector(2), "the of"),
            IndexQuery(vector(3), "blue whale"),
        ]
        together = index.search_many(questions, where(), 4)
        alone = [index.search(question.vector, question.text, where(), 4) for question in questions]
        assert all(same(left, right) for left, right in zip(together, alone, strict=True))
        assert index.search_many([], where(), 4) == []

    def test_a_question_narrowed_to_documents_finds_only_those_within_the_filter(
        self, index: VectorIndex
    ) -> None:
        index.upsert([point(chunk, document=chunk) for chunk in TEXTS])
        narrow = asking("red fox")._replace(documents=frozenset({2, 3}))
        wide, named = index.search_many([asking("red fox"), narrow], where(), 50)
        assert {hit.chunk for hit in wide.dense} == set(TEXTS)
        assert {hit.chunk for hit in named.dense} == {2, 3}
        assert index.search_many([narrow], where(documents=[3, 4]), 50)[0].dense[0].chunk == 3

    def test_words_from_around_a_question_weigh_less_than_its_own(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        own = {h.chunk: h.score for h in index.search(vector(1), "red", where(), 50).keyword}
        other = {h.chunk: h.score for h in index.search(vector(1), "whale", where(), 50).keyword}
        asked = IndexQuery(vector(1), "red", "whale red")
        found = {h.chunk: h.score for h in index.search_many([asked], where(), 50)[0].keyword}
        expected = {
            chunk: own.get(chunk, 0.0) + ASIDE_WEIGHT * other.get(chunk, 0.0) for chunk in {*own, *other}
        }
        assert found == pytest.approx(expected)

    def test_a_question_without_a_known_word_finds_by_meaning_only(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        for text in ("", "the of", "zzz", "?!"):
            hits = index.search(vector(1), text, where(), 9)
            assert hits.keyword == ()
            assert len(hits.dense) == len(TEXTS)

    def test_upserting_a_chunk_again_replaces_it(self, index: VectorIndex) -> None:
        index.upsert([point(1, policy=1)])
        index.upsert([point(1, policy=2, text="Something about cheese.")])
        assert index.count() == 1
        assert self.found(index, where((1,))) == set()
        assert [h.chunk for h in index.search(vector(1), "cheese", where((2,)), 5).keyword] == [1]

    def test_a_change_of_access_moves_every_chunk_of_the_document_and_no_other(
        self, index: VectorIndex
    ) -> None:
        index.upsert([point(1), point(2), point(3, document=11)])
        index.set_access(10, source=2, policy=5)
        assert self.found(index, where()) == {3}
        assert self.found(index, where((5,), (2,))) == {1, 2}

    def test_a_replaced_version_is_found_only_when_asked_for(self, index: VectorIndex) -> None:
        index.upsert([point(1), point(2), point(3, document=11)])
        index.set_superseded(10, True, chunks=[1])
        assert self.found(index, where()) == {2, 3}
        index.set_superseded(10, True)
        assert self.found(index, where()) == {3}
        assert self.found(index, where(superseded=True)) == {1, 2, 3}
        index.set_superseded(10, False)
        index.set_superseded(10, True, chunks=[])
        assert self.found(index, where()) == {1, 2, 3}

    def test_deleted_chunks_and_documents_are_gone(self, index: VectorIndex) -> None:
        index.upsert([point(1), point(2), point(3, document=11), point(4, document=12)])
        index.delete_chunks([4, 999])
        index.delete_chunks([])
        index.delete_document(10)
        index.delete_document(999)
        assert [entry.chunk for entry in index.entries()] == [3]
        assert index.count() == 1

    def test_every_entry_is_listed_once_in_order(self, index: VectorIndex) -> None:
        index.upsert([point(n, text="x") for n in range(2_100, 0, -1)])
        assert [entry.chunk for entry in index.entries()] == list(range(1, 2_101))

    def test_searching_after_optimizing_finds_the_same(self, index: VectorIndex) -> None:
        index.upsert([point(chunk) for chunk in TEXTS])
        before = index.search(vector(1), "red fox", where(), 50)
        index.optimize()
        index.flush()
        assert same(index.search(vector(1), "red fox", where(), 50), before)

    @pytest.mark.parametrize("wrong", [vector(1, 383), np.full(384, np.nan, dtype=np.float32)])
    def test_a_vector_of_the_wrong_shape_or_without_numbers_is_refused(
        self, index: VectorIndex, wrong: Vector
    ) -> None:
        with pytest.raises(ValueError, match="vector"):
            index.upsert([IndexPoint(1, 1, 1, 1, 0, wrong, "text")])
        assert index.count() == 0

    def test_a_closed_index_says_so(self, index: VectorIndex) -> None:
        index.close()
        with pytest.raises(IndexUnavailable, match="closed"):
            index.search(vector(1), "red", where(), 5)
