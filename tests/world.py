"""The fixed world of the tests: five people, their groups, and three sources with documents of every kind of rule.

alice owns finance documents; bob shares one group (Budget) with her; charlie has no grants; dana audits; adam administers.
"""

from dataclasses import dataclass, field

from accounts.models import Group, GroupNesting, Membership, User
from accounts.viewer import EVERYONE, Viewer, group_principal, user_principal, viewer_of
from ingestion.access import DARK, NOBODY, Rule, intern_policy
from ingestion.models import Document, Source
from tests.factories import make_document


@dataclass
class World:
    """The people, groups, sources and documents, by name."""

    alice: User
    bob: User
    charlie: User
    dana: User
    adam: User
    groups: dict[str, Group] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)

    @property
    def people(self) -> list[User]:
        return [self.alice, self.bob, self.charlie, self.dana, self.adam]

    def viewer(self, name: str) -> Viewer:
        """Return the named person's viewer, from the database, now."""
        return viewer_of(User.objects.get(email=f"{name}@example.org"))


def make_user(name: str, **roles: bool) -> User:
    """Return a person `<name>@example.org` with the password `correct horse battery`."""
    user = User(email=f"{name}@example.org", name=name.capitalize(), **roles)
    user.set_password("correct horse battery")
    user.save()
    return user


def make_world() -> World:
    """Return the world, freshly written to the database. Documents have chunks but are in no index."""
    world = World(
        alice=make_user("alice"),
        bob=make_user("bob"),
        charlie=make_user("charlie"),
        dana=make_user("dana", is_auditor=True),
        adam=make_user("adam", is_admin=True),
    )
    for name in ("Staff", "Finance", "Finance Leads", "Budget", "Engineering"):
        world.groups[name] = Group.objects.create(name=name)
    # Finance Leads lie in Finance, Finance and Engineering in Staff: alice is Staff through two levels of nesting.
    for parent, child in (("Staff", "Finance"), ("Staff", "Engineering"), ("Finance", "Finance Leads")):
        GroupNesting.objects.create(parent=world.groups[parent], child=world.groups[child])
    for user, joined in (
        (world.alice, "Finance Leads"), (world.alice, "Budget"), (world.bob, "Engineering"), (world.bob, "Budget"),
    ):  # fmt: skip
        Membership.objects.create(user=user, group=world.groups[joined])

    def group(name: str) -> str:
        return group_principal(world.groups[name].pk)

    open_source = Source.objects.create(
        name="Handbook", kind="upload", policy=intern_policy(Rule.of({EVERYONE}))
    )
    staff_source = Source.objects.create(
        name="Intranet", kind="upload", policy=intern_policy(Rule.of({group("Staff")}))
    )
    dark_source = Source.objects.create(name="Unread rules", kind="upload", policy=intern_policy(DARK))
    world.sources = {"open": open_source, "staff": staff_source, "dark": dark_source}
    rules: dict[str, tuple[Source, Rule]] = {
        "welcome": (open_source, Rule.of({EVERYONE})),
        "menu": (staff_source, Rule.of({EVERYONE})),
        "budget": (staff_source, Rule.of({group("Budget")})),
        "payroll": (staff_source, Rule.of({group("Finance")}, {group("Finance Leads"), group("Budget")})),
        "investigation": (staff_source, Rule.of({group("Budget")}, deny={user_principal(world.bob.pk)})),
        "private": (open_source, Rule.of({user_principal(world.alice.pk)})),
        "nobody": (open_source, NOBODY),
        "dark": (open_source, DARK),
        "under_dark_source": (dark_source, Rule.of({EVERYONE})),
    }
    texts = {
        "welcome": "Welcome to the company. The reception opens at eight in the morning.",
        "menu": "The canteen serves lunch from noon. The soup of the day costs three euros.",
        "budget": "The budget for travel is 40,000 euros this year. Each team reports monthly.",
        "payroll": "Payroll runs on the 25th of each month. Corrections close two days before.",
        "investigation": "The investigation concerns the Leeds warehouse. Witnesses are heard in May.",
        "private": "Alice keeps her notes about the merger here. The merger closes in March.",
        "nobody": "No rule admits anybody to this page. It is kept for the archive.",
        "dark": "The rule of this page could not be read. Its text stays in the dark.",
        "under_dark_source": "This page lies in a source whose rule could not be read.",
    }
    for name, (source, rule) in rules.items():
        world.documents[name] = make_document(source, name, texts[name], rule)
    return world


# Who may read what in this world: the truth that every path is held against.
READABLE = {
    "alice": {"welcome", "menu", "budget", "payroll", "investigation", "private"},
    "bob": {"welcome", "menu", "budget"},
    "charlie": {"welcome"},
    "dana": {"welcome"},
    "adam": {"welcome"},
}
