"""PostgreSQL: a pool of connections, and one more that listens.

A write holds the user that it is about (see `Link.hold`), so writes of one user come one after the other, as do those
that append to the feed; all others go beside each other. Isolation is READ COMMITTED: a statement after a `hold` sees
what the one who held before has done. A read sees one moment of it all (REPEATABLE READ).

A connection is taken at the first statement, so a transaction that asks for nothing costs nothing. What one statement
can ask needs no transaction at all: see `Postgres.ask`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

import asyncpg
from sqlalchemy.engine import URL
from sqlalchemy.sql.selectable import SelectBase

from ostiary.errors import Unavailable
from ostiary.stores.sql import server
from ostiary.stores.sql.commit import decided
from ostiary.stores.sql.link import Compiled, Record, Statement, compiled
from ostiary.stores.sql.place import named
from ostiary.stores.sql.pool import Connection, Opening, answering, give_up
from ostiary.stores.sql.schema import see_version
from ostiary.stores.sql.terms import CHANNEL, GIVEN_UP, POSTGRESQL, READ, WRITE, can_be_sent

Result = TypeVar("Result")


class PostgresLink:
    """A transaction on a connection."""

    def __init__(self, opening: Opening, *, writes: bool) -> None:
        self._opening = opening
        self._writes = writes
        self._connection: Connection | None = None
        self._held: set[tuple[Statement, tuple[object, ...]]] = set()
        self._announced = False
        self._over = False
        self._failed = False
        self._unanswered = False

    async def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        """Run a statement and return what `make` makes of each row."""
        prepared = self._prepared(statement)
        arguments = prepared.arguments(values)
        if not can_be_sent(arguments, keeps=prepared.keeps):
            return []
        found = await self._run(lambda connection: connection.fetch(prepared.text, *arguments))
        return [make(**prepared.row(each)) for each in found]

    async def row(
        self, make: Callable[..., Record], statement: Statement, *, held: Statement | None = None, **values: object
    ) -> Record | None:
        """Run a statement and return what `make` makes of the one row it finds, or `None`."""
        found = await self.rows(make, statement if held is None or not self._writes else held, **values)
        return found[0] if found else None

    async def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        prepared = self._prepared(statement)
        arguments = prepared.arguments(values)
        if not can_be_sent(arguments, keeps=prepared.keeps):
            return 0
        status: str = await self._run(lambda connection: connection.execute(prepared.text, *arguments))
        return int(status.rpartition(" ")[2])

    async def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values, all of them on one way to the server and back."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        if arguments and all(can_be_sent(each, keeps=prepared.keeps) for each in arguments):
            await self._run(lambda connection: connection.executemany(prepared.text, arguments))

    async def each(
        self, make: Callable[..., Record], statement: Statement, values: Sequence[Mapping[str, object]]
    ) -> list[Record]:
        """Run a statement once for each set of values, and return what `make` makes of all rows that they find."""
        prepared = self._prepared(statement)
        asked = [prepared.arguments(each) for each in values]
        arguments = [each for each in asked if can_be_sent(each, keeps=prepared.keeps)]
        if not arguments:
            return []
        found = await self._run(lambda connection: connection.fetchmany(prepared.text, arguments))
        return [make(**prepared.row(each)) for each in found]

    async def hold(self, statement: Statement, **values: object) -> None:
        """Hold the rows that a statement finds until this transaction ends. Once is enough."""
        key = statement, tuple(values.values())
        if self._writes and key not in self._held:
            prepared = self._prepared(statement)
            arguments = prepared.arguments(values)
            if can_be_sent(arguments, keeps=False):
                await self._run(lambda connection: connection.execute(prepared.text, *arguments))
            self._held.add(key)

    def announce(self) -> None:
        """Wake everybody who listens, once this transaction is durable."""
        self._announced = True

    async def commit(self) -> None:
        """Make everything durable. Who is cancelled meanwhile leaves only when that is decided."""
        self._over = True
        connection = self._connection
        if connection is None:
            return
        if self._failed:
            raise Unavailable(GIVEN_UP)
        words = f"NOTIFY {CHANNEL}; COMMIT" if self._announced else "COMMIT"
        self._unanswered = True
        with answering():
            status = await decided(connection.execute(words))
        if status != "COMMIT":
            raise Unavailable(GIVEN_UP)
        self._connection = None
        self._opening.leave(connection)

    def end(self) -> None:
        """Let go of the connection, and of all that was not committed. It waits for nothing."""
        self._over = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._unanswered:
            give_up(connection)
        self._opening.leave(connection, last_words="ROLLBACK")

    def _prepared(self, statement: Statement) -> Compiled:
        prepared = compiled(statement, POSTGRESQL)
        if self._over or (prepared.changes and not self._writes):
            raise RuntimeError("only an open write transaction changes anything, and only an open one reads")
        return prepared

    async def _run(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        if self._failed:
            raise Unavailable(GIVEN_UP)
        self._failed = self._unanswered = True
        with answering():
            connection = self._connection
            if connection is None:
                connection = self._connection = await self._opening.acquire()
                await connection.execute(WRITE if self._writes else READ)
            try:
                result = await work(connection)
            except asyncpg.PostgresError:
                self._unanswered = False  # it has: with a refusal
                raise
        self._failed = self._unanswered = False
        return result


class Postgres:
    """The connections of this process to one database."""

    def __init__(self, url: URL, *, connections: int, patience: timedelta) -> None:
        self._url = url
        self._connections = connections
        self._patience = patience.total_seconds()
        self._opening: Opening | None = None

    async def revision(self) -> str | None:
        """Return the revision of the schema, `None` when there is no table of ours yet."""
        return await server.revision(self._url, patience=self._patience)

    async def open(self) -> None:
        """Connect and listen, if the schema is the one that this version knows."""
        see_version(await self.revision(), where=named(self._url))
        await server.see_rights(self._url, patience=self._patience)
        await self.close()
        opening = Opening(self._url, connections=self._connections, patience=self._patience)
        await opening.pool
        await opening.listener.start()
        self._opening = opening

    async def close(self) -> None:
        """Close every connection. A transaction that is still open has failed."""
        opening, self._opening = self._opening, None
        if opening is None or opening.loop is not asyncio.get_running_loop():
            return  # the loop of one that was left open is over, and its connections with it
        await opening.close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[PostgresLink]:
        """Begin a transaction. What it sees is fixed by its first statement."""
        link = PostgresLink(self.opened(), writes=False)
        try:
            yield link
        finally:
            link.end()

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[PostgresLink]:
        """Begin a transaction. It is on the disk when the block has ended; a block that is cancelled leaves nothing."""
        opening = self.opened()
        link = PostgresLink(opening, writes=True)
        async with opening.turn():
            try:
                yield link
                await link.commit()
            finally:
                link.end()

    async def ask(self, make: Callable[..., Record], statement: SelectBase, **values: object) -> list[Record]:
        """Ask one thing, in one way to the server and back: as `rows` of a read, but no `BEGIN` goes before it."""
        prepared = compiled(statement, POSTGRESQL)
        arguments = prepared.arguments(values)
        if not can_be_sent(arguments, keeps=prepared.keeps):
            return []
        with answering():
            found = await self.opened().ask(prepared.text, arguments)
        return [make(**prepared.row(each)) for each in found]

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after an append to the feed was committed by anybody, or `False` after `wait` seconds."""
        return await self.opened().bell.heard(wait=wait)

    def opened(self) -> Opening:
        """Return the present opening. Raises `Unavailable` when there is none."""
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening
