"""access.yaml: what it means, and that whatever is not certain is refused with its line."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Group, User
from accounts.viewer import EVERYONE, group_principal, user_principal
from ingestion.access import Rule
from ingestion.sources.access_file import AccessFile, AccessFileError, look_up, read_access_file
from tests.world import World


def read(text: str | bytes, *, where: str = "hr/access.yaml", is_root: bool = False) -> AccessFile:
    return read_access_file(text.encode() if isinstance(text, str) else text, where, is_root=is_root)


def rule(text: str) -> Rule:
    file = read(text)
    return look_up(file.named()).narrowed(Rule(), file.folder, file.where)


def test_allow_is_one_clause_and_deny_a_set_of_denials(world: World) -> None:
    found = rule('allow: ["group:Finance", "user:alice@example.org"]\ndeny: ["group:Budget"]\n')
    assert found == Rule.of(
        {group_principal(world.groups["Finance"].pk), user_principal(world.alice.pk)},
        deny={group_principal(world.groups["Budget"].pk)},
    )


def test_names_of_groups_and_addresses_are_compared_without_case(world: World) -> None:
    assert rule("allow: [Everyone, GROUP:finance LEADS, 'user:ALICE@Example.ORG']") == Rule.of(
        {EVERYONE, group_principal(world.groups["Finance Leads"].pk), user_principal(world.alice.pk)}
    )


def test_a_group_whose_name_is_not_ascii_is_found_in_other_case_and_other_composition(db: None) -> None:
    group = Group.objects.create(name="Ärzte")
    assert rule("allow: ['group:a\u0308RZTE']") == Rule.of({group_principal(group.pk)})


def test_an_empty_allow_list_means_nobody() -> None:
    file = read("allow: []")
    assert file.folder.allow == ()
    assert not Rule().narrowed(()).admits(frozenset({EVERYONE}))


def test_a_whole_tree_is_looked_up_in_two_queries(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    file = read("allow: [group:Finance, group:Budget, 'user:alice@example.org', 'user:bob@example.org']")
    with django_assert_num_queries(2):
        look_up(file.named())


def test_patterns_match_file_names_without_case() -> None:
    pattern = read("files: {'salary-*.docx': {allow: [everyone]}}").patterns[0]
    assert pattern.matches("Salary-Bands.DOCX")
    assert not pattern.matches("bonus.docx")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("allow: [everyone]\ndeny: []\nallows: []\n", "hr/access.yaml, line 3: “allows” is not known here. An access file has allow, deny, files and inherit."),
        ("allow: [everyone]\nallow: ['group:HR']\n", "hr/access.yaml, line 2: “allow” stands here twice. Only one of the two could count; keep one."),
        ("allow: everyone\n", "hr/access.yaml, line 1: “allow” must be a list, such as allow: [\"group:Finance\"]."),
        ("allow:\n", "hr/access.yaml, line 1: “allow” must be a list, such as allow: [\"group:Finance\"]."),
        ("allow:\n  - group: HR\n", "hr/access.yaml, line 2: write a group as group:Finance and a person as user:alice@example.org, without a space after the colon."),
        ("allow:\n  - HR\n", "hr/access.yaml, line 2: “HR” is neither everyone, nor group:<name>, nor user:<e-mail address>."),
        ("allow:\n  - 'group:'\n", "hr/access.yaml, line 2: “group:” is neither everyone, nor group:<name>, nor user:<e-mail address>."),
        ("allow: [yes]\n", "hr/access.yaml, line 1: a group or a person is expected here, written as text. Put it in quotes."),
        ("inherit: no\nallow: [everyone]\n", "hr/access.yaml, line 1: “inherit: false” is not possible: a folder can only narrow what the folder above it allows. To open documents to more people, move them to a folder that those people may read."),
        ("inherit: maybe\n", "hr/access.yaml, line 1: “inherit” is true or left out."),
        ("- everyone\n", "hr/access.yaml, line 1: An access file must be written as keys with values."),
        ("", "hr/access.yaml: the file is empty. Write who may read the folder, or remove the file."),
        ("# only a remark\n", "hr/access.yaml: the file is empty. Write who may read the folder, or remove the file."),
        ("{}\n", "hr/access.yaml, line 1: the file says nothing. Write who may read the folder, or remove the file."),
        ("files:\n  'sub/*.md': {deny: [everyone]}\n", "hr/access.yaml, line 2: “sub/*.md” is not a pattern for the names of files in this folder, such as salary-*.docx."),
        ("files:\n  '*.md': {}\n", "hr/access.yaml, line 2: the entry for “*.md” has neither “allow” nor “deny”."),
        ("files:\n  '*.md': {permit: []}\n", "hr/access.yaml, line 2: “permit” is not known here. The entry for “*.md” has allow and deny."),
        ("allow: &all [everyone]\ndeny: *all\n", "hr/access.yaml, line 1: this cannot be read as YAML: anchors and aliases (& and *) are not read here."),
        ("allow: [!!python/name:os.system x]\n", "hr/access.yaml, line 1: a group or a person is expected here, written as text. Put it in quotes."),
        ("allow: [everyone\ndeny: []\n", "hr/access.yaml, line 2: this cannot be read as YAML: expected ',' or ']', but got ':'."),
        ("allow: [everyone]\n---\nallow: []\n", "hr/access.yaml, line 2: this cannot be read as YAML: but found another document."),
        ("allow: [\"a\x01\"]\n", "hr/access.yaml, line 1: there is a character that YAML does not allow."),
        (b"allow: [everyone]\n# \xe9\n", "hr/access.yaml, line 2: the file is not UTF-8 text. Save it as UTF-8."),
        ("allow: " + "[" * 30_000, "hr/access.yaml: lists are nested too deeply to be an access file."),
        ("#" * 65_537, "hr/access.yaml: the file is larger than 64 KB and was not read."),
    ],
)  # fmt: skip
def test_whatever_is_not_certain_is_an_error_that_names_file_and_line(
    text: str | bytes, sentence: str
) -> None:
    with pytest.raises(AccessFileError) as caught:
        read(text)
    assert str(caught.value) == sentence


def test_the_file_at_the_top_must_say_who_may_read() -> None:
    with pytest.raises(AccessFileError) as caught:
        read("deny: ['group:HR']", where="access.yaml", is_root=True)
    assert (
        str(caught.value)
        == "access.yaml: the access file at the top must say who may read: add a list “allow:”."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("deny: []\nallow:\n  - everyone\n  - group:Fiannce\n", "hr/access.yaml, line 4: there is no group called “Fiannce”. Groups are created under People › Groups."),
        ("allow: ['user:eve@example.org']\n", "hr/access.yaml, line 1: there is nobody with the e-mail address “eve@example.org”. People are added under People."),
    ],
)  # fmt: skip
def test_an_unknown_name_is_an_error_that_names_file_and_line(world: World, text: str, sentence: str) -> None:
    with pytest.raises(AccessFileError) as caught:
        rule(text)
    assert str(caught.value) == sentence


def test_an_inactive_person_is_still_known_but_holds_nothing(world: World) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_active=False)
    found = rule("allow: ['user:alice@example.org']")
    assert found == Rule.of({user_principal(world.alice.pk)})
    assert not found.admits(world.viewer("alice").principals)
