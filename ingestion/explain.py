"""Say in words who may read what, and why. Follows `ingestion.access`; decides nothing by itself.

Two voices. A reader is told only what admits them, and only for a document they may read: the names of groups they are
not in stay unsaid. An admin is told every clause, met or not, with the path of groups or the first missing link.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.text import get_text_list

from accounts.models import Group, GroupNesting, Membership, User
from accounts.reach import groups_of
from accounts.viewer import EVERYONE, Viewer, group_principal, user_principal, viewer_of
from ingestion.access import ClauseCheck, Rule, decide, rule_of
from ingestion.models import AccessPolicy, Document

NameOf = Callable[[str], str]

UNKNOWN_GROUP = "a group that no longer exists"
UNKNOWN_PERSON = "a person who no longer exists"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was weighed, as a sentence. `path` names person and groups, inner to outer, when a group admits."""

    text: str
    is_met: bool
    of: str = ""  # source, document, or "" for what holds before any rule
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether somebody may read a document: the answer in a sentence, then every reason in the order it was weighed."""

    allowed: bool
    headline: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule in words. `needs` are parts that must all hold; `but_not` names who is kept out all the same."""

    summary: str
    needs: tuple[str, ...] = ()
    but_not: str = ""
    is_dark: bool = False

    @property
    def admits_nobody(self) -> bool:
        return not self.needs


def names_of(principals: Iterable[str]) -> NameOf:
    """Return a function from principal to name for these principals, read from the database once."""
    wanted = set(principals)
    groups = [int(p.removeprefix("group:")) for p in wanted if p.startswith("group:")]
    people = [int(p.removeprefix("user:")) for p in wanted if p.startswith("user:")]
    names = {EVERYONE: "everyone who can sign in"}
    for pk, name in Group.objects.filter(pk__in=groups).values_list("pk", "name"):
        names[group_principal(pk)] = name
    for pk, name in User.objects.filter(pk__in=people).values_list("pk", "name"):
        names[user_principal(pk)] = name

    def name_of(principal: str) -> str:
        unknown = UNKNOWN_GROUP if principal.startswith("group:") else UNKNOWN_PERSON
        return names.get(principal, unknown)

    return name_of


def principals_in(rules: Iterable[Rule]) -> set[str]:
    """Return every principal that rules name."""
    found: set[str] = set()
    for rule in rules:
        found |= rule.denials.union(*rule.clauses)
    return found


def rule_in_words(rule: Rule, name_of: NameOf) -> RuleWords:
    """Return a rule as an admin reads it: `members of Finance or Budget, and members of Staff, but not Bob`."""
    if rule.is_dark:
        return RuleWords("Nobody: the access rule could not be read", is_dark=True)
    if not rule.clauses or any(not clause for clause in rule.clauses):
        return RuleWords("Nobody")
    needs = [_clause_in_words(clause, name_of) for clause in sorted(rule.clauses, key=sorted)]
    # What everyone meets says nothing beside a clause that asks for more.
    telling = [words for words in needs if words != name_of(EVERYONE)] or needs[:1]
    but_not = (
        get_text_list([_who(p, name_of) for p in _ordered(rule.denials, name_of)]) if rule.denials else ""
    )
    summary = ", who must also be ".join(telling) + (f", but not {but_not}" if but_not else "")
    return RuleWords(summary[:1].upper() + summary[1:], tuple(telling), but_not)


def policy_in_words(policy: AccessPolicy) -> RuleWords:
    """Return a stored policy in words."""
    rule = rule_of(policy)
    return rule_in_words(rule, names_of(principals_in([rule])))


def why_readable(viewer: Viewer, document: Document) -> tuple[str, ...]:
    """Return sentences for a reader that say why they may read a document, or none when they may not.

    Names only what the reader holds, so that the sentences tell nothing about anybody else's rights.
    """
    decision = decide(viewer, document)
    if not decision.allowed:
        return ()
    held = [check.held for check in decision.clauses]
    name_of = names_of(principal for principals in held for principal in principals)
    paths = _paths_of(viewer)
    sentences = [_admitted(principals, viewer, name_of, paths) for principals in held]
    telling = [sentence for sentence in sentences if sentence != _FOR_EVERYONE] or [_FOR_EVERYONE]
    return tuple(dict.fromkeys(telling))


