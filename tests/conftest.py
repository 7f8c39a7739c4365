"""Fixtures every test may use."""

import pytest

from tests.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """The fixed world, in the database."""
    return make_world()
