"""`manage.py serve` as people use it: started, asked, told to stop, and killed in every part."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.server import PASSWORD, Person, Server, children
from tests.ingestion.test_index_process import eventually, is_running

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# Waiting for another process: generous, because it only matters when something is broken.
PATIENCE_SECONDS = 120.0

# A run as a killed server leaves it: running, with a heartbeat of just now.
LEFT_BEHIND = """
import sys, django; django.setup()
from django.core.management import call_command
from django.utils import timezone
call_command("migrate", verbosity=0)
from accounts.audit import By
from ingestion import actions
from ingestion.access import Rule
from ingestion.models import SyncRun
by = By.system("tests")
source = actions.connect_source(by=by, kind="folder", name="Shelf", path=sys.argv[1], rule=Rule.of({"everyone"}))
run = actions.request_sync(by=by, source=source)
SyncRun.objects.update(state="running", heartbeat_at=timezone.now(), started_at=timezone.now())
"""

SOMEBODY = f"""
import django; django.setup()
from accounts.models import User
somebody = User(email="somebody@example.org", name="Somebody")
somebody.set_password("{PASSWORD}")
somebody.save()
"""

HOW_IT_WENT = """
import django; django.setup()
from ingestion.models import Document, SyncRun
print(SyncRun.objects.get().state, Document.objects.filter(current_version__isnull=False).count())
"""


class Served:
    """A data folder with one document to sync, and the server on it."""

    def __init__(self, folder: Path) -> None:
        self.shelf = folder / "sources" / "shelf"
        self.shelf.mkdir(parents=True)
        (self.shelf / "access.yaml").write_text("allow: [everyone]\n")
        (self.shelf / "a.md").write_text("# Travel\n\nA hotel may cost 140 euros.")
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FOOTNOTE_DATA_DIR": str(folder),
            "FOOTNOTE_EMBEDDING_MODEL": "tests.fakes:HashingEmbedder",
            "CELERY_BROKER_URL": "memory://",
            "DATABASE_URL": "",
        }
        self.output = folder / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Python in this installation and return what it came to."""
        return subprocess.run(
            [sys.executable, *arguments], cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    def start(self) -> str:
        """Start the server on any free port and return its address once it says so."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "manage.py", "serve", "--port", "0"], cwd=REPOSITORY, env=self.environment,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        said = self.wait_for(r"running at (http://\S+)/")
        return said.group(1)

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Wait until the server has said something."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            found = re.search(pattern, self.output.read_text())
            if found:
                return found
            assert self.process is not None
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.1)
        raise AssertionError(self.output.read_text())

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """An installation to be served; its server is ended with the test."""
    installation = Served(tmp_path)
    yield installation
    if installation.process is not None and installation.process.poll() is None:
        installation.process.kill()
        installation.process.wait()


def get(address: str) -> int:
    """Return the status of a page."""
    with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
        return int(answer.status)


@pytest.mark.slow
def test_a_server_takes_up_what_a_killed_one_left_and_stops_when_told(served: Served) -> None:
    left = served.python("-c", LEFT_BEHIND, str(served.shelf))
    assert left.returncode == 0, left.stderr
    address = served.start()
    assert get(f"{address}/sign-in/") == 200

    second = served.python("manage.py", "serve", "--port", "0")
    assert second.returncode == 1
    assert served.process is not None
    assert f"already running on this data folder (process {served.process.pid})" in second.stderr
    assert served.python("manage.py", "check_index").returncode == 1

    # The worker in the server takes the run up at once, not when its heartbeat has grown old.
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (went := served.python("-c", HOW_IT_WENT).stdout) != "finished 1\n":
        assert time.monotonic() < give_up, went + served.output.read_text()
        time.sleep(0.3)

    assert served.stop(signal.SIGTERM) == 0
    said = served.output.read_text()
    assert "Footnote has stopped." in said
    assert "Traceback" not in said
    assert served.python("manage.py", "check_index").returncode == 0


@pytest.mark.slow
def test_a_killed_server_does_not_keep_the_next_from_starting(served: Served) -> None:
    served.start()
    served.stop(signal.SIGKILL)
    address = served.start()
    assert get(f"{address}/sign-in/") == 200
    assert served.stop(signal.SIGINT) == 0


@pytest.mark.slow
def test_a_port_in_use_is_a_sentence(served: Served) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = served.python("manage.py", "serve", "--port", port)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in done.stderr
    assert "Traceback" not in done.stderr


QUESTION = "How much may a hotel cost?"


@pytest.mark.slow
def test_questions_are_answered_whatever_part_of_the_server_is_killed(served: Served) -> None:
    assert served.python("-c", LEFT_BEHIND, str(served.shelf)).returncode == 0
    assert served.python("-c", SOMEBODY).returncode == 0
    address = served.start()
    eventually(lambda: served.python("-c", HOW_IT_WENT).stdout == "finished 1\n")
    assert served.process is not None
    person = Person(Server(address, served.process, 0.0), "somebody@example.org")

    def is_answered() -> bool:
        answer = person.ask(QUESTION).answer
        return bool(answer["state"] == "answered" and "140 euros" in str(answer))

    assert is_answered()
    parts = children(served.process.pid)
    (index,) = [pid for pid, line in parts.items() if "ingestion.index.process" in line]
    forked = [pid for pid, line in parts.items() if "forkserver" in line]
    server_of_forks = next(pid for pid in forked if set(forked) - {pid} <= set(children(pid)))
    answering = set(forked) - {server_of_forks}
    assert answering

    os.kill(index, signal.SIGKILL)
    assert is_answered()  # it waits for the next index process, which is there in a second or two
    for pid in answering:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in answering))
    assert is_answered()

    # Beside the server that is running, from the command line, through the same index.
    beside = served.python("manage.py", "ask", QUESTION, "--as", "somebody@example.org")
    assert beside.returncode == 0, beside.stderr
    assert "140 euros" in beside.stdout

    parts = children(served.process.pid)
    served.stop(signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in parts))
