"""What can be done to people and groups. Each action is one transaction and leaves exactly one audit event.

An action that finds nothing to change changes nothing and leaves no event. Rules that would be broken raise
ActionRefused with a sentence. Nobody is ever deleted: the record of what they did must keep its subject.
"""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.audit import By, record
from accounts.errors import ActionRefused, PasswordRefused
from accounts.models import Group, GroupNesting, Membership, User
from accounts.reach import nesting_path


@transaction.atomic
def create_person(
    *,
    by: By,
    email: str,
    name: str,
    job_title: str = "",
    password: str | None = None,
    is_admin: bool = False,
    is_auditor: bool = False,
) -> User:
    """Return a new person. Without a password they cannot sign in until one is set."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise ActionRefused(f"{email or 'Nothing'} is no e-mail address.") from error
    if not name.strip():
        raise ActionRefused("A person needs a name.")
    person = User(
        email=email, name=name.strip(), job_title=job_title.strip(), is_admin=is_admin, is_auditor=is_auditor
    )
    if password is None:
        person.set_unusable_password()
    else:
        _check_password(password, person)
        person.set_password(password)
    _save_new(person, f"Somebody with the address {email} exists already.")
    record(
        "person.created",
        by=by,
        subject=person.subject,
        subject_label=_label(person),
        details={
            "email": email,
            "is_admin": is_admin,
            "is_auditor": is_auditor,
            "can_sign_in": password is not None,
        },
    )
    return person


@transaction.atomic
def change_person(
    *,
    by: By,
    person: User,
    name: str | None = None,
    job_title: str | None = None,
    is_admin: bool | None = None,
    is_auditor: bool | None = None,
    is_active: bool | None = None,
) -> bool:
    """Change what is given, leave the rest; return whether anything changed. Deactivating ends every session.

    Refused when it would leave the organisation without an active administrator.
    """
    # Every active admin is locked, in one order, so that two cannot demote each other at the same moment.
    admins = set(
        User.objects.select_for_update(no_key=True)
        .filter(is_admin=True, is_active=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    current = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    wanted: dict[str, Any] = {  # Any: a bool or a text, as the field has it
        "name": name.strip() if name is not None else None,
        "job_title": job_title.strip() if job_title is not None else None,
        "is_admin": is_admin,
        "is_auditor": is_auditor,
        "is_active": is_active,
    }
    changes = {
        field: [getattr(current, field), value]
        for field, value in wanted.items()
        if value is not None and getattr(current, field) != value
    }
    if not changes:
        return False
    if "name" in changes and not changes["name"][1]:
        raise ActionRefused("A person needs a name.")
    for field, (_, value) in changes.items():
        setattr(current, field, value)
    if admins == {current.pk} and not (current.is_admin and current.is_active):
        raise ActionRefused(
            f"{current.name} is the last active administrator. Make somebody else an administrator first."
        )
    fields = list(changes)
    if changes.get("is_active") == [True, False]:
        current.session_generation += 1
        fields.append("session_generation")
    current.save(update_fields=fields)
    record(
        _kind_of_change(changes),
        by=by,
        subject=current.subject,
        subject_label=_label(current),
        details={"changes": changes},
    )
    _copy(current, person, fields)
    return True


@transaction.atomic
def set_password(*, by: By, person: User, password: str) -> None:
    """Set a password. Every other session of the person ends, because sessions are bound to the password."""
    current = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    _check_password(password, current)
    current.set_password(password)
    current.save(update_fields=["password"])
    record(
        "person.password_set",
        by=by,
        subject=current.subject,
        subject_label=_label(current),
        details={"own": by.actor == f"user:{current.pk}"},
    )
    _copy(current, person, ["password"])


@transaction.atomic
def end_sessions(*, by: By, person: User) -> None:
    """Sign the person out everywhere, from their next request on."""
    User.objects.filter(pk=person.pk).update(session_generation=F("session_generation") + 1)
    record("person.sessions_ended", by=by, subject=person.subject, subject_label=_label(person))
    person.refresh_from_db(fields=["session_generation"])


@transaction.atomic
def create_group(*, by: By, name: str, description: str = "") -> Group:
    """Return a new, empty group."""
    name = name.strip()
    _check_group_name(name, None)
    group = Group(name=name, description=description.strip())
    _save_new(group, f"A group called {name} exists already.")
    record(
        "group.created",
        by=by,
        subject=group.subject,
        subject_label=group.name,
        details={"description": group.description},
    )
    return group


@transaction.atomic
def change_group(*, by: By, group: Group, name: str | None = None, description: str | None = None) -> bool:
    """Change a group's name or description; return whether anything changed. Rules name groups by id, so they hold."""
    current = _locked(group)
    wanted = {
        "name": name.strip() if name is not None else None,
        "description": description.strip() if description is not None else None,
    }
    changes = {
        field: [getattr(current, field), value]
        for field, value in wanted.items()
        if value is not None and getattr(current, field) != value
    }
    if not changes:
        return False
    if "name" in changes:
        _check_group_name(str(changes["name"][1]), current)
    for field, (_, value) in changes.items():
        setattr(current, field, value)
    current.save(update_fields=list(changes))
    record(
        "group.changed",
        by=by,
        subject=current.subject,
        subject_label=current.name,
        details={"changes": changes},
    )
    _copy(current, group, list(changes))
    return True


