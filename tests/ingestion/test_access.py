"""The access decision in its three forms, held together and against the truth table of the world."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Group, GroupNesting, Membership, User
from accounts.viewer import EVERYONE, Viewer, group_principal, user_principal, viewer_of
from ingestion.access import DARK, NOBODY, Rule, decide, intern_policy, reach_of, rule_of
from ingestion.models import AccessPolicy, Chunk, Document, Source
from retrieval.filtering import readable_sources
from tests.factories import make_document
from tests.world import READABLE, World


@pytest.mark.parametrize("name", sorted(READABLE))
def test_each_person_reads_exactly_their_documents(world: World, name: str) -> None:
    visible = Document.objects.visible_to(world.viewer(name))
    readable = {world.documents[key].pk for key in READABLE[name]}
    assert set(visible.values_list("pk", flat=True)) == readable


@pytest.mark.parametrize("name", sorted(READABLE))
def test_the_decision_for_one_document_agrees_with_the_queryset_for_the_whole_world(
    world: World, name: str
) -> None:
    viewer = world.viewer(name)
    visible = set(Document.objects.visible_to(viewer).values_list("pk", flat=True))
    for document in Document.objects.all():
        assert decide(viewer, document).allowed == (document.pk in visible), document.title


def test_a_viewer_without_principals_reads_nothing(world: World) -> None:
    nobody = Viewer(user_id=0, principals=frozenset())
    assert not Document.objects.visible_to(nobody).exists()
    assert reach_of(nobody).policies == frozenset()
    assert reach_of(nobody).sources == frozenset()


def test_an_inactive_person_holds_no_principal(world: World) -> None:
    world.alice.is_active = False
    world.alice.save(update_fields=["is_active"])
    assert viewer_of(world.alice).principals == frozenset()


def test_administrators_and_auditors_read_by_grant_like_everyone_else(world: World) -> None:
    for name in ("adam", "dana"):
        titles = set(Document.objects.visible_to(world.viewer(name)).values_list("external_id", flat=True))
        assert titles == {"welcome.md"}


def test_leaving_a_group_takes_effect_on_the_next_viewer(world: World) -> None:
    Membership.objects.filter(user=world.bob, group=world.groups["Budget"]).delete()
    assert world.documents["budget"] not in Document.objects.visible_to(world.viewer("bob"))


def test_taking_a_group_out_of_another_takes_effect_on_the_next_viewer(world: World) -> None:
    GroupNesting.objects.filter(parent=world.groups["Staff"], child=world.groups["Finance"]).delete()
    assert world.documents["menu"] not in Document.objects.visible_to(world.viewer("alice"))


def test_nested_groups_in_a_circle_do_not_hang_the_viewer(world: World) -> None:
    GroupNesting.objects.create(parent=world.groups["Finance Leads"], child=world.groups["Staff"])
    assert group_principal(world.groups["Engineering"].pk) not in world.viewer("alice").principals
    assert group_principal(world.groups["Finance Leads"].pk) in world.viewer("bob").principals


def test_a_removed_document_is_gone_at_once(world: World) -> None:
    from django.utils import timezone

    Document.objects.filter(pk=world.documents["welcome"].pk).update(removed_at=timezone.now())
    assert not Document.objects.visible_to(world.viewer("charlie")).exists()


def test_a_removed_source_takes_its_documents_with_it(world: World) -> None:
    from django.utils import timezone

    Source.objects.filter(pk=world.sources["open"].pk).update(removed_at=timezone.now())
    assert not Document.objects.visible_to(world.viewer("charlie")).exists()


def test_a_document_without_an_indexed_version_is_not_visible_yet(world: World) -> None:
    Document.objects.filter(pk=world.documents["welcome"].pk).update(current_version=None)
    document = Document.objects.get(pk=world.documents["welcome"].pk)
    assert document not in Document.objects.visible_to(world.viewer("charlie"))
    assert decide(world.viewer("charlie"), document).problem == "not_indexed"


@pytest.mark.django_db
def test_equal_rules_share_one_policy_row_however_they_are_written() -> None:
    first = intern_policy(Rule.of({"group:1", "group:2"}, {EVERYONE}, deny=["user:9", "user:8"]))
    second = intern_policy(Rule.of({EVERYONE}, {"group:2", "group:1"}, deny=["user:8", "user:9"]))
    assert first.pk == second.pk


@pytest.mark.django_db
@pytest.mark.parametrize(
    "rule",
    [NOBODY, DARK, Rule.of({"group:1"}), Rule.of({"group:1"}, {"user:2"}, deny={"user:3"}), Rule.of(set())],
)
def test_a_rule_survives_being_interned(rule: Rule) -> None:
    assert rule_of(intern_policy(rule)) == rule


def test_narrowing_a_dark_rule_leaves_it_dark() -> None:
    assert DARK.narrowed({EVERYONE}).is_dark
    assert not DARK.narrowed({EVERYONE}).admits(frozenset({EVERYONE}))


PRINCIPALS = [EVERYONE, "user:1", "user:2", "group:1", "group:2", "group:3"]
principal_sets = st.frozensets(st.sampled_from(PRINCIPALS), max_size=4)
rules = st.one_of(
    st.just(DARK),
    st.builds(
        lambda clauses, denials: Rule(frozenset(clauses), denials),
        st.lists(principal_sets, max_size=3),
        principal_sets,
    ),
)


class TestPoliciesInSql(TestCase):
    """SQL and Python give the same answer for random rules and viewers."""

    @given(st.lists(rules, min_size=1, max_size=6), principal_sets)
    @settings(max_examples=60, deadline=None)
    def test_sql_admits_exactly_the_rules_that_the_value_admits(
        self, written: list[Rule], held: frozenset[str]
    ) -> None:
        viewer = Viewer(user_id=1, principals=held)
        by_id = {intern_policy(rule).pk: rule for rule in written}
        admitted = set(AccessPolicy.objects.admitting(viewer).values_list("pk", flat=True))
        for pk, rule in by_id.items():
            assert (pk in admitted) == rule.admits(held)


class TestRandomOrganisations(TestCase):
    """Random people, nested groups, rules, denials, moves and revocations against an oracle that knows only sets."""

    @given(st.data())
    @settings(max_examples=40, deadline=None)
    def test_visibility_equals_the_brute_force_oracle(self, data: st.DataObject) -> None:
        people = [User.objects.create(email=f"p{n}@example.org", name=f"P{n}") for n in range(3)]
        groups = [Group.objects.create(name=f"G{n}") for n in range(4)]
        nestings: set[tuple[int, int]] = set()
        members: set[tuple[int, int]] = set()
        for _ in range(data.draw(st.integers(0, 8))):
            parent, child = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
            if parent != child and (parent, child) not in nestings:
                nestings.add((parent, child))
                GroupNesting.objects.create(parent=groups[parent], child=groups[child])
            person, group = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 3)))
            if (person, group) not in members:
                members.add((person, group))
                Membership.objects.create(user=people[person], group=groups[group])
        principals = [
            EVERYONE,
            *(user_principal(p.pk) for p in people),
            *(group_principal(g.pk) for g in groups),
        ]
        any_rule = st.one_of(
            st.just(DARK),
            st.builds(
                lambda clauses, denials: Rule(frozenset(clauses), denials),
                st.lists(st.frozensets(st.sampled_from(principals), max_size=3), max_size=3),
                st.frozensets(st.sampled_from(principals), max_size=1),
            ),
        )
        source_rules = [data.draw(any_rule) for _ in range(2)]
        sources = [
            Source.objects.create(name=f"S{n}", kind="upload", policy=intern_policy(rule))
            for n, rule in enumerate(source_rules)
        ]
        held_by: list[tuple[Document, int, Rule]] = []
        for n in range(4):
            home, rule = data.draw(st.integers(0, 1)), data.draw(any_rule)
            held_by.append((make_document(sources[home], f"d{n}", f"Text {n}.", rule), home, rule))
        is_revoked: bool = data.draw(st.booleans())
        if members and is_revoked:
            person, group = data.draw(st.sampled_from(sorted(members)))
            members.discard((person, group))
            Membership.objects.filter(user=people[person], group=groups[group]).delete()
        if data.draw(st.booleans()):
            document, _, rule = held_by[0]
            document.source = sources[1]
            document.save(update_fields=["source"])
            held_by[0] = (document, 1, rule)

        def oracle(person: int) -> frozenset[str]:
            holds = {group for p, group in members if p == person}
            grown = True
            while grown:
                more = {parent for parent, child in nestings if child in holds} - holds
                holds |= more
                grown = bool(more)
            return frozenset(
                {EVERYONE, user_principal(people[person].pk), *(group_principal(groups[g].pk) for g in holds)}
            )

        for index, user in enumerate(people):
            viewer = viewer_of(user)
            assert viewer.principals == oracle(index)
            visible = set(Document.objects.visible_to(viewer).values_list("pk", flat=True))
            for document, home, rule in held_by:
                expected = source_rules[home].admits(viewer.principals) and rule.admits(viewer.principals)
                assert (document.pk in visible) == expected
                assert decide(viewer, Document.objects.get(pk=document.pk)).allowed == expected
            known = set(readable_sources(viewer).values_list("pk", flat=True))
            assert known == set(
                Document.objects.visible_to(viewer).values_list("source_id", flat=True).distinct()
            )


@pytest.mark.parametrize("name", ["alice", "bob", "charlie", "dana", "adam"])
def test_every_form_of_the_decision_in_sql_admits_the_same(world: World, name: str) -> None:
    viewer = world.viewer(name)
    visible = set(Document.objects.visible_to(viewer).values_list("pk", flat=True))
    assert set(Document.objects.within(reach_of(viewer)).values_list("pk", flat=True)) == visible
    by_chunks = Chunk.objects.readable_by(viewer).values_list("version__document_id", flat=True)
    assert set(by_chunks) == visible
    by_sources = Document.objects.visible_to(viewer).values_list("source_id", flat=True).distinct()
    assert set(readable_sources(viewer).values_list("pk", flat=True)) == set(by_sources)
    assert visible


def test_a_viewer_without_principals_is_admitted_by_no_form(world: World) -> None:
    nobody = Viewer(user_id=world.alice.pk, principals=frozenset())
    assert not Document.objects.visible_to(nobody).exists()
    assert not Document.objects.within(reach_of(nobody)).exists()
    assert not Chunk.objects.readable_by(nobody).exists()
    assert not readable_sources(nobody).exists()


def test_titles_are_handed_over_as_text_and_never_as_a_query(world: World) -> None:
    hostile = ["') OR 1=1 --", '"]; DROP TABLE x; --', "%s", ""]
    found = Document.objects.within(reach_of(world.viewer("alice"))).called(hostile, without_brackets=False)
    assert not found.exists()
