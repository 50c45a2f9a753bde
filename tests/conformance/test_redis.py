"""Counters and challenges in Redis keep every promise of the ports, beside a store that keeps everything else."""

from collections.abc import AsyncIterator

import pytest

from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.stores.redis import RedisBeside
from ostiary.testing import FakeClock
from tests.conformance import suites
from tests.conformance.suites.given import NOW
from tests.servers.redis import Redis


@pytest.fixture
async def store(redis: Redis) -> AsyncIterator[Store]:
    """An empty store beside an empty Redis."""
    redis.flush()
    store = RedisBeside(MemoryStore(), redis.url(), clock=FakeClock(NOW), secrets=lambda: [b"k" * 32])
    await store.open()
    yield store
    await store.close()


class TestUsers(suites.UsersSuite): ...


class TestIdentifiers(suites.IdentifiersSuite): ...


class TestCredentials(suites.CredentialsSuite): ...


class TestSessions(suites.SessionsSuite): ...


class TestFeed(suites.FeedSuite): ...


class TestDocuments(suites.DocumentsSuite): ...


class TestCounters(suites.CountersBesideSuite): ...


class TestChallenges(suites.ChallengesBesideSuite): ...


class TestOutbox(suites.OutboxSuite): ...


class TestVerifiers(suites.VerifiersSuite): ...


class TestKeys(suites.KeysSuite): ...


class TestEvents(suites.EventsSuite): ...


class TestTransactions(suites.TransactionsBesideSuite): ...


class TestChanged(suites.ChangedSuite): ...


class TestValues(suites.ValuesSuite): ...
