"""A real server on a free port with data of its own, and a real Chromium that drives it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.browser.furnish import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 240
# Generous, because nothing here is about speed: the first question also waits for the embedding model to be loaded.
ANSWER_MILLISECONDS = 90_000
expect.set_options(timeout=20_000)


@dataclass
class Server:
    """A running server: its address and how to change things behind its back."""

    url: str
    environment: dict[str, str]

    def furnish(self, *what: str) -> None:
        """Run the furnishing script against this server's data."""
        run_furnish(self.environment, *what)


@dataclass
class Person:
    """Somebody at a browser: a page, and everything the console complained about."""

    server: Server
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to an address of the server."""
        self.page.goto(self.server.url + path)
        return self.page

    def ask(self, text: str) -> Page:
        """Type a question into the box, send it with Enter, and wait for its answer."""
        page = self.page
        before = page.locator(".turn:not(#pending)").count()
        page.get_by_role("textbox", name=re.compile("question|follow-up")).fill(text)
        page.keyboard.press("Enter")
        page.locator(".turn:not(#pending)").nth(before).wait_for()
        page.locator('.turn:last-of-type[data-state="running"]').wait_for(
            state="detached", timeout=ANSWER_MILLISECONDS
        )
        return page


def run_furnish(environment: dict[str, str], *what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.furnish", *what],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=START_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def chromium() -> str:
    """Return the browser's path. Where browsers must run (FOOTNOTE_REQUIRE_BROWSER) a missing one is a failure."""
    found = (
        os.environ.get("FOOTNOTE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if found:
        return found
    sentence = "There is no chromium on this machine; install it or name one in FOOTNOTE_CHROMIUM."
    if os.environ.get("FOOTNOTE_REQUIRE_BROWSER"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    chromium()
    with tempfile.TemporaryDirectory(prefix="footnote-browser-") as folder:
        # Always on SQLite: what the browser sees does not depend on the database, and the server is thrown away.
        kept = {
            k: v
            for k, v in os.environ.items()
            if k not in {"DATABASE_URL", "QDRANT_URL", "CELERY_BROKER_URL"}
        }
        environment = kept | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FOOTNOTE_DATA_DIR": str(Path(folder) / "data"),
            "FOOTNOTE_SOURCE_ROOTS": str(Path(folder) / "sources"),
            "PYTHONUNBUFFERED": "1",
        }
        run_furnish(environment, "furnish")
        log = Path(folder) / "server.log"
        with log.open("w") as written:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", "0"],
                cwd=ROOT, env=environment, stdout=written, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield Server(f"http://127.0.0.1:{_port(process, log)}", environment)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port the server says it listens on, once it does."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        said = re.search(r"running at http://[^/\s]*:(\d+)/", log.read_text())
        if said:
            return int(said[1])
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"The server did not start in {START_SECONDS} s.\n{log.read_text()}")


# One module each, not one session: while Playwright runs, its event loop keeps other tests from the database.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


NewPerson = Callable[..., Person]


@pytest.fixture
def visit(server: Server, browser: Browser) -> Iterator[NewPerson]:
    """Return a function that opens a browser for somebody: signed in as `name`, or not at all for an empty name.

    Whatever a console says at the level of an error fails the test at its end, unless the test has looked at it.
    """
    people: list[Person] = []

    def arrive(
        name: str = "alice",
        *,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        script: bool = True,
    ) -> Person:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(20_000)
        page = context.new_page()
        person = Person(server, context, page)

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                person.complaints.append(f"{page.url}: {message.text}")

        def note_error(error: Error) -> None:
            person.complaints.append(f"{page.url}: {error}")

        page.on("console", note)
        page.on("pageerror", note_error)
        people.append(person)
        if name:
            sign_in(person, name)
        return person

    yield arrive
    complaints = [complaint for person in people for complaint in person.complaints]
    for person in people:
        person.context.close()
    assert complaints == []


def sign_in(person: Person, name: str) -> None:
    """Fill in the sign-in form and arrive on the front page."""
    page = person.open("/sign-in/")
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(person.server.url + "/")
