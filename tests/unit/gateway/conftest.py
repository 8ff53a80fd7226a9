"""Whoever asks for endpoints again and again."""

import pytest
from tests.unit.gateway.express_scene import Connection, Scene, message, routed


@pytest.fixture
def scene() -> Scene:
    """Someone has invoked an endpoint already, and once with the head of `message`."""
    made = Scene()
    made.express.learn(routed())
    assert not made.take(Connection(), message())
    return made