@transaction.atomic
def remove_group(*, by: By, group: Group) -> None:
    """Remove an empty group. Refused while anybody is in it.

    Removing a group with people would change what they may read, in both directions: a rule that denies the group would
    no longer keep them out. Emptied first, each of those changes is made, and recorded, on its own.
    """
    # The strong lock: a membership added at the same moment waits, and then finds no group.
    current = Group.objects.select_for_update().get(pk=group.pk)
    people, nested = current.memberships.count(), current.nested.count()
    if people or nested:
        inside = " and ".join(
            part
            for part in (
                people and f"{people} {'person' if people == 1 else 'people'}",
                nested and f"{nested} nested group{'' if nested == 1 else 's'}",
            )
            if part
        )
        raise ActionRefused(
            f"{current.name} still holds {inside}. Take them out first: rules that name this group, also those that "
            "keep it out, would otherwise change unseen."
        )
    subject, name = current.subject, current.name
    current.delete()
    record("group.removed", by=by, subject=subject, subject_label=name)


@transaction.atomic
def add_to_group(*, by: By, group: Group, person: User) -> bool:
    """Put a person into a group; return whether they were not in it already."""
    _, is_new = Membership.objects.get_or_create(group=group, user=person)
    if is_new:
        _record_membership("group.person_added", by, group, person)
    return is_new


@transaction.atomic
def remove_from_group(*, by: By, group: Group, person: User) -> bool:
    """Take a person out of a group; return whether they were in it. Being in it through another group stays."""
    removed, _ = Membership.objects.filter(group=group, user=person).delete()
    if removed:
        _record_membership("group.person_removed", by, group, person)
    return bool(removed)


@transaction.atomic
def nest_group(*, by: By, parent: Group, child: Group) -> bool:
    """Put `child` into `parent`, so that everybody in the child is in the parent; return whether it is new.

    Refused when it would close a circle.
    """
    # Circles can be closed by two nestings that share no group, so every group is locked, in one order.
    list(Group.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    if parent.pk == child.pk:
        raise ActionRefused(f"{parent.name} cannot lie in itself.")
    way = nesting_path(inner=parent, outer=child)
    if way:
        raise ActionRefused(
            f"{child.name} cannot lie in {parent.name}, because {parent.name} already lies in {child.name}: "
            f"{' → '.join(group.name for group in way)}."
        )
    _, is_new = GroupNesting.objects.get_or_create(parent=parent, child=child)
    if is_new:
        _record_nesting("group.nested", by, parent, child)
    return is_new


@transaction.atomic
def unnest_group(*, by: By, parent: Group, child: Group) -> bool:
    """Take `child` out of `parent`; return whether it was in it."""
    removed, _ = GroupNesting.objects.filter(parent=parent, child=child).delete()
    if removed:
        _record_nesting("group.unnested", by, parent, child)
    return bool(removed)


def _check_password(password: str, person: User) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise PasswordRefused(" ".join(error.messages)) from error


def _check_group_name(name: str, group: Group | None) -> None:
    if not name:
        raise ActionRefused("A group needs a name.")
    others = Group.objects.filter(name__iexact=name)
    if (others.exclude(pk=group.pk) if group else others).exists():
        raise ActionRefused(f"A group called {name} exists already.")


def _save_new(row: User | Group, taken: str) -> None:
    """Save a new row; the database's own constraint is what decides when two are made at once."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise ActionRefused(taken) from error


def _kind_of_change(changes: dict[str, list[Any]]) -> str:  # Any: as in change_person
    if "is_active" in changes:
        return "person.reactivated" if changes["is_active"][1] else "person.deactivated"
    if "is_admin" in changes or "is_auditor" in changes:
        return "person.roles_changed"
    return "person.changed"


def _record_membership(kind: str, by: By, group: Group, person: User) -> None:
    details = {"person": str(person.public_id), "person_label": _label(person)}
    record(kind, by=by, subject=group.subject, subject_label=group.name, details=details)


def _record_nesting(kind: str, by: By, parent: Group, child: Group) -> None:
    details = {"group": str(child.public_id), "group_label": child.name}
    record(kind, by=by, subject=parent.subject, subject_label=parent.name, details=details)


def _label(person: User) -> str:
    return f"{person.name} <{person.email}>"


def _locked(group: Group) -> Group:
    return Group.objects.select_for_update(no_key=True).get(pk=group.pk)


def _copy(source: User | Group, target: User | Group, fields: list[str]) -> None:
    """Bring the caller's object up to date with what was written."""
    for field in fields:
        setattr(target, field, getattr(source, field))
