"""Fusion: one ranking of two, the same every time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.index.types import ChunkScores, IndexHit, IndexHits
from retrieval.fusion import fuse
from retrieval.types import Candidate

cosines = st.floats(min_value=-1.0, max_value=1.0, width=32)
sums = st.floats(min_value=0.0625, max_value=64.0, width=32)


def ranked(scores: dict[int, float]) -> tuple[IndexHit, ...]:
    hits = [IndexHit(chunk, document=chunk // 2, score=score) for chunk, score in scores.items()]
    return tuple(sorted(hits, key=lambda hit: -hit.score))


hits_of_both = st.builds(
    lambda dense, keyword: IndexHits(ranked(dense), ranked(keyword)),
    st.dictionaries(st.integers(1, 40), cosines, max_size=20),
    st.dictionaries(st.integers(1, 40), sums, max_size=20),
)


@given(hits_of_both, st.floats(min_value=0.0, max_value=1.0))
def test_the_union_is_kept_once_each_in_falling_order_within_zero_and_one(
    hits: IndexHits, weight: float
) -> None:
    candidates = fuse(hits, weight=weight)
    assert sorted(c.chunk for c in candidates) == sorted({h.chunk for h in (*hits.dense, *hits.keyword)})
    fused = [c.fused for c in candidates]
    assert fused == sorted(fused, reverse=True)
    assert all(0.0 <= value <= 1.0 for value in fused)


@given(hits_of_both)
def test_the_order_of_the_hits_does_not_matter(hits: IndexHits) -> None:
    shuffled = IndexHits(tuple(reversed(hits.dense)), tuple(reversed(hits.keyword)))
    assert fuse(shuffled) == fuse(hits)


@given(hits_of_both)
def test_each_candidate_carries_its_own_scores_and_its_document(hits: IndexHits) -> None:
    dense = {h.chunk: h.score for h in hits.dense}
    keyword = {h.chunk: h.score for h in hits.keyword}
    for candidate in fuse(hits):
        assert candidate.dense == dense.get(candidate.chunk)
        assert candidate.keyword == keyword.get(candidate.chunk)
        assert candidate.document == candidate.chunk // 2


@given(hits_of_both)
def test_a_chunk_first_in_both_lists_is_first(hits: IndexHits) -> None:
    top = IndexHits((IndexHit(99, 9, 2.0), *hits.dense), (IndexHit(99, 9, 99.0), *hits.keyword))
    best = fuse(top)[0]
    assert best.chunk == 99
    assert best.fused == pytest.approx(1.0)


def test_equal_scores_are_ordered_by_chunk() -> None:
    hits = IndexHits(dense=ranked({7: 0.5, 3: 0.5, 5: 0.5}))
    assert [c.chunk for c in fuse(hits)] == [3, 5, 7]


def test_nothing_found_is_nothing() -> None:
    assert fuse(IndexHits()) == ()


def test_a_single_hit_is_a_candidate() -> None:
    assert fuse(IndexHits(keyword=ranked({4: 3.0})), weight=0.5) == (Candidate(4, 2, None, 3.0, 0.5),)


def test_asking_for_more_hits_does_not_change_what_the_first_ones_score() -> None:
    few = IndexHits(ranked({1: 0.8, 2: 0.6}), ranked({1: 4.0, 2: 9.0}))
    many = IndexHits(ranked({1: 0.8, 2: 0.6, 3: 0.1}), ranked({1: 4.0, 2: 9.0, 4: 0.5}))
    assert [c for c in fuse(many) if c.chunk in (1, 2)] == list(fuse(few))


def test_the_other_score_of_a_chunk_only_one_retriever_found_counts_when_known() -> None:
    hits = IndexHits(dense=ranked({1: 0.9, 2: 0.5}), keyword=ranked({1: 9.0, 3: 8.0}))
    plain = {c.chunk: c for c in fuse(hits)}
    known = {c.chunk: c for c in fuse(hits, exact={2: ChunkScores(0.5, 0.0), 3: ChunkScores(0.2, 8.0)})}
    assert plain[3].dense is None
    assert known[3].dense == 0.2
    assert known[3].fused < plain[3].fused


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_zero_and_one_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fuse(IndexHits(), weight=weight)
