"""Counters and challenges in Redis keep every promise of the ports, beside a store that keeps everything else."""

from collections.abc import AsyncIterator

import pytest

from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.stores.redis import RedisBeside
from ostiary.testing import FakeClock, conformance
from ostiary.testing.conformance.given import NOW
from tests.servers.redis import Redis


@pytest.fixture
async def store(redis: Redis) -> AsyncIterator[Store]:
    """An empty store beside an empty Redis."""
    redis.flush()
    store = RedisBeside(MemoryStore(), redis.url(), clock=FakeClock(NOW), secrets=lambda: [b"k" * 32])
    await store.open()
    yield store
    await store.close()


class TestUsers(conformance.UsersSuite): ...


class TestIdentifiers(conformance.IdentifiersSuite): ...


class TestCredentials(conformance.CredentialsSuite): ...


class TestSessions(conformance.SessionsSuite): ...


class TestFeed(conformance.FeedSuite): ...


class TestDocuments(conformance.DocumentsSuite): ...


class TestCounters(conformance.CountersBesideSuite): ...


class TestChallenges(conformance.ChallengesBesideSuite): ...


class TestOutbox(conformance.OutboxSuite): ...


class TestVerifiers(conformance.VerifiersSuite): ...


class TestKeys(conformance.KeysSuite): ...


class TestEvents(conformance.EventsSuite): ...


class TestTransactions(conformance.TransactionsBesideSuite): ...


class TestChanged(conformance.ChangedSuite): ...


class TestValues(conformance.ValuesSuite): ...
