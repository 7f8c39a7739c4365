"""A real server on a data folder of its own, and a small client that signs in, asks and listens. Standard library only."""

import http.cookiejar
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "footnote-demo"


def manage(folder: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command on a data folder and return what it printed; raise when it fails."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**_environment(folder), **environment}, check=True, capture_output=True, text=True,
    )  # fmt: skip


def _environment(folder: str) -> dict[str, str]:
    environment = {**os.environ, "FOOTNOTE_DATA_DIR": folder}
    environment.pop("DATABASE_URL", None)
    return environment


@dataclass
class Server:
    """A serving process: where it listens, and how long it took until it answered, in seconds."""

    url: str
    process: subprocess.Popen[bytes]
    seconds_to_answer: float

    def resident_mib(self) -> dict[str, float]:
        """Return resident memory in MiB by process, what several share counted in equal parts (PSS on Linux)."""
        found: dict[str, float] = {}
        for pid, command in ((self.process.pid, "manage.py serve"), *children(self.process.pid).items()):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            pss = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
            name = next((part for part in ("forkserver", "index.process") if part in command), "web server")
            found[name] = found.get(name, 0.0) + (int(pss[1]) / 1024 if pss else 0.0)
        return found


def children(pid: int) -> dict[int, str]:
    """Return the processes under a process, with their command lines."""
    found: dict[int, str] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        found |= {int(child): line, **children(int(child))}
    return found


@contextmanager
def serving(folder: str, **environment: str) -> Iterator[Server]:
    """Serve a data folder until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        cwd=ROOT, env={**_environment(folder), **environment}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/sign-in/", timeout=2).read()
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - begun > 120:
                    raise SystemExit("The server did not start.") from None
                time.sleep(0.02)
        yield Server(url, process, time.perf_counter() - begun)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def data_folder() -> Iterator[str]:
    """Make a data folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        yield folder


@dataclass(frozen=True)
class Timed:
    """One question: milliseconds until the first event and until the answer was complete, and the answer."""

    first_event_ms: float
    complete_ms: float
    answer: dict[str, Any]  # Any: the API's JSON


class Person:
    """Somebody signed in to a server."""

    def __init__(self, server: Server, email: str) -> None:
        self.url = server.url
        self.cookies = http.cookiejar.CookieJar()
        self.open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies)).open
        page = self.open(f"{self.url}/sign-in/").read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, "The sign-in page holds no token."
        form = {"csrfmiddlewaretoken": token[1], "email": email, "password": PASSWORD}
        self.open(f"{self.url}/sign-in/", urllib.parse.urlencode(form).encode())

    def ask(self, text: str) -> Timed:
        """Ask over the API and listen to the stream until the answer is complete."""
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        begun = time.perf_counter()
        request = urllib.request.Request(
            f"{self.url}/api/questions/",
            json.dumps({"text": text}).encode(),
            {"Content-Type": "application/json", "X-CSRFToken": token or "", "Referer": self.url},
        )
        asked = json.load(self.open(request))
        question = asked["id"]
        first = complete = 0.0
        with self.open(f"{self.url}/questions/{question}/events") as stream:
            for line in stream:
                if line.startswith(b"event:"):
                    first = first or (time.perf_counter() - begun) * 1000
                    if line.strip().endswith(b"done"):
                        complete = (time.perf_counter() - begun) * 1000
                        break
        answer = json.load(self.open(f"{self.url}/api/questions/{question}/"))
        return Timed(first, complete, answer)
