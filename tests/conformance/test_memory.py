"""The store in memory keeps every promise of the ports but durability."""

from collections.abc import AsyncIterator

import pytest

from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.testing import conformance


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """An empty store."""
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


class TestUsers(conformance.UsersSuite): ...


class TestIdentifiers(conformance.IdentifiersSuite): ...


class TestCredentials(conformance.CredentialsSuite): ...


class TestSessions(conformance.SessionsSuite): ...


class TestFeed(conformance.FeedSuite): ...


class TestDocuments(conformance.DocumentsSuite): ...


class TestCounters(conformance.CountersSuite): ...


class TestChallenges(conformance.ChallengesSuite): ...


class TestOutbox(conformance.OutboxSuite): ...


class TestVerifiers(conformance.VerifiersSuite): ...


class TestKeys(conformance.KeysSuite): ...


class TestEvents(conformance.EventsSuite): ...


class TestTransactions(conformance.TransactionsSuite): ...


class TestCancellation(conformance.CancellationSuite): ...


class TestChanged(conformance.ChangedSuite): ...


class TestValues(conformance.ValuesSuite): ...
