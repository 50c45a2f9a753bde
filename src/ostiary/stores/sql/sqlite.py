"""SQLite: one connection that writes, a few that read, each in a thread of its own.

A connection does what it is asked in the order it was asked. Nothing else makes cancellation safe here: a block that is
cancelled while a statement runs puts its `ROLLBACK` behind that statement and waits for neither, and whoever has the
connection next comes behind both.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy.dialects.sqlite import dialect

from ostiary.errors import Unavailable
from ostiary.stores.bell import Bell
from ostiary.stores.sql.link import Compiled, Row, Statement, compiled
from ostiary.stores.sql.place import primary, uri
from ostiary.stores.sql.watch import Watch

SQLITE: Final = dialect()
READERS: Final = 3

Result = TypeVar("Result")


class Connection:
    """A connection to one file, in a thread of its own."""

    def __init__(self, uri: str, *, busy: float) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ostiary-sqlite")
        self._opened = self._thread.submit(_connect, uri, busy)
        self._closed = False

    async def ask(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something with the connection and return the result.

        Who is cancelled while waiting does not stop what is under way, and what is not under way yet never happens.
        """
        if self._closed:
            raise Unavailable("the store cannot answer: it is not open")
        with answering():
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def finish(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do something and stay until it is done or has failed. Who is cancelled meanwhile leaves only then."""
        if self._closed:
            raise Unavailable("the store cannot answer: it is not open")
        doing = asyncio.wrap_future(self._thread.submit(self._do, work))
        cancelled = None
        while not doing.done():
            try:
                await asyncio.wait([doing])
            except asyncio.CancelledError as error:
                cancelled = error
        failed = doing.exception()
        if cancelled is not None:
            raise cancelled
        if failed is not None:
            with answering():
                raise failed

    def tell(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do something after all that was asked before, and wait for nothing."""
        if not self._closed:
            self._thread.submit(self._do, work)

    def close(self) -> Future[None]:
        """Begin to close, after all that was asked before. Who asks later gets no answer."""
        self._closed = True
        closing = self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
        return closing

    def _close(self) -> None:
        if self._opened.exception() is None:
            self._opened.result().close()

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return work(self._opened.result())


class SqliteLink:
    """A transaction on a connection."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._begun = writes
        self._over = False

    async def rows(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement and return all it finds."""
        prepared = self._prepared(statement)
        found: list[Any] = await self._execute(prepared, values, sqlite3.Cursor.fetchall, nothing=[])
        return [prepared.row(each) for each in found]

    async def row(self, statement: Statement, **values: object) -> Row | None:
        """Run a statement and return the one row it finds, or `None`."""
        found = await self.rows(statement, **values)
        return found[0] if found else None

    async def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        return await self._execute(self._prepared(statement), values, lambda cursor: cursor.rowcount, nothing=0)

    async def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        await self._run(lambda connection: connection.executemany(prepared.text, arguments))

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


class Sqlite:
    """The connections of this process to one file."""

    def __init__(self, path: Path, *, patience: timedelta) -> None:
        self._uri = uri(path)
        self._patience = patience.total_seconds()
        self._turn = asyncio.Lock()
        self._connections: list[Connection] = []
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._bell = Bell()
        self._watch: Watch | None = None

    async def open(self) -> None:
        """Connect."""
        await self.close()
        # The writer waits for other processes in the event loop instead of in SQLite: in short steps, and ready to be
        # cancelled at each.
        self._connections = [Connection(self._uri, busy=0.0)]
        self._connections += [Connection(self._uri, busy=self._patience) for _ in range(READERS)]
        self._idle = asyncio.LifoQueue()
        try:
            for connection in self._connections:
                await connection.ask(_nothing)
            for reader in self._connections[1:]:
                self._idle.put_nowait(reader)
            self._watch = await asyncio.to_thread(Watch, self._uri, asyncio.get_running_loop(), self._bell.ring)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection, each after what it is doing now."""
        connections, self._connections = self._connections, []
        watch, self._watch = self._watch, None
        closing = [asyncio.wrap_future(connection.close()) for connection in connections]
        if watch is not None:
            closing.append(asyncio.ensure_future(asyncio.to_thread(watch.stop)))
        await asyncio.shield(asyncio.gather(*closing))

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[SqliteLink]:
        """Begin a transaction. What it sees is fixed by its first statement."""
        self._opened()
        idle = self._idle
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
        async with self._turn:
            writer = self._opened()
            link = SqliteLink(writer, writes=True)
            try:
                await self._begin(writer)
                yield link
                link.end()
                await writer.finish(_commit)
            except BaseException:
                link.end()
                writer.tell(sqlite3.Connection.rollback)
                raise
        if self._watch is not None:
            self._watch.look()

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after a commit on any connection of any process, or `False` after `wait` seconds."""
        self._opened()
        return await self._bell.heard(wait=wait)

    async def _begin(self, writer: Connection) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        pause = 0.001
        while not await writer.ask(_begun):
            if loop.time() >= deadline:
                raise Unavailable("the store cannot answer: another process keeps it locked")
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.004)

    def _opened(self) -> Connection:
        if not self._connections:
            raise Unavailable("the store cannot answer: it is not open")
        return self._connections[0]


def _begun(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if primary(error) == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def _commit(connection: sqlite3.Connection) -> None:
    # Unlike the driver's `commit()`, this fails when there is nothing to commit because SQLite has rolled back.
    connection.execute("COMMIT")


def _nothing(connection: sqlite3.Connection) -> None:
    """Find out whether the connection could be opened."""


def _connect(uri: str, busy: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {round(busy * 1000)}")
    return connection


@contextmanager
def answering() -> Generator[None]:
    """Turn the driver's errors into ours: a contradiction is a `ValueError`, a silent store is `Unavailable`."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ValueError(str(error)) from error
    except sqlite3.ProgrammingError as error:
        if "closed" not in str(error):
            raise
        raise Unavailable("the store cannot answer: it is not open") from error
    except sqlite3.Error as error:
        raise Unavailable(f"the store cannot answer: {error}") from error
