"""A PostgreSQL to measure against, and the store on it, which counts what it is asked.

The server is the one that `OSTIARY_BENCH_POSTGRES` names, or a throwaway one of our own that syncs to the disk.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.sql.dml import UpdateBase

from ostiary.stores.sql.link import Link, Record, Statement
from ostiary.stores.sql.store import SqlStore, SqlTransaction
from tests.servers.postgres import Postgres

Connection: TypeAlias = "asyncpg.Connection[Any]"


@contextmanager
def server() -> Generator[str]:
    """Give the URL of a server, and stop it afterwards if it is our own."""
    named = os.environ.get("OSTIARY_BENCH_POSTGRES")
    if named:
        yield named
        return
    with Postgres(durable=True) as own:
        yield own.url()


@asynccontextmanager
async def database(url: str) -> AsyncGenerator[str]:
    """Make an empty database on a server, give its URL, and leave nothing behind."""
    name = f"ostiary_bench_{secrets.token_hex(4)}"
    connection: Connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            yield make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@dataclass
class Tally:
    """What was asked of a store since somebody last took this away."""

    writes: int = 0
    statements: int = 0
    """Everything sent to the database but BEGIN and COMMIT."""
    rows: int = 0
    """Rows inserted, updated or deleted."""


class CountingStore(SqlStore):
    """The real store, but that it counts, and that nobody hears of appends: who followed would ask meanwhile."""

    def __init__(self, url: str, *, connections: int) -> None:
        super().__init__(url, migrate=True, connections=connections)
        self.tally = Tally()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[SqlTransaction]:
        """Begin a transaction that sees one consistent state and changes nothing."""
        async with self._database.read() as link:
            yield SqlTransaction(_CountingLink(link, self.tally, writes=False))

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[SqlTransaction]:
        """Begin a transaction that does all or nothing. It is durable when the block has ended."""
        async with self._database.write() as link:
            yield SqlTransaction(_CountingLink(link, self.tally, writes=True))
        self.tally.writes += 1

    async def changed(self, *, wait: float) -> bool:
        """Wait, and hear nothing."""
        await asyncio.sleep(wait)
        return False


class _CountingLink:
    def __init__(self, link: Link, tally: Tally, *, writes: bool) -> None:
        self._link = link
        self._tally = tally
        self._writes = writes
        self._held: set[tuple[Statement, tuple[object, ...]]] = set()

    async def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        found = await self._link.rows(make, statement, **values)
        self._count(len(found) if isinstance(statement, UpdateBase) else 0)
        return found

    async def row(self, make: Callable[..., Record], statement: Statement, **values: object) -> Record | None:
        found = await self.rows(make, statement, **values)
        return found[0] if found else None

    async def count(self, statement: Statement, **values: object) -> int:
        changed = await self._link.count(statement, **values)
        self._count(changed)
        return changed

    async def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        await self._link.many(statement, values)
        self._count(len(values))

    async def each(
        self, make: Callable[..., Record], statement: Statement, values: Sequence[Mapping[str, object]]
    ) -> list[Record]:
        found = await self._link.each(make, statement, values)
        self._count(len(found) if isinstance(statement, UpdateBase) else 0)
        return found

    async def hold(self, statement: Statement, **values: object) -> None:
        await self._link.hold(statement, **values)
        key = statement, tuple(values.values())
        if self._writes and key not in self._held:  # what is held already is not sent again
            self._held.add(key)
            self._count(0)

    def announce(self) -> None:
        self._link.announce()  # it goes with the commit

    def _count(self, rows: int) -> None:
        self._tally.statements += 1
        self._tally.rows += rows
