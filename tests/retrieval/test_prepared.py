"""Queries put together once: the rows that Django's own way gives, whatever stands in the slots."""

import pytest

from accounts.viewer import Viewer
from ingestion.access import admitting_policies, reach_of
from ingestion.models import Chunk
from retrieval.gate import _READ, COLUMNS
from retrieval.naming import _CALLED
from tests.world import World

BY_TITLE = _CALLED[True]


@pytest.mark.parametrize("name", ["alice", "bob", "charlie"])
def test_a_prepared_query_gives_the_rows_and_values_that_the_queryset_gives(world: World, name: str) -> None:
    viewer = world.viewer(name)
    asked = list(Chunk.objects.values_list("pk", flat=True))
    found = _READ.rows(policies=admitting_policies(viewer), chunks=asked)
    expected = Chunk.objects.readable_by(viewer).filter(pk__in=asked).values_list(*COLUMNS)
    assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    assert found


def test_empty_slots_give_no_rows(world: World) -> None:
    asked = list(Chunk.objects.values_list("pk", flat=True))
    nobody = admitting_policies(Viewer(user_id=0, principals=frozenset()))
    assert _READ.rows(policies=nobody, chunks=asked) == []
    assert _READ.rows(policies=admitting_policies(world.viewer("alice")), chunks=[]) == []


def test_what_is_given_is_never_taken_for_sql(world: World) -> None:
    reach = reach_of(world.viewer("alice"))
    hostile = ["' OR 1=1 --", '"]) UNION SELECT 1, 2 --', "a\\", "%s", "{}"]
    assert BY_TITLE.rows(policies=reach.policies, sources=reach.sources, keys=hostile) == []


def test_a_slot_that_nothing_is_given_for_is_named(world: World) -> None:
    with pytest.raises(KeyError, match="chunks"):
        _READ.rows(policies=admitting_policies(world.viewer("alice")))
