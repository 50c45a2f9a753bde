from collections.abc import AsyncGenerator, Iterator

import pytest

from ostiary.methods.argon2 import Hasher
from ostiary.methods.password import Password
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST
from tests.methods.town import Town


@pytest.fixture
async def town() -> AsyncGenerator[Town]:
    """An empty town."""
    store = MemoryStore()
    await store.open()
    yield Town(store)
    await store.close()


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    """A hasher whose hashes cost nothing."""
    hasher = Hasher(CHEAPEST.password, threads=1)
    yield hasher
    hasher.close()


@pytest.fixture
def method(hasher: Hasher) -> Password:
    """The password method of the service `Acme Shop`, with that hasher."""
    return Password(CHEAPEST.password, hasher=hasher, service="Acme Shop")