def explain(viewer: Viewer, document: Document, *, name: str) -> Explanation:
    """Explain to an admin why the person behind a viewer, called `name`, can or cannot read a document."""
    decision = decide(viewer, document)
    if not viewer.principals:
        reason = Reason(f"{name}'s account is not active, and an inactive account holds no rights.", False)
        return Explanation(False, f"{name} cannot read this document.", (reason,))
    problem = _problem(decision.problem, document)
    name_of = names_of({p for check in decision.clauses for p in check.allowed} | set(decision.denied_by))
    paths = _paths_of(viewer)
    reasons = [Reason(problem, False)] if problem else []
    reasons += [_weighed(check, viewer, name, name_of, paths) for check in _telling(decision.clauses)]
    reasons += [_denied(principal, viewer, name, name_of, paths) for principal in decision.denied_by]
    if decision.allowed:
        return Explanation(True, f"{name} can read this document.", tuple(reasons))
    return Explanation(False, f"{name} cannot read this document.", tuple(reasons))


def explain_user(user: User, document: Document) -> Explanation:
    """Explain to an admin why a person can or cannot read a document, from the database, now."""
    return explain(viewer_of(user), document, name=user.name)


def principals_by_person() -> dict[int, frozenset[str]]:
    """Return what every active person holds, with nested groups closed over: `viewer_of` for all, in three queries."""
    parents: dict[int, set[int]] = {}
    for child, parent in GroupNesting.objects.values_list("child_id", "parent_id"):
        parents.setdefault(child, set()).add(parent)
    closed: dict[int, frozenset[str]] = {}

    def closure(group: int) -> frozenset[str]:
        if group not in closed:
            seen, level = {group}, {group}
            while level:
                level = set().union(*(parents.get(g, set()) for g in level)) - seen
                seen |= level
            closed[group] = frozenset(group_principal(g) for g in seen)
        return closed[group]

    held: dict[int, set[str]] = {
        pk: {user_principal(pk), EVERYONE}
        for pk in User.objects.filter(is_active=True).values_list("pk", flat=True)
    }
    for user, group in Membership.objects.filter(user__is_active=True).values_list("user_id", "group_id"):
        held[user] |= closure(group)
    return {user: frozenset(principals) for user, principals in held.items()}


def people_by_group() -> dict[int, int]:
    """Return how many active people are in each group that has any, nested groups included."""
    counts: dict[int, int] = {}
    for held in principals_by_person().values():
        for principal in held:
            if principal.startswith("group:"):
                group = int(principal.removeprefix("group:"))
                counts[group] = counts.get(group, 0) + 1
    return counts


def admitted_by(rules: Sequence[Rule], people: Mapping[int, frozenset[str]]) -> list[int]:
    """Return the ids of the people whom every one of the rules admits. `people` comes from `principals_by_person`."""
    return [user for user, held in people.items() if all(rule.admits(held) for rule in rules)]


def readers_of(document: Document) -> list[User]:
    """Return the active people who can read a document now, by name."""
    if (
        document.removed_at is not None
        or document.source.removed_at is not None
        or document.current_version_id is None
    ):
        return []
    rules = [rule_of(document.source.policy), rule_of(document.policy)]
    return people_named(admitted_by(rules, principals_by_person()))


def people_named(ids: Iterable[int]) -> list[User]:
    """Return people by id, in order of name."""
    wanted = set(ids)
    return [user for user in User.objects.order_by("name", "email") if user.pk in wanted]


# --- Words --------------------------------------------------------------------------------------------------------

_FOR_EVERYONE = "Shared with everyone who can sign in."


def _ordered(principals: Iterable[str], name_of: NameOf) -> list[str]:
    """Groups before people, each by name."""
    return sorted(principals, key=lambda p: (p != EVERYONE, p.startswith("user:"), name_of(p).casefold(), p))


def _who(principal: str, name_of: NameOf) -> str:
    return f"members of {name_of(principal)}" if principal.startswith("group:") else name_of(principal)


def _clause_in_words(clause: Iterable[str], name_of: NameOf) -> str:
    ordered = _ordered(clause, name_of)
    if EVERYONE in ordered:
        return name_of(EVERYONE)
    groups = [name_of(p) for p in ordered if p.startswith("group:")]
    people = [name_of(p) for p in ordered if p.startswith("user:")]
    parts = [f"members of {get_text_list(groups)}"] if groups else []
    return get_text_list(parts + people)


