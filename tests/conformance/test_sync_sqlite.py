"""The twin's store in a SQLite file keeps the promises of the ports.

Two suites are missing: nobody cancels a thread, and one thread alone listens for changes (see `tests/sync`).
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.stores.sql import sqlite_url
from ostiary.sync.stores.sql.store import SqlStore
from tests.conformance import suites
from tests.sync.adapter import StoreInThreads


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    """An empty store."""
    store = StoreInThreads(SqlStore(sqlite_url(tmp_path / "ostiary.db"), migrate=True))
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


class TestVerifiers(suites.VerifiersSuite): ...


class TestKeys(suites.KeysSuite): ...


class TestEvents(suites.EventsSuite): ...


class TestTransactions(suites.TransactionsSuite): ...


class TestValues(suites.ValuesSuite): ...
