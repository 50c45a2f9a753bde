"""SQLite: one connection that writes, and a few that read.

Cancellation is safe because a connection does what it is asked in the order it was asked: a block that is cancelled
while a statement runs puts its `ROLLBACK` behind that statement and waits for neither, and whoever has the connection
next comes behind both.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.sql.selectable import SelectBase

from ostiary.errors import Unavailable
from ostiary.stores.bell import Bell
from ostiary.stores.sql.connection import Connection
from ostiary.stores.sql.link import Compiled, Record, Statement, compiled
from ostiary.stores.sql.place import primary, revision, uri
from ostiary.stores.sql.schema import see_version
from ostiary.stores.sql.watch import Watch

SQLITE: Final = dialect()
READERS: Final = 3

Result = TypeVar("Result")


class SqliteLink:
    """A transaction on a connection."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._begun = writes
        self._over = False

    async def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        """Run a statement and return what `make` makes of each row. It works in the connection's thread."""
        prepared = self._prepared(statement)

        def taken(cursor: sqlite3.Cursor) -> list[Record]:
            return [make(**prepared.row(each)) for each in cursor]

        return await self._execute(prepared, values, taken, nothing=[])

    async def row(
        self, make: Callable[..., Record], statement: Statement, *, held: Statement | None = None, **values: object
    ) -> Record | None:
        """Run a statement and return what `make` makes of the one row it finds, or `None`."""
        del held  # only one transaction writes at a time
        found = await self.rows(make, statement, **values)
        return found[0] if found else None

    async def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        return await self._execute(self._prepared(statement), values, lambda cursor: cursor.rowcount, nothing=0)

    async def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        if not arguments:
            return
        await self._run(lambda connection: connection.executemany(prepared.text, arguments))

    async def each(
        self, make: Callable[..., Record], statement: Statement, values: Sequence[Mapping[str, object]]
    ) -> list[Record]:
        """Run a statement once for each set of values, and return what `make` makes of all rows that they find."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        return await self._run(lambda connection: found(connection, make, prepared, arguments)) if arguments else []

    async def hold(self, statement: Statement, **values: object) -> None:
        """Do nothing: only one transaction writes at a time."""

    def announce(self) -> None:
        """Do nothing: every commit is noticed."""

    def end(self) -> None:
        """Let no more statements in."""
        self._over = True

    def _prepared(self, statement: Statement) -> Compiled:
        prepared = compiled(statement, SQLITE)
        if self._over or (prepared.changes and not self._writes):
            raise RuntimeError("only an open write transaction changes anything, and only an open one reads")
        return prepared

    async def _execute(
        self,
        prepared: Compiled,
        values: Mapping[str, object],
        take: Callable[[sqlite3.Cursor], Result],
        *,
        nothing: Result,
    ) -> Result:
        arguments = prepared.arguments(values)
        try:
            return await self._run(lambda connection: take(connection.execute(prepared.text, arguments)))
        except UnicodeEncodeError:
            # Half a surrogate pair is text to Python and to nobody else. It cannot be kept, so nothing is called that.
            if prepared.keeps:
                raise
            return nothing

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        def within(connection: sqlite3.Connection) -> Result:
            if not self._begun:
                connection.execute("BEGIN")
                self._begun = True
            elif not connection.in_transaction:
                # SQLite itself has rolled back, after an error that the block survived. What came now would be kept
                # without what came before, or seen beside another state.
                raise sqlite3.OperationalError("the transaction was given up")
            return work(connection)

        return await self._connection.ask(within)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What belongs to one opening of the database, and to the event loop that it was opened in."""

    connections: list[Connection]
    """The one that writes, and then those that read."""
    idle: asyncio.LifoQueue[Connection]
    turn: asyncio.Lock
    bell: Bell
    watch: Watch


