"""The context: in rank order, each thing once, within its budget, and a reason for whatever is left out."""

from dataclasses import replace

import pytest

from accounts.viewer import EVERYONE
from assistant import context
from ingestion.access import NOBODY, Rule, intern_policy
from ingestion.models import Chunk
from retrieval.gate import pass_gate
from retrieval.types import Ranked
from tests.factories import make_document
from tests.world import World


def ranked(world: World, *texts: str) -> list[Ranked]:
    """Return passages with these texts, ranked in this order."""
    chunks = []
    for number, text in enumerate(texts):
        document = make_document(world.sources["open"], f"page {number}", text, Rule.of({EVERYONE}))
        chunks.append(Chunk.objects.get(version__document=document).pk)
    passages = pass_gate(chunks, world.viewer("charlie")).passages
    return [Ranked(passage, 1.0 - n / 100, (1,), None) for n, passage in enumerate(passages)]


def test_passages_are_numbered_from_one_in_rank_order(world: World) -> None:
    entries = ranked(world, "The lift is inspected yearly.", "The roof was built in 1994.")
    built = context.build_context(entries, world.viewer("charlie"))
    assert [(item.number, item.passage.text) for item in built.items] == [
        (1, "The lift is inspected yearly."),
        (2, "The roof was built in 1994."),
    ]
    assert built.tokens == sum(item.tokens for item in built.items) > 0


def test_what_says_the_same_is_read_once_and_the_twin_is_named(world: World) -> None:
    text = "Claims are filed within sixty days after the trip has ended, in the portal."
    entries = ranked(world, text, text.upper(), "Something else entirely.")
    built = context.build_context(entries, world.viewer("charlie"))
    assert [item.passage.chunk for item in built.items] == [
        entries[0].passage.chunk,
        entries[2].passage.chunk,
    ]
    assert [(left.chunk, left.reason) for left in built.left_out] == [
        (entries[1].passage.chunk, f"says the same as {entries[0].passage.chunk}")
    ]


def test_beyond_the_cut_nothing_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MOST_PASSAGES", 2)
    entries = ranked(world, "One thing.", "Another matter.", "Third subject.")
    built = context.build_context(entries, world.viewer("charlie"))
    assert len(built.items) == 2
    assert [left.reason for left in built.left_out] == ["below the cut"]


def test_the_token_budget_holds_but_the_first_passage_is_always_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "BUDGET_TOKENS", 8)
    long = "A sentence with rather more than eight tokens in it stands here."
    built = context.build_context(
        ranked(world, long, "Also far too long for what is left over here.", "Yes."), world.viewer("charlie")
    )
    assert [item.passage.text for item in built.items] == [long]
    assert {left.reason for left in built.left_out} == {"over the token budget"}


def test_rare_words_weigh_more_than_common_ones(world: World) -> None:
    built = context.build_context(
        ranked(world, "The rule for hotels.", "The rule for trains.", "The rule for cars."),
        world.viewer("charlie"),
    )
    assert built.rarity["hotel"] > built.rarity["rule"] > 0


def test_every_search_keeps_its_share_of_the_places(world: World) -> None:
    entries = ranked(world, *[f"Finding number {n} speaks of hotels." for n in range(14)], "The second half.")
    entries[-1] = replace(entries[-1], sub_queries=(2,))
    built = context.build_context(entries, world.viewer("charlie"))
    assert len(built.items) == context.MOST_PASSAGES
    assert "The second half." in {item.passage.text for item in built.items}


def test_the_best_is_read_first_and_the_second_best_last(world: World) -> None:
    entries = ranked(world, *[f"{word} stands alone." for word in ("Anna", "Bert", "Carla", "Dirk", "Emma")])
    built = context.build_context(entries, world.viewer("charlie"))
    read = [item.passage.text.split()[0] for item in built.items]
    assert read == ["Anna", "Carla", "Emma", "Dirk", "Bert"]
    assert [entry.passage.text.split()[0] for entry in built.ranked] == [
        "Anna",
        "Bert",
        "Carla",
        "Dirk",
        "Emma",
    ]


def test_what_stands_beside_the_best_passage_is_read_with_it_in_the_order_of_the_text(world: World) -> None:
    text = "Before all else.\n\nThe lift is inspected yearly.\n\nThe inspector signs.\n\nFar below."
    document = make_document(world.sources["open"], "lift", text, Rule.of({EVERYONE}))
    middle = Chunk.objects.get(version__document=document, ordinal=1)
    passage = pass_gate([middle.pk], world.viewer("charlie")).passages[0]
    other = ranked(world, "Something else entirely.")
    entries = [Ranked(passage, 2.0, (1,), None), *other]
    built = context.build_context(entries, world.viewer("charlie"))
    assert [item.passage.text for item in built.items] == [
        "Before all else.", "The lift is inspected yearly.", "The inspector signs.", "Something else entirely.",
    ]  # fmt: skip
    assert built.items[0].ranked.via == "stands beside passage 1"


def test_what_stands_beside_is_decided_afresh(world: World) -> None:
    text = "The lift is inspected yearly.\n\nThe inspector signs."
    document = make_document(world.sources["open"], "lift", text, Rule.of({EVERYONE}))
    first = Chunk.objects.get(version__document=document, ordinal=0)
    passage = pass_gate([first.pk], world.viewer("charlie")).passages[0]
    document.policy = intern_policy(NOBODY)
    document.save(update_fields=["policy"])
    built = context.build_context([Ranked(passage, 1.0, (1,), None)], world.viewer("charlie"))
    assert "The inspector signs." not in {item.passage.text for item in built.items}


def test_nothing_found_is_an_empty_context(world: World) -> None:
    built = context.build_context([], world.viewer("charlie"))
    assert (built.items, built.left_out, built.tokens) == ((), (), 0)
