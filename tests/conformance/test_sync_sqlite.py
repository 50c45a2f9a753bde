"""The twin's store in a SQLite file keeps the promises of the ports.

Two suites are missing: nobody cancels a thread, and one thread alone listens for changes (see `tests/sync`).
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.stores.sql import sqlite_url
from ostiary.sync.stores.sql.store import SqlStore
from ostiary.testing import conformance
from tests.sync.adapter import StoreInThreads


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    """An empty store."""
    store = StoreInThreads(SqlStore(sqlite_url(tmp_path / "ostiary.db"), migrate=True))
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


class TestValues(conformance.ValuesSuite): ...