class Sqlite:
    """The connections of this process to one file."""

    def __init__(self, path: Path, *, patience: timedelta) -> None:
        self._path = path
        self._uri = uri(path)
        self._patience = patience.total_seconds()
        self._opening: Opening | None = None

    async def revision(self) -> str | None:
        """Return the revision of the schema, `None` when there is no table yet."""
        return await asyncio.to_thread(revision, self._path)

    async def open(self) -> None:
        """Connect, if the schema is the one that this version knows."""
        see_version(await self.revision(), where=str(self._path))
        await self.close()
        # The writer waits for other processes in the event loop instead of in SQLite: in short steps, and ready to be
        # cancelled at each.
        connections = [Connection(self._uri, busy=0.0)]
        connections += [Connection(self._uri, busy=self._patience) for _ in range(READERS)]
        bell = Bell()
        idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        try:
            for connection in connections:
                await connection.ask(_nothing)
            for reader in connections[1:]:
                idle.put_nowait(reader)
            watch = await asyncio.to_thread(Watch, self._uri, asyncio.get_running_loop(), bell.ring)
        except BaseException:
            await _closed(connections)
            raise
        self._opening = Opening(connections=connections, idle=idle, turn=asyncio.Lock(), bell=bell, watch=watch)

    async def close(self) -> None:
        """Close every connection, each after what it is doing now."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await _closed(opening.connections, opening.watch)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[SqliteLink]:
        """Begin a transaction. What it sees is fixed by its first statement."""
        idle = self.opened().idle
        reader = await idle.get()
        link = SqliteLink(reader, writes=False)
        try:
            yield link
        finally:
            link.end()
            reader.tell(sqlite3.Connection.rollback)
            idle.put_nowait(reader)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[SqliteLink]:
        """Begin a transaction when all writes that asked before have ended. It is on the disk when the block has ended.

        A block that is cancelled leaves nothing. One that has ended and waits for the disk is cancelled after that.
        """
        opening = self.opened()
        writer = opening.connections[0]
        # The patience begins before the wait for the turn: otherwise each of many writers that another process keeps
        # waiting would begin its own only after the one before it has lost all of its.
        deadline = asyncio.get_running_loop().time() + self._patience
        await _acquired(opening.turn, deadline)
        try:
            link = SqliteLink(writer, writes=True)
            try:
                await _begin(writer, deadline)
                yield link
                link.end()
                await writer.finish(commit)
            except BaseException:
                link.end()
                writer.tell(sqlite3.Connection.rollback)
                raise
        finally:
            opening.turn.release()
        opening.watch.look()

    async def ask(self, make: Callable[..., Record], statement: SelectBase, **values: object) -> list[Record]:
        """Ask one thing. A transaction costs nothing here."""
        async with self.read() as link:
            return await link.rows(make, statement, **values)

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after a commit on any connection of any process, or `False` after `wait` seconds."""
        return await self.opened().bell.heard(wait=wait)

    def opened(self) -> Opening:
        """Return the present opening. Raises `Unavailable` when there is none."""
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening


async def _closed(connections: Sequence[Connection], watch: Watch | None = None) -> None:
    """Close one connection after the other: of two that close at once, neither is the last, which clears the log."""

    async def close() -> None:
        if watch is not None:
            await asyncio.to_thread(watch.stop)
        for connection in reversed(connections):
            await asyncio.wrap_future(connection.close())

    await asyncio.shield(close())


async def _acquired(turn: asyncio.Lock, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await turn.acquire()
    except TimeoutError:
        raise Unavailable("the store cannot answer: the writes before this one keep it busy") from None


async def _begin(writer: Connection, deadline: float) -> None:
    pause = 0.001
    while not await writer.ask(begun):
        if asyncio.get_running_loop().time() >= deadline:
            raise Unavailable("the store cannot answer: another process keeps it locked")
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.004)


def begun(connection: sqlite3.Connection) -> bool:
    """Begin a write, unless another process is writing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if primary(error) == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def commit(connection: sqlite3.Connection) -> None:
    """Make everything durable."""
    # Unlike the driver's `commit()`, this fails when there is nothing to commit because SQLite has rolled back.
    connection.execute("COMMIT")


def found(
    connection: sqlite3.Connection,
    make: Callable[..., Record],
    prepared: Compiled,
    arguments: Sequence[Sequence[Any]],
) -> list[Record]:
    """Run a statement with each of the arguments, and return what `make` makes of all rows that they find."""
    made = list[Record]()
    for each in arguments:
        try:
            made += [make(**prepared.row(row)) for row in connection.execute(prepared.text, each)]
        except UnicodeEncodeError:  # as in `_execute`: nothing is called that, and it cannot be kept
            if prepared.keeps:
                raise
    return made


def _nothing(connection: sqlite3.Connection) -> None:
    """Find out whether the connection could be opened."""
