"""The twin's counters and challenges in Redis keep the promises of the ports."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.stores.sql import sqlite_url
from ostiary.sync.stores.redis import RedisBeside
from ostiary.sync.stores.sql.store import SqlStore
from ostiary.testing import FakeClock, conformance
from ostiary.testing.conformance.given import NOW
from tests.servers.redis import Redis
from tests.sync.adapter import StoreInThreads


@pytest.fixture
async def store(redis: Redis, tmp_path: Path) -> AsyncIterator[Any]:
    """An empty store beside an empty Redis."""
    redis.flush()
    kept = SqlStore(sqlite_url(tmp_path / "ostiary.db"), migrate=True)
    store = StoreInThreads(RedisBeside(kept, redis.url(), clock=FakeClock(NOW), secrets=lambda: [b"k" * 32]))
    await store.open()
    yield store
    await store.close()


class TestCounters(conformance.CountersBesideSuite): ...


class TestChallenges(conformance.ChallengesBesideSuite): ...


class TestTransactions(conformance.TransactionsBesideSuite): ...


class TestValues(conformance.ValuesSuite): ...
