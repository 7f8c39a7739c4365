"""Every address: closed to the anonymous, and to charlie unless it is listed here by name."""

import uuid

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests.world import World

# Open before sign-in: the door itself.
OPEN = {"accounts:sign_in"}
# Open to every signed-in person: their own things, or lists that hold only what they may see.
OWN = {
    "accounts:sign_out",
    "accounts:account",
    "assistant:ask",
    "assistant:conversations",
    "assistant:api_questions",
    "assistant:api_conversations",
    "assistant:api_schema",
}


def addresses() -> list[tuple[str, str]]:
    """Return (name, path) of every route, with made-up values for its parameters."""
    found: list[tuple[str, str]] = []

    def walk(patterns: list[URLPattern | URLResolver], prefix: str, namespace: str) -> None:
        for pattern in patterns:
            route = str(pattern.pattern) if isinstance(pattern.pattern, RoutePattern) else ""
            if isinstance(pattern, URLResolver):
                inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
                walk(list(pattern.url_patterns), prefix + route, inner)
            else:
                path = prefix + route
                for name, converter in pattern.pattern.converters.items():
                    kind = type(converter).__name__
                    value = (
                        str(uuid.UUID(int=7))
                        if kind == "UUIDConverter"
                        else "1"
                        if kind == "IntConverter"
                        else "x"
                    )
                    for written in (
                        f"<uuid:{name}>",
                        f"<int:{name}>",
                        f"<str:{name}>",
                        f"<slug:{name}>",
                        f"<path:{name}>",
                        f"<{name}>",
                    ):
                        path = path.replace(written, value)
                found.append((f"{namespace}{pattern.name}", f"/{path}"))

    walk(list(get_resolver().url_patterns), "", "")
    return found


def test_every_address_has_a_name() -> None:
    assert [path for name, path in addresses() if name.endswith("None")] == []


@pytest.mark.parametrize(("name", "path"), addresses(), ids=lambda value: str(value))
def test_the_anonymous_get_no_further_than_the_door(client: Client, db: None, name: str, path: str) -> None:
    if name in OPEN:
        return
    for method in (client.get, client.post):
        response = method(path)
        assert response.status_code in {302, 401, 403, 405}, f"{name} {path} answered {response.status_code}"
        if response.status_code == 302:
            assert response["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(("name", "path"), addresses(), ids=lambda value: str(value))
def test_charlie_finds_nothing_behind_addresses_that_are_not_his(
    world: World, client: Client, name: str, path: str
) -> None:
    if name in OPEN | OWN:
        return
    client.force_login(world.charlie)
    for method in (client.get, client.post):
        response = method(path)
        assert response.status_code in {404, 405}, f"{name} {path} answered {response.status_code}"