def _admitted(
    held: Sequence[str], viewer: Viewer, name_of: NameOf, paths: Mapping[str, tuple[str, ...]]
) -> str:
    """Return the sentence for the reader about one clause: the strongest of what they hold."""
    if user_principal(viewer.user_id) in held:
        return "Shared with you by name."
    if EVERYONE in held:
        return _FOR_EVERYONE
    best = min(held, key=lambda p: (len(paths.get(p, ())), name_of(p).casefold()))
    through = _through(paths.get(best, ()))
    return f"Shared with {name_of(best)}, of which you are a member{through}."


def _through(path: Sequence[str]) -> str:
    """Words for the groups between a person and the group that admits them; the path ends with that group."""
    between = path[:-1]
    return f" (through {' → '.join(between)})" if between else ""


def _telling(checks: Sequence[ClauseCheck]) -> list[ClauseCheck]:
    """Leave out a clause that admits everyone where the same rule asks for more: it decides nothing."""
    asking = {check.of for check in checks if EVERYONE not in check.allowed}
    return [check for check in checks if EVERYONE not in check.allowed or check.of not in asking]


def _weighed(
    check: ClauseCheck, viewer: Viewer, name: str, name_of: NameOf, paths: Mapping[str, tuple[str, ...]]
) -> Reason:
    """Return the admin's sentence about one clause, with the path that meets it or what is missing."""
    whose = "The source" if check.of == "source" else "The document"
    if EVERYONE in check.held:
        return Reason(f"{whose} is shared with everyone who can sign in.", True, check.of)
    if user_principal(viewer.user_id) in check.held:
        return Reason(f"{whose} is shared with {name} by name.", True, check.of, (name,))
    if check.held:
        best = min(check.held, key=lambda p: (len(paths.get(p, ())), name_of(p).casefold()))
        path = paths.get(best, (name_of(best),))
        text = f"{whose} is shared with {name_of(best)}, of which {name} is a member{_through(path)}."
        return Reason(text, True, check.of, (name, *path))
    return Reason(_missing(check, whose, name, name_of), False, check.of)


def _missing(check: ClauseCheck, whose: str, name: str, name_of: NameOf) -> str:
    ordered = _ordered(check.allowed, name_of)
    groups = [name_of(p) for p in ordered if p.startswith("group:")]
    people = [name_of(p) for p in ordered if p.startswith("user:")]
    if not ordered:
        return f"{whose} has a part in its rule that nobody can meet."
    if not groups:
        return f"{whose} is shared with {get_text_list(people, 'and')} only, and {name} is not named."
    only = f"{whose} asks for membership of {get_text_list(groups)}, directly or through a nested group, and {name} is in none of them"
    if len(groups) == 1:
        only = f"{whose} asks for membership of {groups[0]}, directly or through a nested group, and {name} is not a member"
    return only + (f"; it also names {get_text_list(people, 'and')}." if people else ".")


def _denied(
    principal: str, viewer: Viewer, name: str, name_of: NameOf, paths: Mapping[str, tuple[str, ...]]
) -> Reason:
    if principal == user_principal(viewer.user_id):
        return Reason(f"{name} is denied by name.", False)
    if principal == EVERYONE:
        return Reason("Everyone is denied.", False)
    path = paths.get(principal, (name_of(principal),))
    text = f"Members of {name_of(principal)} are denied, and {name} is one{_through(path)}."
    return Reason(text, False, "", (name, *path))


def _problem(problem: str, document: Document) -> str:
    note = document.policy_note.rstrip(".")
    return {
        "": "",
        "removed": "The document, or its whole source, has been removed: it is gone for everybody.",
        "dark": f"The access rule could not be read, so nobody may read it{f': {note}' if note else ''}.",
        "nobody": "The access rule admits nobody.",
        "not_indexed": "The document has not been indexed yet; it becomes readable when its first version is whole.",
    }[problem]


def _paths_of(viewer: Viewer) -> dict[str, tuple[str, ...]]:
    """Return for each group the viewer is in the shortest path of group names that leads there, the group itself last."""
    user = User.objects.filter(pk=viewer.user_id).first()
    if user is None:
        return {}
    return {
        group_principal(reached.group.pk): tuple(group.name for group in reached.path)
        for reached in groups_of(user)
    }
