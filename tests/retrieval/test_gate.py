"""The gate: what passes, what is withheld and why, whatever the index may say."""

import pytest
from django.utils import timezone

from accounts.models import Membership
from ingestion.access import DARK, intern_policy
from ingestion.models import Chunk, Document
from retrieval.gate import neighbours, pass_gate
from tests.factories import make_document, make_version
from tests.world import READABLE, World


def chunk_of(world: World, name: str) -> int:
    chunks = Chunk.objects.filter(version__document=world.documents[name])
    first: int = chunks.values_list("pk", flat=True)[0]
    return first


@pytest.mark.parametrize("name", sorted(READABLE))
def test_of_all_chunks_exactly_the_readable_ones_pass(world: World, name: str) -> None:
    everything = list(Chunk.objects.values_list("pk", flat=True))
    gated = pass_gate(everything, world.viewer(name))
    assert {passage.document for passage in gated.passages} == {
        world.documents[key].pk for key in READABLE[name]
    }
    assert len(gated.passages) + len(gated.withheld) == len(everything)


def test_a_revoked_document_is_withheld_even_while_the_index_still_lists_it(world: World) -> None:
    chunk = chunk_of(world, "budget")
    assert pass_gate([chunk], world.viewer("bob")).passages
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    gated = pass_gate([chunk], world.viewer("bob"))
    assert gated.passages == ()
    assert [w.reason for w in gated.withheld] == ["not_permitted"]


def test_a_document_whose_rule_went_dark_is_withheld(world: World) -> None:
    Document.objects.filter(pk=world.documents["welcome"].pk).update(policy=intern_policy(DARK))
    assert pass_gate([chunk_of(world, "welcome")], world.viewer("alice")).passages == ()


def test_chunks_of_a_replaced_version_are_withheld_as_old(world: World) -> None:
    old = chunk_of(world, "welcome")
    make_version(world.documents["welcome"], "Welcome. The reception now opens at nine.", number=2)
    gated = pass_gate([old], world.viewer("charlie"))
    assert [w.reason for w in gated.withheld] == ["old_version"]


def test_chunks_of_a_removed_document_and_unknown_chunks_are_named_as_such(world: World) -> None:
    chunk = chunk_of(world, "welcome")
    Document.objects.filter(pk=world.documents["welcome"].pk).update(removed_at=timezone.now())
    gated = pass_gate([chunk, 10**9], world.viewer("charlie"))
    assert [w.reason for w in gated.withheld] == ["removed", "unknown"]


def test_passages_keep_the_candidates_order_and_each_comes_once(world: World) -> None:
    chunks = [chunk_of(world, name) for name in ("private", "welcome", "budget", "welcome")]
    gated = pass_gate(chunks, world.viewer("alice"))
    assert [passage.chunk for passage in gated.passages] == chunks[:3]


def test_a_passage_says_through_which_principal_it_may_be_read(world: World) -> None:
    passage = pass_gate([chunk_of(world, "payroll")], world.viewer("alice")).passages[0]
    held = {principal for clause in passage.grant.through for principal in clause}
    assert f"group:{world.groups['Finance'].pk}" in held
    assert all(passage.grant.through)


def test_neighbours_come_only_from_the_same_readable_document(world: World) -> None:
    document = make_document(
        world.sources["open"], "guide", "First part.\n\nSecond part.\n\nThird part.", world_rule(world)
    )
    middle = Chunk.objects.get(version__document=document, ordinal=1)
    passage = pass_gate([middle.pk], world.viewer("alice")).passages[0]
    assert [p.text for p in neighbours(passage, world.viewer("alice"))] == ["First part.", "Third part."]
    assert neighbours(passage, world.viewer("charlie")) == ()


def world_rule(world: World):  # type: ignore[no-untyped-def]
    from accounts.viewer import user_principal
    from ingestion.access import Rule

    return Rule.of({user_principal(world.alice.pk)})
