"""The one decision: may this viewer read this document, and why.

Three forms of the same decision live here and in `ingestion.querysets`, and a property test holds them together:
`Rule.admits` over values, `decide` for one document with reasons, `Document.objects.visible_to` as SQL.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, models, transaction

from accounts.canonical import digest_of
from accounts.viewer import Viewer
from ingestion.models import AccessPolicy, Document, PolicyClause, PolicyDenial, Source
from ingestion.prepared import Prepared


@dataclass(frozen=True)
class Rule:
    """An access rule: at least one principal of every clause, and none of the denials. No clauses: nobody."""

    clauses: frozenset[frozenset[str]] = frozenset()
    denials: frozenset[str] = frozenset()
    is_dark: bool = False

    @classmethod
    def of(cls, *clauses: Iterable[str], deny: Iterable[str] = ()) -> "Rule":
        """Return the rule with these clauses; an empty clause can be met by nobody and is kept as such."""
        return cls(frozenset(frozenset(clause) for clause in clauses), frozenset(deny))

    def narrowed(self, clause: Iterable[str] | None = None, deny: Iterable[str] = ()) -> "Rule":
        """Return this rule with one more clause and more denials. Narrowing a dark rule leaves it dark."""
        clauses = self.clauses if clause is None else self.clauses | {frozenset(clause)}
        return Rule(clauses, self.denials | frozenset(deny), self.is_dark)

    def admits(self, principals: frozenset[str]) -> bool:
        """Return whether somebody who holds these principals, and no others, may read."""
        return (
            not self.is_dark
            and bool(self.clauses)
            and all(clause & principals for clause in self.clauses)
            and not (self.denials & principals)
        )

    def digest(self) -> str:
        """Return the digest that identifies this rule; the order in which it was written does not matter."""
        if self.is_dark:
            return digest_of({"dark": True})
        return digest_of(
            {"clauses": sorted(sorted(clause) for clause in self.clauses), "denials": sorted(self.denials)}
        )


NOBODY = Rule()
DARK = Rule(is_dark=True)


def intern_policy(rule: Rule) -> AccessPolicy:
    """Return the one row for this rule, creating it when the rule is new. Safe under concurrent calls."""
    if rule.is_dark:
        rule = DARK
    digest = rule.digest()
    policy: AccessPolicy | None = AccessPolicy.objects.filter(digest=digest).first()
    if policy is not None:
        return policy
    try:
        with transaction.atomic():
            return _write_policy(rule, digest)
    except IntegrityError:
        # Another sync interned the same rule between the look and the write.
        written: AccessPolicy = AccessPolicy.objects.get(digest=digest)
        return written


def _write_policy(rule: Rule, digest: str) -> AccessPolicy:
    policy: AccessPolicy = AccessPolicy.objects.create(
        digest=digest, is_dark=rule.is_dark, clause_count=len(rule.clauses)
    )
    ordered = sorted(rule.clauses, key=sorted)
    PolicyClause.objects.bulk_create(
        PolicyClause(policy=policy, number=number, principal=principal)
        for number, clause in enumerate(ordered)
        for principal in sorted(clause)
    )
    PolicyDenial.objects.bulk_create(
        PolicyDenial(policy=policy, principal=principal) for principal in sorted(rule.denials)
    )
    return policy


def rule_of(policy: AccessPolicy) -> Rule:
    """Return the rule a policy row stands for."""
    if policy.is_dark:
        return DARK
    clauses: dict[int, set[str]] = {number: set() for number in range(policy.clause_count)}
    for clause in policy.clauses.all():
        clauses.setdefault(clause.number, set()).add(clause.principal)
    return Rule.of(*clauses.values(), deny={denial.principal for denial in policy.denials.all()})


@dataclass(frozen=True)
class Reach:
    """Everything a viewer may reach at this moment, as integers for the index filter."""

    policies: frozenset[int]
    sources: frozenset[int]


def admitting_policies(viewer: Viewer) -> frozenset[int]:
    """Return the ids of the policies that admit the viewer, from the database, now.

    `AccessPolicy.objects.admitting` as one flat read of what the viewer's principals lead to, put together here. Asked
    several times for each question, it takes a tenth of the time; tests hold the two against each other.
    """
    principals = sorted(viewer.principals)
    if not principals:
        return frozenset()
    met: dict[int, set[int]] = defaultdict(set)
    wanted: dict[int, int] = {}
    denied: set[int] = set()
    with connection.cursor() as cursor:
        cursor.execute(_ADMITTING.format(", ".join(["%s"] * len(principals))), principals * 2)
        for policy, number, count in cursor.fetchall():
            if number is None:
                denied.add(policy)
            else:
                met[policy].add(number)
                wanted[policy] = count
    return frozenset(policy for policy, numbers in met.items() if len(numbers) == wanted[policy]) - denied


_ADMITTING = """
    SELECT clause.policy_id, clause.number, policy.clause_count
    FROM ingestion_policyclause clause JOIN ingestion_accesspolicy policy ON policy.id = clause.policy_id
    WHERE NOT policy.is_dark AND clause.principal IN ({0})
    UNION ALL
    SELECT denial.policy_id, NULL, NULL FROM ingestion_policydenial denial WHERE denial.principal IN ({0})
"""
"""Clauses that a viewer's principals meet, and, without a number, denials that they fall under."""


def reach_of(viewer: Viewer) -> Reach:
    """Return the ids of the policies and of the current sources that admit the viewer, from the database, now."""
    policies = admitting_policies(viewer)
    return Reach(policies, frozenset(pk for pk, policy in _SOURCES.rows() if policy in policies))


def _current_sources() -> "models.QuerySet[Any, Any]":  # Any: rows of columns
    return Source.objects.current().order_by().values_list("pk", "policy_id")


_SOURCES = Prepared(_current_sources)


@dataclass(frozen=True)
class ClauseCheck:
    """One clause of a rule held against a viewer: who it lets in, and which of those the viewer is."""

    allowed: tuple[str, ...]
    held: tuple[str, ...]
    of: str  # "source" or "document"

    @property
    def is_met(self) -> bool:
        return bool(self.held)


@dataclass(frozen=True)
class Decision:
    """Whether a viewer may read a document, with every clause and denial that was weighed."""

    allowed: bool
    clauses: tuple[ClauseCheck, ...]
    denied_by: tuple[str, ...]
    problem: str = ""  # removed, dark, nobody, not_indexed: what decides before any clause is looked at


def decide(viewer: Viewer, document: Document) -> Decision:
    """Decide for one document and say why, reading both rules from the database.

    Agrees with `Document.objects.visible_to` for every document.
    """
    if document.removed_at is not None or document.source.removed_at is not None:
        return Decision(False, (), (), "removed")
    checks: list[ClauseCheck] = []
    denied: set[str] = set()
    problem = ""
    for of, policy in (("source", document.source.policy), ("document", document.policy)):
        rule = rule_of(policy)
        if rule.is_dark:
            problem = problem or "dark"
        elif not rule.clauses:
            problem = problem or "nobody"
        for clause in sorted(rule.clauses, key=sorted):
            checks.append(ClauseCheck(tuple(sorted(clause)), tuple(sorted(clause & viewer.principals)), of))
        denied |= rule.denials & viewer.principals
    if not problem and document.current_version_id is None:
        problem = "not_indexed"
    allowed = not problem and not denied and all(check.is_met for check in checks)
    return Decision(allowed, tuple(checks), tuple(sorted(denied)), problem)
