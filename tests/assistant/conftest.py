"""What several tests of answers begin with."""

import pytest
from django.test import Client

from tests.world import World


@pytest.fixture
def alice(world: World, client: Client) -> Client:
    client.force_login(world.alice)
    return client
