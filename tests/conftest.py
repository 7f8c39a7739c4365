"""Fixtures every test may use."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import TransactionTestCase

from accounts.triggers import all_lifted
from tests.world import World, make_world


@pytest.fixture(scope="session", autouse=True)
def records_may_be_emptied_between_tests() -> Iterator[None]:
    """Lift the append-only triggers while a transactional test's tables are flushed, and only then."""
    teardown = TransactionTestCase._fixture_teardown

    def lifted_teardown(case: TransactionTestCase) -> None:
        with all_lifted(connection):
            teardown(case)

    TransactionTestCase._fixture_teardown = lifted_teardown  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = teardown  # type: ignore[method-assign]


@pytest.fixture
def world(db: None) -> World:
    """The fixed world, in the database."""
    return make_world()
