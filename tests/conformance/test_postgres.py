"""The store in PostgreSQL keeps every promise of the ports. What only it has is tested in `tests/stores`."""

from collections.abc import AsyncIterator

import pytest

from ostiary.ports import Store
from ostiary.stores.sql import SqlStore
from tests.conformance import suites


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    """An empty store."""
    store = SqlStore(postgres_url)
    await store.open()
    yield store
    await store.close()


class TestUsers(suites.UsersSuite): ...


class TestIdentifiers(suites.IdentifiersSuite): ...


class TestCredentials(suites.CredentialsSuite): ...


class TestSessions(suites.SessionsSuite): ...


class TestFeed(suites.FeedSuite): ...


class TestDocuments(suites.DocumentsSuite): ...


class TestCounters(suites.CountersSuite): ...


class TestChallenges(suites.ChallengesSuite): ...


class TestOutbox(suites.OutboxSuite): ...


class TestVerifiers(suites.VerifiersSuite): ...


class TestKeys(suites.KeysSuite): ...


class TestEvents(suites.EventsSuite): ...


class TestTransactions(suites.TransactionsSuite): ...


class TestCancellation(suites.CancellationSuite): ...


class TestChanged(suites.ChangedSuite): ...


class TestValues(suites.ValuesSuite): ...
