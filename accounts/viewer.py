"""Who is asking: a user and the principals that user holds right now.

A Viewer is built from the database for each request. It is never stored, never defaulted and never None;
code that reads documents takes it as a required argument.
"""

from dataclasses import dataclass

from accounts.models import GroupNesting, Membership, User

EVERYONE = "everyone"


def user_principal(user_id: int) -> str:
    """Return the principal of one person, `user:<id>`. Ids, not addresses: addresses are recycled."""
    return f"user:{user_id}"


def group_principal(group_id: int) -> str:
    """Return the principal of one group, `group:<id>`."""
    return f"group:{group_id}"


@dataclass(frozen=True)
class Viewer:
    """A person and the principals they hold: themself, `everyone`, and every group they are in, nested ones included."""

    user_id: int
    principals: frozenset[str]


def viewer_of(user: User) -> Viewer:
    """Return the viewer for a signed-in user, from the database, now.

    An inactive user holds no principal at all, so no rule admits them. Nesting is followed upwards level by level and
    survives cycles; it costs one query per level.
    """
    if not user.is_active or user.pk is None:
        return Viewer(user_id=user.pk or 0, principals=frozenset())
    held = set(Membership.objects.filter(user_id=user.pk).values_list("group_id", flat=True))
    level = set(held)
    while level:
        level = (
            set(GroupNesting.objects.filter(child_id__in=level).values_list("parent_id", flat=True)) - held
        )
        held |= level
    return Viewer(
        user_id=user.pk,
        principals=frozenset(
            {user_principal(user.pk), EVERYONE, *(group_principal(group) for group in held)}
        ),
    )
