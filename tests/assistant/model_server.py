"""An OpenAI-compatible server on loopback that says what a test tells it to. Real HTTP; only the model is scripted."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

Json = dict[str, Any]  # Any: JSON values
Reply = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One request, with the means to answer it."""

    server: "ModelServer"
    body: Json

    def do_POST(self) -> None:
        """Answer by the next reply of the script, the last one over and over."""
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script = self.server.script
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append(self.body)
            self.server.seen.append((self.path, dict(self.headers)))
        script[min(number, len(script) - 1)](self)

    def send(self, status: int, content: bytes, content_type: str = "application/json") -> None:
        """Send a whole response."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class ModelServer(ThreadingHTTPServer):
    """Keeps what it was asked. `script` are its replies in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.script: list[Reply] = []
        self.asked: list[Json] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def sent(self, number: int = 0) -> Json:
        """Return the data of a request, as the model is to read it."""
        content: str = self.asked[number]["messages"][1]["content"]
        data: Json = json.loads(content.removeprefix("<data>\n").removesuffix("\n</data>"))
        return data


@pytest.fixture
def model_server(settings: Settings) -> Iterator[ModelServer]:
    """A running server that the settings name as the language model's."""
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings.MODEL_URL, settings.MODEL_NAME = server.url, "tiny"
    settings.MODEL_API_KEY, settings.MODEL_SECONDS = "", 20
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


# --- What a script is made of -------------------------------------------------------------------------------------


def says(content: object) -> Reply:
    """Reply with a message: a text, or a value as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    return _message({"role": "assistant", "content": text})


def refuses() -> Reply:
    """Reply as servers do whose model declined a structured answer."""
    return _message({"role": "assistant", "content": None, "refusal": "I will not plan that."})


def _message(message: Json) -> Reply:
    completion = {
        "id": "1", "object": "chat.completion", "created": 1, "model": "tiny",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip
    return lambda asked: asked.send(200, json.dumps(completion).encode())


def fails(status: int) -> Reply:
    """Reply with an HTTP error."""
    return lambda asked: asked.send(status, b'{"error": {"message": "secret words of the server"}}')


def answers_with_a_page() -> Reply:
    """Reply with something that is no completion."""
    return lambda asked: asked.send(200, b"<html>Welcome</html>", "text/html")


def redirects(url: str) -> Reply:
    """Send the client elsewhere."""

    def reply(asked: Asked) -> None:
        asked.send_response(307)
        asked.send_header("Location", url)
        asked.send_header("Content-Length", "0")
        asked.end_headers()

    return reply


def hangs() -> Reply:
    """Say nothing until the server is closed."""

    def reply(asked: Asked) -> None:
        asked.server.closing.wait(60)

    return reply


def trickles() -> Reply:
    """Send a byte every moment, and never an end."""

    def reply(asked: Asked) -> None:
        asked.send_response(200)
        asked.send_header("Content-Type", "application/json")
        asked.send_header("Content-Length", "1000000")
        asked.end_headers()
        try:
            while not asked.server.closing.wait(0.05):
                asked.wfile.write(b" ")
        except OSError:  # the client went away, as it should
            return

    return reply


def plan_of(*searches: str | tuple[str, list[int]], standalone: str = "", clarification: str = "") -> Json:
    """Return a plan as a model writes it; a search is a text, or a text with what it comes after."""
    pairs = [search if isinstance(search, tuple) else (search, []) for search in searches]
    return {
        "standalone": standalone or (pairs[0][0] if pairs else "Which one?"),
        "searches": [{"text": text, "after": after} for text, after in pairs],
        "clarification": clarification,
    }
