"""A store in a SQL database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from ostiary import ports
from ostiary.stores.sql._accounts import Credentials, Identifiers, Users
from ostiary.stores.sql._feed import Documents, Feed
from ostiary.stores.sql._records import Challenges, Counters, Events, Keys, Verifiers
from ostiary.stores.sql._sessions import Sessions
from ostiary.stores.sql.link import Link
from ostiary.stores.sql.place import check, sqlite_path
from ostiary.stores.sql.sqlite import Sqlite


class SqlStore:
    """A `Store` in a SQLite file, shared by any number of processes of one machine.

    With `migrate`, `open` makes the schema or brings it up to date; without, it refuses one that is not. `patience` is
    how long a write waits for those before it, in this process and in others.
    """

    def __init__(self, url: str, *, migrate: bool = False, patience: timedelta = timedelta(seconds=5)) -> None:
        self._url = url
        self._migrate = migrate
        self._path = sqlite_path(url)
        self._database = Sqlite(self._path, patience=patience)

    async def open(self) -> None:
        """Connect, after a look at the place and at the version of the schema."""
        if self._migrate:
            await asyncio.to_thread(_upgrade, self._url)
        await asyncio.to_thread(check, self._path)
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
        """Begin a transaction that is serialised with all other writes. It is durable when the block has ended."""
        async with self._database.write() as link:
            yield SqlTransaction(link)

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after anybody has written, in this process or another, or `False` after `wait` seconds."""
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
