"""Who may read what, worked out the slow way from plain sets: the oracle that every path of the product is held against.

It shares no code with the product. Principals are written out as `user:<id>`, `group:<id>` and `everyone`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PlainRule:
    """A rule as it is meant: one principal of every clause, none of the denials; without clauses nobody, dark nobody."""

    clauses: tuple[frozenset[str], ...] = ()
    denials: frozenset[str] = frozenset()
    is_dark: bool = False

    def admits(self, held: frozenset[str]) -> bool:
        if self.is_dark or not self.clauses:
            return False
        for clause in self.clauses:
            if not any(principal in held for principal in clause):
                return False
        return not any(principal in held for principal in self.denials)


@dataclass
class PlainDocument:
    """A document: where it lies, its rule, the chunks of the version on show, and what has become of it."""

    source: int
    rule: PlainRule
    chunks: frozenset[int]
    is_removed: bool = False
    is_shown: bool = True
    is_superseded: bool = False


@dataclass
class Oracle:
    """An organisation as sets. Keys are the ids of the rows that it mirrors."""

    people: dict[int, bool] = field(default_factory=dict)  # is the person active
    groups: set[int] = field(default_factory=set)
    members: set[tuple[int, int]] = field(default_factory=set)  # person, group
    nested: set[tuple[int, int]] = field(default_factory=set)  # outer group, inner group
    sources: dict[int, PlainRule] = field(default_factory=dict)
    removed_sources: set[int] = field(default_factory=set)
    documents: dict[int, PlainDocument] = field(default_factory=dict)

    def around(self, groups: set[int]) -> set[int]:
        """Return these groups and every group that they lie in, over any number of steps."""
        reached = set(groups)
        while True:
            wider = reached | {outer for outer, inner in self.nested if inner in reached}
            if wider == reached:
                return reached
            reached = wider

    def lies_in(self, inner: int, outer: int) -> bool:
        return outer in self.around({inner})

    def held_by(self, person: int) -> frozenset[str]:
        """Return the principals a person holds; an inactive one holds none."""
        if not self.people[person]:
            return frozenset()
        groups = self.around({group for who, group in self.members if who == person})
        return frozenset({f"user:{person}", "everyone", *(f"group:{group}" for group in groups)})

    def readable_by(self, person: int) -> set[int]:
        """Return the documents a person may read."""
        held = self.held_by(person)
        return {
            number
            for number, document in self.documents.items()
            if document.is_shown
            and not document.is_removed
            and document.source not in self.removed_sources
            and self.sources[document.source].admits(held)
            and document.rule.admits(held)
        }

    def chunks_of(self, documents: set[int]) -> set[int]:
        """Return the chunks that these documents show."""
        return {chunk for number in documents for chunk in self.documents[number].chunks}
