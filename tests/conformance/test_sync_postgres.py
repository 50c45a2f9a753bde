"""The twin's store in PostgreSQL keeps the promises of the ports.

Two suites are missing: nobody cancels a thread, and one thread alone listens for changes (see `tests/sync`).
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ostiary.sync.stores.sql.store import SqlStore
from ostiary.testing import conformance
from tests.sync.adapter import StoreInThreads


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Any]:
    """An empty store."""
    store = StoreInThreads(SqlStore(postgres_url))
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


class TestVerifiers(conformance.VerifiersSuite): ...


class TestKeys(conformance.KeysSuite): ...


class TestEvents(conformance.EventsSuite): ...


class TestTransactions(conformance.TransactionsSuite): ...


class TestValues(conformance.ValuesSuite): ...
