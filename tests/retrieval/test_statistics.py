"""Samples for term statistics: large enough to tell, and never of anything the viewer may not read."""

from collections.abc import Iterator

import pytest

from accounts.viewer import EVERYONE, group_principal
from ingestion.access import Rule, intern_policy, reach_of
from ingestion.models import Chunk, Document
from retrieval import statistics
from retrieval.statistics import Sample, sample_for
from tests.factories import make_document
from tests.world import World


@pytest.fixture
def crowded(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world with sixty more documents, every third for the Budget group only, and small limits."""
    budget = Rule.of({group_principal(world.groups["Budget"].pk)})
    for number in range(60):
        rule = budget if number % 3 == 0 else Rule.of({EVERYONE})
        make_document(world.sources["open"], f"crowd {number}", f"Crowd number {number}.", rule)
    monkeypatch.setattr(statistics, "EXACT_UP_TO", 30)
    monkeypatch.setattr(statistics, "SAMPLE", 20)
    statistics.forget()
    yield world
    statistics.forget()


def sample_of(world: World, name: str, *, superseded: bool = False) -> Sample:
    viewer = world.viewer(name)
    return sample_for(viewer, reach_of(viewer), superseded=superseded)


def test_a_small_collection_is_counted_whole(world: World) -> None:
    assert sample_of(world, "alice") == Sample()


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "dana", "adam"])
def test_a_sample_holds_readable_chunks_only(crowded: World, name: str) -> None:
    sample = sample_of(crowded, name)
    readable = set(Chunk.objects.readable_by(crowded.viewer(name)).values_list("pk", flat=True))
    assert sample.chunks
    assert sample.chunks <= readable


def test_the_share_says_how_much_a_viewer_may_read(crowded: World) -> None:
    alice, charlie = sample_of(crowded, "alice").share, sample_of(crowded, "charlie").share
    assert alice is not None
    assert charlie is not None
    assert 0.5 < charlie < alice <= 1.0


def test_what_others_replace_is_counted_only_where_it_is_searched(crowded: World) -> None:
    Document.objects.filter(title__startswith="Crowd").update(is_superseded=True)
    assert sample_of(crowded, "charlie").chunks is None  # so little is left that all of it is counted
    assert sample_of(crowded, "charlie", superseded=True).chunks


def test_a_revoked_rule_brings_another_sample_at_once(crowded: World) -> None:
    before = sample_of(crowded, "bob").chunks
    crowded.groups["Budget"].memberships.all().delete()
    after = sample_of(crowded, "bob").chunks
    assert before is not None
    assert after is not None
    readable = set(Chunk.objects.readable_by(crowded.viewer("bob")).values_list("pk", flat=True))
    assert after <= readable
    assert not before <= readable


def test_a_kept_sample_serves_until_the_reach_changes(crowded: World) -> None:
    first = sample_of(crowded, "charlie")
    make_document(crowded.sources["open"], "late", "A late one.", Rule.of({EVERYONE}))
    assert sample_of(crowded, "charlie") is first
    new = intern_policy(Rule.of({EVERYONE}, {EVERYONE, "user:0"}))
    Document.objects.filter(external_id="late.md").update(policy=new)
    assert sample_of(crowded, "charlie") is not first
