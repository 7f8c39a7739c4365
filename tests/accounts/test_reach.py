"""Who is in which group and by which path, in agreement with what the viewer holds."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Group, GroupNesting, Membership
from accounts.reach import groups_of, nesting_path, people_in
from accounts.viewer import group_principal, viewer_of
from tests.world import World, make_user

pytestmark = pytest.mark.django_db


def test_a_persons_groups_come_with_the_path_direct_ones_first(world: World) -> None:
    reaches = groups_of(world.alice)
    assert [(reach.group.name, reach.through) for reach in reaches] == [
        ("Budget", "Budget"),
        ("Finance Leads", "Finance Leads"),
        ("Finance", "Finance Leads → Finance"),
        ("Staff", "Finance Leads → Finance → Staff"),
    ]
    assert groups_of(world.charlie) == []


def test_a_groups_people_come_with_the_path_and_without_the_deactivated(world: World) -> None:
    staff = world.groups["Staff"]
    assert [(reach.person.name, reach.through) for reach in people_in(staff)] == [
        ("Alice", "Finance Leads → Finance → Staff"),
        ("Bob", "Engineering → Staff"),
    ]
    Membership.objects.create(user=world.bob, group=staff)
    assert [(reach.person.name, reach.is_direct) for reach in people_in(staff)] == [
        ("Bob", True),
        ("Alice", False),
    ]
    world.bob.is_active = False
    world.bob.save(update_fields=["is_active"])
    assert [reach.person.name for reach in people_in(staff)] == ["Alice"]


def test_the_way_from_one_group_up_to_another_is_found_or_empty(world: World) -> None:
    leads, staff = world.groups["Finance Leads"], world.groups["Staff"]
    assert [group.name for group in nesting_path(inner=leads, outer=staff)] == [
        "Finance Leads",
        "Finance",
        "Staff",
    ]
    assert nesting_path(inner=staff, outer=leads) == ()


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nestings=st.sets(
        st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] != pair[1]), max_size=10
    ),
    memberships=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=6),
)
def test_paths_agree_with_what_the_viewer_holds_also_in_circles(
    db: None, nestings: set[tuple[int, int]], memberships: set[tuple[int, int]]
) -> None:
    with transaction.atomic():
        people = [make_user(f"p{n}") for n in range(3)]
        groups = [Group.objects.create(name=f"g{n}") for n in range(6)]
        for parent, child in nestings:
            GroupNesting.objects.create(parent=groups[parent], child=groups[child])
        for who, where in memberships:
            Membership.objects.create(user=people[who], group=groups[where])
        inside = {group: {reach.person.pk for reach in people_in(group)} for group in groups}
        for one in people:
            held = viewer_of(one).principals
            reached = {reach.group for reach in groups_of(one)}
            for group in groups:
                assert (group_principal(group.pk) in held) == (group in reached) == (one.pk in inside[group])
        transaction.set_rollback(True)
