"""The Narrow control in a real browser: picking, chips, follow-ups, without script, and axe with it open."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPerson
from tests.browser.test_accessible import faults

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LEAVE = "How many days of annual leave does an employee have?"
LAPTOP = "After how many years is a laptop replaced?"


def narrow(page: Page) -> None:
    page.locator("[data-narrow] > summary").click()
    expect(page.get_by_role("checkbox", name="PDF")).to_be_visible()


def test_what_is_picked_shows_as_chips_and_holds_until_it_is_taken_out(visit: NewPerson) -> None:
    alice = visit()
    page = alice.page
    narrow(page)
    page.get_by_role("checkbox", name="PDF").check()
    page.get_by_role("checkbox", name="Handbook").check()
    page.get_by_label("Dated from").fill("2020-01-31")
    chips = page.get_by_role("list", name="Narrowed to").get_by_role("button")
    expect(chips).to_have_text(["Handbook", "PDF", "since 31 Jan 2020"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("checkbox", name="PDF")).to_be_hidden()
    page.get_by_role("button", name="Do not narrow to: since 31 Jan 2020").click()
    expect(chips).to_have_text(["Handbook", "PDF"])

    alice.ask(LAPTOP)
    expect(page.locator(".narrowed")).to_have_text("Searched in: Handbook · PDF")
    expect(page.locator(".claim").first).to_contain_text("four years")
    # The page is another now; what was picked is still there, and holds for the next question.
    expect(chips).to_have_text(["Handbook", "PDF"])
    alice.ask(LEAVE)
    expect(page.locator(".turn:last-of-type .narrowed")).to_have_text("Searched in: Handbook · PDF")
    assert "28 days" not in page.locator(".turn:last-of-type").inner_text()

    page.get_by_role("button", name="Do not narrow to: PDF").click()
    page.get_by_role("button", name="Do not narrow to: Handbook").click()
    expect(chips).to_have_count(0)
    alice.ask(LEAVE)
    expect(page.locator(".turn:last-of-type .narrowed")).to_have_count(0)
    expect(page.locator(".turn:last-of-type .claim").first).to_contain_text("28 days")


def test_a_suggested_question_is_looked_for_where_the_box_says(visit: NewPerson) -> None:
    page = visit().page
    narrow(page)
    page.get_by_role("checkbox", name="PDF").check()
    page.keyboard.press("Escape")
    page.locator(".suggested button").first.click()
    expect(page.locator(".narrowed").first).to_have_text("Searched in: PDF", timeout=90_000)


def test_a_question_is_narrowed_without_script_too(visit: NewPerson) -> None:
    page = visit(script=False).page
    narrow(page)
    page.get_by_role("checkbox", name="PDF").check()
    page.get_by_role("textbox", name="Your question").fill(LAPTOP)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".narrowed")).to_have_text("Searched in: PDF", timeout=90_000)
    expect(page.get_by_role("list", name="Narrowed to")).to_have_text("PDF")


def test_a_pick_that_cannot_be_used_is_told_beside_the_box(visit: NewPerson) -> None:
    alice = visit()
    page = alice.page
    narrow(page)
    page.get_by_label("Dated from").fill("2024-05-01")
    page.get_by_label("to", exact=True).fill("2023-05-01")
    page.get_by_role("textbox", name="Your question").fill(LEAVE)
    page.keyboard.press("Enter")
    expect(page.locator("#box-error")).to_contain_text("no document can match")
    expect(page.get_by_role("textbox", name="Your question")).to_have_value(LEAVE)
    alice.complaints.clear()


def test_being_asked_back_is_answered_with_what_was_meant(visit: NewPerson) -> None:
    alice = visit()
    page = alice.ask("When is it replaced?")
    expect(page.locator(".clarify")).to_contain_text("What do you mean by “it”?")
    alice.ask("a laptop")
    expect(page.locator(".turn:last-of-type .plan, .turn:last-of-type .refusal")).to_contain_text(
        "When is a laptop replaced?"
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_has_no_fault_with_the_control_open(visit: NewPerson, dark: bool, width: int) -> None:
    alice = visit(dark=dark, width=width, height=844)
    page = alice.page
    narrow(page)
    page.get_by_role("checkbox", name="PDF").check()
    assert faults(page) == []
    page.keyboard.press("Escape")
    alice.ask("hello")
    assert faults(page) == []
    alice.ask(f"{LAPTOP} type:exe")
    expect(page.locator(".not-used")).to_contain_text(re.compile("was not used"))
    narrow(page)
    assert faults(page) == []
