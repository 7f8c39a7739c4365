"""Actions on people and groups: one transaction, one event, and the rules that hold on every path."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from accounts.actions import (
    add_to_group,
    change_group,
    change_person,
    create_group,
    create_person,
    end_sessions,
    nest_group,
    remove_from_group,
    remove_group,
    set_password,
    unnest_group,
)
from accounts.audit import By, verify_chain
from accounts.errors import ActionRefused, PasswordRefused
from accounts.models import AuditEvent, Group, GroupNesting, Membership, User
from accounts.viewer import group_principal, viewer_of
from tests.world import World, make_user

BY = By.system("tests")
GOOD = "quite a long password"


def one_event() -> AuditEvent:
    """Return the one event there is."""
    return AuditEvent.objects.get()


ACTIONS: dict[str, tuple[Callable[[World], object], str]] = {
    "create_person": (lambda w: create_person(by=BY, email="Eve@Example.org", name="Eve"), "person.created"),
    "change_person": (lambda w: change_person(by=BY, person=w.bob, name="Robert"), "person.changed"),
    "give a role": (lambda w: change_person(by=BY, person=w.bob, is_auditor=True), "person.roles_changed"),
    "deactivate": (lambda w: change_person(by=BY, person=w.bob, is_active=False), "person.deactivated"),
    "set_password": (lambda w: set_password(by=BY, person=w.bob, password=GOOD), "person.password_set"),
    "end_sessions": (lambda w: end_sessions(by=BY, person=w.bob), "person.sessions_ended"),
    "create_group": (lambda w: create_group(by=BY, name="Legal"), "group.created"),
    "change_group": (
        lambda w: change_group(by=BY, group=w.groups["Budget"], name="Budgets"),
        "group.changed",
    ),
    "remove_group": (
        lambda w: remove_group(by=BY, group=Group.objects.create(name="Empty")),
        "group.removed",
    ),
    "add_to_group": (
        lambda w: add_to_group(by=BY, group=w.groups["Budget"], person=w.charlie),
        "group.person_added",
    ),
    "remove_from_group": (
        lambda w: remove_from_group(by=BY, group=w.groups["Budget"], person=w.bob),
        "group.person_removed",
    ),
    "nest_group": (
        lambda w: nest_group(by=BY, parent=w.groups["Budget"], child=w.groups["Finance"]),
        "group.nested",
    ),
    "unnest_group": (
        lambda w: unnest_group(by=BY, parent=w.groups["Staff"], child=w.groups["Finance"]),
        "group.unnested",
    ),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_leaves_exactly_one_event_that_says_who_and_what(world: World, name: str) -> None:
    act, kind = ACTIONS[name]
    act(world)
    event = one_event()
    assert (event.type, event.actor, event.actor_label) == (kind, "system", "tests")
    assert event.subject.partition(":")[0] in {"person", "group"}
    assert verify_chain().is_intact


NOTHING: dict[str, Callable[[World], object]] = {
    "change_person": lambda w: change_person(by=BY, person=w.bob, name="Bob", is_admin=False),
    "change_group": lambda w: change_group(by=BY, group=w.groups["Budget"], name="Budget"),
    "add_to_group": lambda w: add_to_group(by=BY, group=w.groups["Budget"], person=w.bob),
    "remove_from_group": lambda w: remove_from_group(by=BY, group=w.groups["Finance"], person=w.bob),
    "nest_group": lambda w: nest_group(by=BY, parent=w.groups["Staff"], child=w.groups["Finance"]),
    "unnest_group": lambda w: unnest_group(by=BY, parent=w.groups["Budget"], child=w.groups["Staff"]),
}


@pytest.mark.parametrize("name", NOTHING)
def test_an_action_that_finds_nothing_to_change_leaves_no_event(world: World, name: str) -> None:
    assert NOTHING[name](world) is False
    assert not AuditEvent.objects.exists()


REFUSED: dict[str, tuple[Callable[[World], object], str]] = {
    "an address twice": (
        lambda w: create_person(by=BY, email="ALICE@example.org", name="A"),
        "exists already",
    ),
    "no address": (lambda w: create_person(by=BY, email="alice", name="A"), "no e-mail address"),
    "no name": (lambda w: create_person(by=BY, email="eve@example.org", name=" "), "needs a name"),
    "name taken away": (lambda w: change_person(by=BY, person=w.bob, name=" "), "needs a name"),
    "a short password": (lambda w: set_password(by=BY, person=w.bob, password="short"), "too short"),
    "a first password that is easy": (
        lambda w: create_person(by=BY, email="eve@example.org", name="Eve", password="password123"),
        "too common",
    ),
    "a group name twice": (lambda w: create_group(by=BY, name="finance"), "exists already"),
    "a group renamed to another": (
        lambda w: change_group(by=BY, group=w.groups["Budget"], name="FINANCE"),
        "exists already",
    ),
    "a group without a name": (lambda w: create_group(by=BY, name="  "), "needs a name"),
    "removing a group with people": (
        lambda w: remove_group(by=BY, group=w.groups["Budget"]),
        "still holds 2 people",
    ),
    "removing a group with groups": (
        lambda w: remove_group(by=BY, group=w.groups["Staff"]),
        "still holds 2 nested groups",
    ),
    "a group in itself": (
        lambda w: nest_group(by=BY, parent=w.groups["Staff"], child=w.groups["Staff"]),
        "cannot lie in itself",
    ),
    "a circle": (
        lambda w: nest_group(by=BY, parent=w.groups["Finance Leads"], child=w.groups["Staff"]),
        "Staff cannot lie in Finance Leads, because Finance Leads already lies in Staff: "
        "Finance Leads → Finance → Staff.",
    ),
    "the last administrator demoted": (
        lambda w: change_person(by=BY, person=w.adam, is_admin=False),
        "Adam is the last active administrator",
    ),
    "the last administrator deactivated": (
        lambda w: change_person(by=BY, person=w.adam, is_active=False),
        "Adam is the last active administrator",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_break_a_rule_is_refused_with_a_sentence_and_changes_nothing(
    world: World, name: str
) -> None:
    act, words = REFUSED[name]
    before = list(User.objects.order_by("pk").values()), list(Group.objects.order_by("pk").values())
    with pytest.raises(ActionRefused, match=words):
        act(world)
    assert (list(User.objects.order_by("pk").values()), list(Group.objects.order_by("pk").values())) == before
    assert GroupNesting.objects.count() == 3
    assert not AuditEvent.objects.exists()


def test_an_administrator_may_go_while_another_stays(world: World) -> None:
    change_person(by=BY, person=world.bob, is_admin=True)
    assert change_person(by=BY, person=world.adam, is_admin=False)
    with pytest.raises(ActionRefused, match="Bob is the last"):
        change_person(by=BY, person=world.bob, is_active=False)


def test_a_deactivated_administrator_does_not_count(world: World) -> None:
    make_user("old", is_admin=True, is_active=False)
    with pytest.raises(ActionRefused, match="last active administrator"):
        change_person(by=BY, person=world.adam, is_admin=False)


def test_other_changes_to_the_last_administrator_are_fine(world: World) -> None:
    assert change_person(by=BY, person=world.adam, name="Adam N.", is_auditor=True)
    assert one_event().details == {"changes": {"name": ["Adam", "Adam N."], "is_auditor": [False, True]}}


def test_an_address_is_kept_in_lower_case_and_a_password_never_in_the_record(world: World) -> None:
    eve = create_person(by=BY, email=" Eve@Example.ORG ", name="Eve", password=GOOD, is_admin=True)
    assert eve.email == "eve@example.org"
    assert eve.check_password(GOOD)
    assert one_event().details == {
        "email": "eve@example.org", "is_admin": True, "is_auditor": False, "can_sign_in": True,
    }  # fmt: skip
    assert not create_person(by=BY, email="mallory@example.org", name="M").has_usable_password()


def test_a_password_like_the_persons_own_name_is_refused(world: World) -> None:
    with pytest.raises(PasswordRefused, match="similar"):
        set_password(by=BY, person=world.alice, password="alice@example")


def test_a_membership_changes_what_the_person_holds_from_now_on(world: World) -> None:
    finance = group_principal(world.groups["Finance"].pk)
    staff = group_principal(world.groups["Staff"].pk)
    add_to_group(by=BY, group=world.groups["Finance"], person=world.charlie)
    assert {finance, staff} <= viewer_of(world.charlie).principals
    unnest_group(by=BY, parent=world.groups["Staff"], child=world.groups["Finance"])
    assert staff not in viewer_of(world.charlie).principals
    remove_from_group(by=BY, group=world.groups["Finance"], person=world.charlie)
    assert finance not in viewer_of(world.charlie).principals


def test_a_deactivated_person_holds_nothing_and_keeps_their_groups_for_a_return(world: World) -> None:
    held = viewer_of(world.bob).principals
    change_person(by=BY, person=world.bob, is_active=False)
    assert viewer_of(world.bob).principals == frozenset()
    change_person(by=BY, person=world.bob, is_active=True)
    assert viewer_of(world.bob).principals == held


def test_a_removed_groups_number_is_never_given_to_another_group(world: World) -> None:
    gone = create_group(by=BY, name="Old")
    number = gone.pk
    remove_group(by=BY, group=gone)
    assert create_group(by=BY, name="New").pk > number


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_demote_each_other_at_the_same_moment() -> None:
    admins = [make_user(name, is_admin=True) for name in ("ann", "ben")]
    refusals = at_once([lambda a=a: change_person(by=BY, person=a, is_admin=False) for a in admins])  # type: ignore[misc]
    assert len(refusals) == 1
    assert User.objects.filter(is_admin=True).count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_four_groups_cannot_be_closed_to_a_circle_by_two_nestings_at_the_same_moment() -> None:
    a, b, c, d = (Group.objects.create(name=name) for name in "ABCD")
    nest_group(by=BY, parent=b, child=a)
    nest_group(by=BY, parent=d, child=c)
    refusals = at_once(
        [lambda: nest_group(by=BY, parent=c, child=b), lambda: nest_group(by=BY, parent=a, child=d)]
    )
    assert len(refusals) == 1
    assert GroupNesting.objects.count() == 3


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_same_membership_added_by_many_at_once_is_one_membership_and_one_event() -> None:
    person, group = make_user("ann"), Group.objects.create(name="A")
    assert at_once([lambda: add_to_group(by=BY, group=group, person=person)] * 4) == []
    assert Membership.objects.count() == 1
    assert AuditEvent.objects.filter(type="group.person_added").count() == 1


def at_once(tasks: list[Callable[[], object]]) -> list[str]:
    """Run the tasks in threads that start together; return the sentences of those that were refused."""
    refusals: list[str] = []
    failures: list[BaseException] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], object]) -> None:
        start.wait()
        try:
            task()
        except ActionRefused as refusal:
            refusals.append(str(refusal))
        except BaseException as error:  # noqa: BLE001 - handed to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return refusals
