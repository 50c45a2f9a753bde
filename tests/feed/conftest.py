"""An empty Redis for tests of the feed."""

import pytest

from tests.servers.redis import Redis


@pytest.fixture
def url(redis: Redis) -> str:
    """The URL of an empty Redis."""
    redis.flush()
    return redis.url()
