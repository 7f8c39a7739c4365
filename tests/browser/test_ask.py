"""Journeys at the Ask desk, in a real browser against a real server with real documents."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewPerson

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LEAVE = "How many days of annual leave does an employee have?"
BUDGET = "How much is the travel budget for 2026?"
LAPTOP = "After how many years is a laptop replaced?"
NOWHERE = "What is the airspeed velocity of an unladen swallow?"

WATCH = """() => {
  window.seen = [];
  new MutationObserver(() => {
    for (const [name, selector] of Object.entries({
      question: "#pending .question, .turn .question", plan: "[data-plan] li", sentence: ".streaming .claim",
      answer: '.turn[data-state=answered] .claim',
    })) if (!window.seen.includes(name) && document.querySelector(selector)) window.seen.push(name);
  }).observe(document.body, { childList: true, subtree: true });
}"""

# What is read out to people who do not see the page: what comes to stand in an element made for it.
READ_OUT = """() => {
  window.readOut = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) if (target.matches?.(".unseen[role=status]")) window.readOut.push(target.textContent);
  }).observe(document.body, { childList: true, subtree: true });
}"""

REFRESH = (
    """() => htmx.ajax("GET", "/conversations/", { target: document.getElementById("conversations") })"""
)

# Highlighter is yellow: much red and green, clearly less blue. Paper and print have as much of each.
YELLOW = """const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const drawn = canvas.getContext("2d"); drawn.drawImage(image, 0, 0);
  const data = drawn.getImageData(0, 0, canvas.width, canvas.height).data;
  const lit = [];
  for (let at = 0; at < data.length; at += 4) if (data[at] - data[at + 2] > 60) lit.push(at / 4);"""
COUNT_LIT = f"(image) => {{ {YELLOW} return [image.naturalWidth, lit.length]; }}"
WHERE_LIT = f"""(image) => {{ {YELLOW}
  return [lit[0], lit[lit.length - 1]].map((at) => Math.floor(at / canvas.width) / canvas.height); }}"""


def footnotes(page: Page) -> Locator:
    return page.locator(".turn:last-of-type .fn[data-note]")


def test_asking_streams_an_answer_whose_footnote_lights_the_words(visit: NewPerson) -> None:
    alice = visit()
    page = alice.page
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    page.evaluate(WATCH)
    alice.ask(LEAVE)
    expect(page).to_have_url(re.compile(r"/conversations/[0-9a-f-]{36}/$"))
    expect(page).to_have_title(re.compile("annual leave"))
    seen = page.evaluate("window.seen")
    assert seen[0] == "question"
    assert {"plan", "answer"} <= set(seen)
    claim = page.locator(".claim").first
    expect(claim).to_contain_text("28 days of annual leave")
    expect(page.locator(".receipt")).to_contain_text("quoted word for word")

    footnotes(page).first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("28 days of annual leave")
    footnotes(page).first.click()
    panel = page.get_by_role("complementary", name=re.compile("Evidence for footnote 1"))
    expect(panel.locator("mark").first).to_be_visible()
    lit = " ".join(panel.locator("mark").all_text_contents())
    assert "28 days of annual leave" in lit
    expect(panel).to_contain_text("Why you may read this")
    expect(panel).to_contain_text("Shared with everyone who can sign in")
    expect(footnotes(page).first).to_have_attribute("aria-current", "true")


def test_a_footnote_into_a_pdf_shows_the_picture_of_its_page(visit: NewPerson) -> None:
    alice = visit()
    page = alice.ask(LAPTOP)
    footnotes(page).first.click()
    image = page.locator("#panel .page-image img")
    expect(image).to_be_visible()
    expect(image).to_have_js_property("complete", True)
    width, lit = image.evaluate(COUNT_LIT)
    assert width > 300
    assert lit > 200


def test_the_light_on_a_page_lies_on_the_cited_words(visit: NewPerson) -> None:
    alice = visit()
    page = alice.ask(LAPTOP)
    footnotes(page).first.click()
    image = page.locator("#panel .page-image img")
    expect(image).to_have_js_property("complete", True)
    # The sentence stands in the line 700 points above the foot of an A4 page of 842: about a sixth from its top.
    top, bottom = image.evaluate(WHERE_LIT)
    assert 0.14 < top < bottom < 0.2


def test_a_refusal_says_what_was_looked_for_and_claims_nothing(visit: NewPerson) -> None:
    page = visit().ask(NOWHERE)
    expect(page.get_by_role("heading", name="No answer found")).to_be_visible()
    expect(page.locator(".refusal")).to_contain_text("Looked for")
    expect(page.locator(".claim")).to_have_count(0)


def test_the_same_question_finds_nothing_for_somebody_without_the_grant(visit: NewPerson) -> None:
    expect(visit("alice").ask(BUDGET).locator(".claim").first).to_contain_text("40,000 euros")
    charlie = visit("charlie")
    page = charlie.ask(BUDGET)
    assert "40,000" not in page.content()
    assert "finance" not in page.locator("main").inner_text().lower()


def test_a_revoked_answer_loses_its_words_and_its_evidence_at_once(visit: NewPerson) -> None:
    bob = visit("bob")
    page = bob.ask(BUDGET)
    expect(page.locator(".claim").first).to_contain_text("40,000 euros")
    bob.server.furnish("revoke", "bob@example.org")
    try:
        footnotes(page).first.click()
        expect(page.locator("#problem")).to_contain_text("no longer available to you")
        expect(page.locator("#panel mark")).to_have_count(0)
        # The one complaint there may be: the browser's own line about the 404.
        assert [c for c in bob.complaints if "404" not in c] == []
        bob.complaints.clear()
        page.reload()
        expect(page.locator(".claim").first).to_have_text("A sentence here is no longer available to you.")
        assert "40,000" not in page.content()
    finally:
        bob.server.furnish("grant", "bob@example.org")


def test_a_follow_up_joins_the_conversation_below(visit: NewPerson) -> None:
    alice = visit()
    page = alice.ask(LEAVE)
    alice.ask("And how many days can be carried over?")
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn").nth(1).locator(".claim").first).to_contain_text("five days")
    expect(page.get_by_label("Ask a follow-up")).to_have_value("")
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)


def test_suggested_questions_ask_themselves(visit: NewPerson) -> None:
    page = visit().page
    page.locator(".suggested button").first.click()
    expect(page.locator('.turn:not([data-state="running"]):not(#pending)')).to_have_count(1)


def test_a_question_that_is_too_long_stays_in_the_box(visit: NewPerson) -> None:
    alice = visit()
    page = alice.page
    text = "word " * 1000
    page.get_by_label("Your question").fill(text)
    expect(page.locator(".box .count")).to_contain_text("of 4000 characters")
    page.keyboard.press("Enter")
    expect(page.locator("#box-error")).to_be_visible()
    expect(page.locator("#text")).to_have_value(re.compile(r"^word word"))
    assert [c for c in alice.complaints if "422" not in c] == []
    alice.complaints.clear()


def test_the_keyboard_reaches_everything(visit: NewPerson) -> None:
    alice = visit()
    page = alice.ask(LEAVE)
    page.locator("body").press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    expect(footnotes(page).first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel mark").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_empty()
    expect(footnotes(page).first).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()


def test_copying_takes_the_footnotes_along(visit: NewPerson) -> None:
    page = visit().ask(LEAVE)
    page.get_by_role("button", name="Copy with footnotes").click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert "28 days of annual leave" in text
    assert re.search(r"\[1\] Annual leave \(Handbook", text)


def test_what_an_answer_does_not_speak_of_is_said_first_read_out_and_copied(visit: NewPerson) -> None:
    page = visit().open("/")
    page.evaluate(READ_OUT)
    page.get_by_role("textbox", name="question").fill("Who insures a laptop?")
    page.keyboard.press("Enter")
    caution = page.locator(".verdict")
    expect(caution).to_have_text(re.compile(r"Footnotes? 1.* nearest, but do.* not speak of “insures”\."))
    said, quoted = caution.bounding_box(), page.locator(".claim").first.bounding_box()
    assert said
    assert quoted
    assert said["y"] < quoted["y"]
    page.wait_for_function("window.readOut.some((words) => words.includes('do not speak of “insures”'))")
    page.get_by_role("button", name="Copy with footnotes").click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    assert "do not speak of “insures”" in page.evaluate("navigator.clipboard.readText()")


def test_what_comes_nearest_to_a_refused_question_leads_to_where_it_stands(visit: NewPerson) -> None:
    page = visit().open("/")
    page.get_by_role("textbox", name="question").fill("When is a broken laptop replaced in Norway?")
    page.keyboard.press("Enter")
    near = page.locator(".refusal .nearest > li", has_text="A broken laptop is replaced")
    expect(near).to_have_count(1)
    near.get_by_role("link", name="laptop").click()
    expect(page).to_have_url(re.compile(r"/documents/[\w-]+/\?quote=\d+-\d+#quote$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("laptop", re.IGNORECASE))


def test_feedback_with_a_reason_is_kept(visit: NewPerson) -> None:
    page = visit().ask(LEAVE)
    page.get_by_role("button", name="Not right").click()
    dialog = page.get_by_role("dialog", name="What is not right?")
    dialog.get_by_label("It is out of date").check()
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator(".toast")).to_contain_text("Thank you")
    page.reload()
    expect(page.get_by_role("button", name="Not right")).to_have_attribute("aria-pressed", "true")


def test_conversations_are_searched_renamed_and_deleted(visit: NewPerson) -> None:
    page = visit("dana").ask(LEAVE)
    page.get_by_role("link", name=re.compile("Rename or delete")).first.click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Name of the conversation").fill("Days off")
    dialog.get_by_role("button", name="Rename").click()
    expect(page).to_have_title(re.compile("Days off"))
    search = page.get_by_role("searchbox", name="Search conversations")
    search.fill("zebra")
    expect(page.locator("#conversations")).to_contain_text("No conversation of yours mentions “zebra”")
    search.fill("days OFF")
    expect(page.locator("#conversations .talk")).to_have_count(1)
    page.get_by_role("link", name="Rename or delete: Days off").click()
    dialog.locator("summary").click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.locator(".messages")).to_contain_text("“Days off” was deleted")
    expect(page.locator("#conversations .talk")).to_have_count(0)


def test_a_list_that_was_just_refreshed_can_be_clicked_at_once(visit: NewPerson) -> None:
    page = visit().ask(LEAVE)
    # The list is refreshed when an answer ends. The click comes with the new list, in the same moment.
    page.evaluate(
        """() => new Promise((done) => {
          const list = document.getElementById("conversations");
          list.replaceChildren();
          new MutationObserver((_, watching) => {
            const link = list.querySelector("[data-opens-dialog]");
            if (!link) return;
            watching.disconnect();
            link.click();
            done();
          }).observe(list, { childList: true });
          htmx.ajax("GET", "/conversations/", { target: list });
        })"""
    )
    expect(page.get_by_role("dialog").get_by_label("Name of the conversation")).to_be_visible()


def test_a_list_that_changes_while_it_is_pressed_does_not_lose_the_click(visit: NewPerson) -> None:
    page = visit().ask(LEAVE)
    page.reload()  # after an answer the list refreshes itself; here it changes when the test says so
    page.locator("#conversations a.clip").first.evaluate("(link) => { link.textContent = 'An older name'; }")
    link = page.get_by_role("link", name=re.compile("Rename or delete")).first
    link.hover()
    page.mouse.down()
    # The list on the page is not the server's any more, so this would replace it under the pointer.
    page.evaluate(REFRESH)
    expect(page.locator("#conversations")).to_contain_text("An older name")
    page.mouse.up()
    expect(page.get_by_role("dialog").get_by_label("Name of the conversation")).to_be_visible()
    expect(page.locator("#conversations")).not_to_contain_text("An older name")


def test_a_list_that_changes_leaves_the_focus_where_it_was(visit: NewPerson) -> None:
    page = visit().ask(LEAVE)
    page.reload()  # after an answer the list refreshes itself; here it changes when the test says so
    link = page.get_by_role("link", name=re.compile("Rename or delete")).first
    link.focus()
    page.evaluate(REFRESH)
    expect(link).to_be_focused()
    page.locator("#conversations a.clip").first.evaluate("(link) => { link.textContent = 'An older name'; }")
    page.evaluate(REFRESH)
    expect(page.locator("#conversations")).not_to_contain_text("An older name")
    expect(link).to_be_focused()


def test_an_ended_session_keeps_the_question_and_leads_back_to_it(visit: NewPerson) -> None:
    adam = visit("adam")
    page = adam.ask(LEAVE)
    adam.server.furnish("end-sessions", "adam@example.org")
    footnotes(page).first.click()
    page.wait_for_url(re.compile(r"/sign-in/\?next=%2Fconversations%2F"))


def test_a_session_that_ends_while_an_answer_streams_keeps_the_question(visit: NewPerson) -> None:
    alice = visit()
    page = alice.page
    ended = {"status": 401, "json": {"detail": "Your session has ended. Sign in again."}}
    page.route("**/questions/*/events", lambda route: route.fulfill(**ended))
    page.get_by_label("Your question").fill(LEAVE)
    page.keyboard.press("Enter")
    notice = page.locator(".turn .notice")
    expect(notice).to_contain_text("Your session has ended. Sign in again; your question is kept.")
    expect(page.locator(".turn .question")).to_have_text(LEAVE)
    expect(notice.get_by_role("link", name="Sign in")).to_have_attribute(
        "href", re.compile("next=%2Fconversations%2F")
    )
    alice.complaints.clear()


def test_offline_is_said_and_what_was_typed_stays(visit: NewPerson) -> None:
    alice = visit()
    page = alice.page
    alice.context.set_offline(True)
    expect(page.locator("#problem")).to_contain_text("You are offline")
    page.get_by_label("Your question").fill(LEAVE)
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_have_value(LEAVE)
    expect(page.locator("#pending")).to_have_count(0)
    alice.context.set_offline(False)
    expect(page.locator("#problem")).to_be_hidden()
    alice.complaints.clear()
    alice.ask(LEAVE)
    expect(page.locator(".claim").first).to_be_visible()


def test_everything_works_without_script(visit: NewPerson) -> None:
    alice = visit(script=False)
    page = alice.page
    page.get_by_label("Your question").fill(LEAVE)
    page.get_by_role("button", name="Ask", exact=True).click()
    # The page reloads by itself until the answer is there.
    claim = page.locator(".claim").first
    expect(claim).to_contain_text("28 days of annual leave", timeout=30_000)
    footnotes(page).first.click()
    expect(page).to_have_url(re.compile(r"/answers/[0-9a-f-]{36}/footnotes/1/$"))
    assert "28 days of annual leave" in " ".join(page.locator("mark").all_text_contents())
    page.get_by_role("link", name="Back to the answer").click()
    page.get_by_role("link", name="How this was answered").click()
    expect(page.get_by_role("heading", name="How this was answered")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Good answer").click()
    expect(page.locator(".messages")).to_contain_text("Thank you")
    page.get_by_label("Ask a follow-up").fill("And how many days can be carried over?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".turn").nth(1).locator(".claim").first).to_contain_text("five days", timeout=30_000)


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: NewPerson) -> None:
    alice = visit(width=360, height=740)
    page = alice.page
    assert overflow(page) == 0
    alice.ask(LEAVE)
    assert overflow(page) == 0
    page.get_by_role("button", name="Conversations").click()
    expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()
    page.keyboard.press("Escape")
    footnotes(page).first.click()
    expect(page.locator("#panel mark").first).to_be_visible()
    assert overflow(page) == 0
    page.get_by_role("button", name="Close the evidence").click()
    expect(page.locator("#panel")).to_be_empty()


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
