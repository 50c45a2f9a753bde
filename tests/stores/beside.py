"""A store with Redis beside it."""

from ostiary.ports import Store
from ostiary.redis import Secrets
from ostiary.stores.memory import MemoryStore
from ostiary.stores.redis import RedisBeside
from ostiary.testing import FakeClock
from ostiary.testing.conformance.given import NOW


def beside(
    url: str, store: Store | None = None, *, secrets: Secrets = lambda: [b"k" * 32], prefix: str = "ostiary"
) -> RedisBeside:
    """Return a store with Redis beside it."""
    return RedisBeside(store or MemoryStore(), url, clock=FakeClock(NOW), secrets=secrets, prefix=prefix)
