"""A store in a SQL database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Final, Protocol

from ostiary import ports
from ostiary.stores.sql._accounts import Credentials, Identifiers, Users
from ostiary.stores.sql._feed import Documents, Feed
from ostiary.stores.sql._records import Challenges, Counters, Events, Keys, Verifiers
from ostiary.stores.sql._sessions import Sessions
from ostiary.stores.sql.link import Link
from ostiary.stores.sql.place import is_postgres, postgres_url, sqlite_path
from ostiary.stores.sql.sqlite import Sqlite

CONNECTIONS: Final = 10
"""The most connections of one process to a PostgreSQL server, beside the one that listens."""


class Database(Protocol):
    """The connections of this process to one database."""

    async def revision(self) -> str | None:
        """Return the revision of the schema, `None` when there is none yet."""
        ...

    async def open(self) -> None:
        """Connect, if the schema is the one that this version knows."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    def read(self) -> AbstractAsyncContextManager[Link]:
        """Begin a transaction that changes nothing."""
        ...

    def write(self) -> AbstractAsyncContextManager[Link]:
        """Begin a transaction that is durable when the block has ended."""
        ...

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after the feed has grown, or `False` after `wait` seconds."""
        ...


class SqlStore:
    """A `Store` in a SQLite file, shared by the processes of one machine, or in PostgreSQL, shared by all machines.

    With `migrate`, `open` makes the schema or brings it up to date; without, it refuses one that is not. `patience` is
    how long anybody waits for those before them, in this process and in others.
    """

    def __init__(
        self,
        url: str,
        *,
        migrate: bool = False,
        patience: timedelta = timedelta(seconds=5),
        connections: int = CONNECTIONS,
    ) -> None:
        self._url = url
        self._migrate = migrate
        self._database: Database
        if is_postgres(url):
            from ostiary.stores.sql.postgres import Postgres  # noqa: PLC0415 - its driver is an extra

            self._database = Postgres(postgres_url(url), connections=connections, patience=patience)
        else:
            self._database = Sqlite(sqlite_path(url), patience=patience)

    async def revision(self) -> str | None:
        """Return the revision of the schema, `None` when there is none yet.

        Raises:
            Misconfigured, Unavailable: the database cannot be used, or not now.
        """
        return await self._database.revision()

    async def open(self) -> None:
        """Connect, after a look at the place and at the version of the schema."""
        if self._migrate:
            await asyncio.to_thread(_upgrade, self._url)
        await self._database.open()

    async def close(self) -> None:
        """Let go of everything."""
        await self._database.close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator["SqlTransaction"]:
        """Begin a transaction that sees one consistent state and changes nothing."""
        async with self._database.read() as link:
            yield SqlTransaction(link)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator["SqlTransaction"]:
        """Begin a transaction that does all or nothing. It is durable when the block has ended."""
        async with self._database.write() as link:
            yield SqlTransaction(link)

    @asynccontextmanager
    async def counting(self) -> AsyncGenerator[ports.Counters]:
        """Begin a write of counters alone."""
        async with self.write() as tx:
            yield tx.counters

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after anybody has appended to the feed, or `False` after `wait` seconds."""
        return await self._database.changed(wait=wait)


class SqlTransaction:
    """All tables, in one transaction."""

    def __init__(self, link: Link) -> None:
        self.users: ports.Users = Users(link)
        self.identifiers: ports.Identifiers = Identifiers(link)
        self.credentials: ports.Credentials = Credentials(link)
        self.sessions: ports.Sessions = Sessions(link)
        self.feed: ports.Feed = Feed(link)
        self.documents: ports.Documents = Documents(link)
        self.counters: ports.Counters = Counters(link)
        self.challenges: ports.Challenges = Challenges(link)
        self.keys: ports.Keys = Keys(link)
        self.verifiers: ports.Verifiers = Verifiers(link)
        self.events: ports.Events = Events(link)


def _upgrade(url: str) -> None:
    from ostiary.stores.sql.migrations import upgrade  # noqa: PLC0415 - Alembic loads only where a schema may change

    upgrade(url)
