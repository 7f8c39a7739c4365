"""Who is in which group, directly or through other groups, and by which path."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import Group, GroupNesting, Membership, User


@dataclass(frozen=True)
class Reach:
    """One person in one group. `path` runs from the group they were put into to this one; length 1 means directly."""

    person: User
    group: Group
    path: tuple[Group, ...]

    @property
    def is_direct(self) -> bool:
        return len(self.path) == 1

    @property
    def through(self) -> str:
        """The path in words, "Finance Leads → Finance"."""
        return " → ".join(group.name for group in self.path)


def groups_of(person: User) -> list[Reach]:
    """Return every group the person is in, each by its shortest path, direct ones first, then by name."""
    direct = Membership.objects.filter(user=person).values_list("group_id", flat=True)
    paths = _shortest_paths(direct, upwards=True)
    groups = Group.objects.in_bulk(_all_of(paths))
    reached = [
        Reach(person, groups[group], tuple(groups[step] for step in path)) for group, path in paths.items()
    ]
    return sorted(reached, key=lambda reach: (not reach.is_direct, reach.group.name.lower()))


def people_in(group: Group) -> list[Reach]:
    """Return every active person in the group, each by the shortest path, direct ones first, then by name."""
    # Downwards the paths come out from this group to the inner one; a person's path is the same one reversed.
    paths = _shortest_paths([group.pk], upwards=False)
    groups = Group.objects.in_bulk(_all_of(paths))
    reached: dict[int, Reach] = {}
    memberships = Membership.objects.filter(group_id__in=paths, user__is_active=True).select_related("user")
    for membership in sorted(memberships, key=lambda m: (len(paths[m.group_id]), groups[m.group_id].name)):
        path = tuple(groups[step] for step in reversed(paths[membership.group_id]))
        reached.setdefault(membership.user_id, Reach(membership.user, group, path))
    return sorted(reached.values(), key=lambda reach: (not reach.is_direct, reach.person.name.lower()))


def nesting_path(*, inner: Group, outer: Group) -> tuple[Group, ...]:
    """Return the groups from `inner` up to `outer`, both included; empty when `inner` does not lie in `outer`."""
    path = _shortest_paths([inner.pk], upwards=True).get(outer.pk, ())
    groups = Group.objects.in_bulk(path)
    return tuple(groups[step] for step in path)


def _shortest_paths(start: Iterable[int], *, upwards: bool) -> dict[int, tuple[int, ...]]:
    """Return each group reachable from `start` with the shortest path to it. Survives cycles; one query."""
    neighbours: dict[int, list[int]] = {}
    for parent, child in GroupNesting.objects.order_by("pk").values_list("parent_id", "child_id"):
        here, there = (child, parent) if upwards else (parent, child)
        neighbours.setdefault(here, []).append(there)
    paths: dict[int, tuple[int, ...]] = {group: (group,) for group in start}
    level = list(paths)
    while level:
        beyond = []
        for group in level:
            for neighbour in neighbours.get(group, ()):
                if neighbour not in paths:
                    paths[neighbour] = (*paths[group], neighbour)
                    beyond.append(neighbour)
        level = beyond
    return paths


def _all_of(paths: dict[int, tuple[int, ...]]) -> set[int]:
    return {step for path in paths.values() for step in path}
