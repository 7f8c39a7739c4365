"""The words follow the decision: for everybody, for every document, in both voices."""

import pytest

from accounts.models import User
from accounts.viewer import EVERYONE, viewer_of
from ingestion.access import Rule, decide, intern_policy
from ingestion.explain import (
    admitted_by,
    explain,
    explain_user,
    names_of,
    policy_in_words,
    principals_by_person,
    readers_of,
    rule_in_words,
    why_readable,
)
from ingestion.models import Document
from tests.world import READABLE, World


def test_an_explanation_agrees_with_the_decision_for_the_whole_world(world: World) -> None:
    for person in world.people:
        viewer = viewer_of(person)
        for name, document in world.documents.items():
            explanation = explain(viewer, document, name=person.name)
            assert (
                explanation.allowed
                == decide(viewer, document).allowed
                == (name in READABLE[person.name.lower()])
            )
            assert explanation.reasons, f"{person.name} and {name}: no reason is given"
            assert all(reason.is_met for reason in explanation.reasons) == explanation.allowed
            assert bool(why_readable(viewer, document)) == explanation.allowed


def test_the_readers_of_a_document_are_exactly_those_who_can_read_it(world: World) -> None:
    for name, document in world.documents.items():
        readers = {person.name.lower() for person in readers_of(document)}
        assert readers == {who for who, readable in READABLE.items() if name in readable}


def test_principals_of_everybody_equal_each_viewer(world: World) -> None:
    world.dana.is_active = False
    world.dana.save(update_fields=["is_active"])
    everybody = principals_by_person()
    assert world.dana.pk not in everybody
    for person in world.people:
        assert everybody.get(person.pk, frozenset()) == viewer_of(person).principals


def test_a_member_is_told_the_group_and_the_path_to_it(world: World) -> None:
    assert why_readable(world.viewer("alice"), world.documents["menu"]) == (
        "Shared with Staff, of which you are a member (through Finance Leads → Finance).",
    )
    assert why_readable(world.viewer("bob"), world.documents["budget"]) == (
        "Shared with Staff, of which you are a member (through Engineering).",
        "Shared with Budget, of which you are a member.",
    )


def test_a_person_named_and_everybody_are_told_so(world: World) -> None:
    assert why_readable(world.viewer("alice"), world.documents["private"]) == ("Shared with you by name.",)
    assert why_readable(world.viewer("charlie"), world.documents["welcome"]) == (
        "Shared with everyone who can sign in.",
    )


def test_a_reader_is_told_nothing_about_rights_they_do_not_hold(world: World) -> None:
    """payroll admits Finance Leads or Budget; bob's Budget alone must not name Finance Leads to him."""
    document = world.documents["payroll"]
    document.policy = intern_policy(
        Rule.of({f"group:{world.groups['Budget'].pk}", f"group:{world.groups['Finance Leads'].pk}"})
    )
    document.save(update_fields=["policy"])
    sentences = " ".join(why_readable(world.viewer("bob"), document))
    assert "Budget" in sentences
    assert "Finance" not in sentences


def test_what_somebody_cannot_read_is_explained_to_nobody_but_admins(world: World) -> None:
    for name in set(world.documents) - READABLE["charlie"]:
        assert why_readable(world.viewer("charlie"), world.documents[name]) == ()


def test_an_admin_is_told_the_path_that_admits(world: World) -> None:
    explanation = explain_user(world.alice, world.documents["payroll"])
    assert explanation.headline == "Alice can read this document."
    assert ("Alice", "Finance Leads", "Finance") in [reason.path for reason in explanation.reasons]


def test_an_admin_is_told_the_first_missing_link(world: World) -> None:
    explanation = explain_user(world.charlie, world.documents["budget"])
    assert [(reason.of, reason.is_met) for reason in explanation.reasons] == [
        ("source", False),
        ("document", False),
    ]
    assert explanation.reasons[0].text == (
        "The source asks for membership of Staff, directly or through a nested group, and Charlie is not a member."
    )


def test_an_admin_is_told_of_a_denial_by_name(world: World) -> None:
    explanation = explain_user(world.bob, world.documents["investigation"])
    assert not explanation.allowed
    assert [reason.text for reason in explanation.reasons if not reason.is_met] == ["Bob is denied by name."]


def test_a_denied_group_is_named_with_the_path_into_it(world: World) -> None:
    document = world.documents["menu"]
    document.policy = intern_policy(Rule.of({EVERYONE}, deny={f"group:{world.groups['Finance'].pk}"}))
    document.save(update_fields=["policy"])
    denied = [reason for reason in explain_user(world.alice, document).reasons if not reason.is_met]
    assert [reason.text for reason in denied] == [
        "Members of Finance are denied, and Alice is one (through Finance Leads)."
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [("dark", "could not be read"), ("nobody", "admits nobody"), ("under_dark_source", "could not be read")],
)
def test_what_nobody_can_read_says_why(world: World, name: str, said: str) -> None:
    explanation = explain_user(world.alice, world.documents[name])
    assert not explanation.allowed
    assert any(said in reason.text for reason in explanation.reasons)


def test_a_dark_document_tells_the_admin_file_and_line(world: World) -> None:
    document = world.documents["dark"]
    document.policy_note = "finance/access.yaml, line 3: there is no group called “Finanse”."
    document.save(update_fields=["policy_note"])
    assert "finance/access.yaml, line 3" in explain_user(world.alice, document).reasons[0].text


def test_a_removed_document_and_an_inactive_account_are_said(world: World) -> None:
    document = world.documents["welcome"]
    Document.objects.filter(pk=document.pk).update(removed_at=document.created_at)
    document.refresh_from_db()
    assert "removed" in explain_user(world.alice, document).reasons[0].text
    User.objects.filter(pk=world.bob.pk).update(is_active=False)
    world.bob.refresh_from_db()
    assert "not active" in explain_user(world.bob, world.documents["menu"]).reasons[0].text


def test_rules_are_put_into_words(world: World) -> None:
    assert policy_in_words(world.documents["welcome"].policy).summary == "Everyone who can sign in"
    assert policy_in_words(world.documents["nobody"].policy).summary == "Nobody"
    assert policy_in_words(world.documents["dark"].policy).is_dark
    assert (
        policy_in_words(world.documents["payroll"].policy).summary
        == "Members of Finance, who must also be members of Budget or Finance Leads"
    )
    assert (
        policy_in_words(world.documents["investigation"].policy).summary == "Members of Budget, but not Bob"
    )


def test_an_empty_clause_is_nobody_in_words_as_in_the_decision(world: World) -> None:
    rule = Rule.of({EVERYONE}, set())
    assert rule_in_words(rule, names_of([])).summary == "Nobody"
    assert admitted_by([rule], principals_by_person()) == []


def test_a_group_that_is_gone_is_still_a_rule_in_words(world: World) -> None:
    rule = Rule.of({"group:999999"})
    assert (
        rule_in_words(rule, names_of(["group:999999"])).summary == "Members of a group that no longer exists"
    )
