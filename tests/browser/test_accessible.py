"""No page of the Ask desk has a fault that axe-core knows of, in light and in dark."""

import re
from importlib.resources import files

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NewPerson

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()


def faults(page: Page) -> list[str]:
    """Return what axe-core finds: rule, why, and the element."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    return [
        f"{violation['id']}: {node['failureSummary']} {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_ask_desk_has_no_fault_axe_knows_of(visit: NewPerson, dark: bool) -> None:
    alice = visit(dark=dark)
    page = alice.page
    assert faults(page) == []
    alice.ask("How many days of annual leave does an employee have?")
    page.locator(".fn[data-note]").first.click()
    page.locator("#panel mark").first.wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="Not right").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    alice.ask("What is the airspeed velocity of an unladen swallow?")
    assert faults(page) == []
    footnote = page.locator("a.note").first.get_attribute("href") or ""
    page.get_by_role("link", name=re.compile("Rename or delete")).first.click()
    page.locator("#dialog h2").first.wait_for()
    assert faults(page) == []
    alice.open(footnote)
    assert faults(page) == []
    alice.open("/conversations/")
    assert faults(page) == []
    alice.open("/nothing/here/")
    alice.complaints.clear()
    assert faults(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_steps_page_and_the_phone_have_no_fault_either(visit: NewPerson, dark: bool) -> None:
    alice = visit(dark=dark, width=390, height=844)
    page = alice.ask("How many days of annual leave does an employee have?")
    assert faults(page) == []
    page.get_by_role("link", name="How this was answered").click()
    page.get_by_role("heading", name="How this was answered").wait_for()
    assert faults(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_evaluation_desk_has_no_fault_axe_knows_of(visit: NewPerson, dark: bool) -> None:
    adam = visit("adam", dark=dark, width=390, height=844)
    page = adam.page
    for path in ("/evaluation/", "/evaluation/questions/", "/evaluation/questions/import/"):
        adam.open(path)
        assert faults(page) == []
    adam.open("/evaluation/questions/new/")
    page.get_by_label("Find documents").press_sequentially("leave")
    page.get_by_text("Annual leave").first.wait_for()
    assert faults(page) == []
