"""The store in PostgreSQL keeps every promise of the ports. What only it has is tested in `tests/stores`."""

from collections.abc import AsyncIterator

import pytest

from ostiary.ports import Store
from ostiary.stores.sql import SqlStore
from ostiary.testing import conformance


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    """An empty store."""
    store = SqlStore(postgres_url)
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
