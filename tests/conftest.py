"""Fixtures every test may use."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import settings

from accounts.triggers import all_lifted
from tests.world import World, make_world

# How long an example takes depends on the machine and on what else it does; it says nothing about the product.
settings.register_profile("footnote", deadline=None)
settings.load_profile("footnote")


@pytest.fixture(scope="session", autouse=True)
def records_may_be_emptied_between_tests() -> Iterator[None]:
    """Lift the append-only triggers while a transactional test's tables are flushed, and only then."""
    # Any: the stubs do not know this method, which is Django's own place to undo fixtures.
    case_class: Any = TransactionTestCase
    teardown = case_class._fixture_teardown

    def lifted_teardown(case: TransactionTestCase) -> None:
        with all_lifted(connection):
            teardown(case)

    case_class._fixture_teardown = lifted_teardown
    yield
    case_class._fixture_teardown = teardown


@pytest.fixture
def world(db: None) -> World:
    """The fixed world, in the database."""
    return make_world()
