"""The connections to a PostgreSQL database: taken for a transaction or for one question, and given back clean.

One whose block was cancelled, or whose answer did not come, is thrown away: nobody waits to find out in what state it
is.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy.engine import URL

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.bell import Bell
from ostiary.stores.sql import server
from ostiary.stores.sql.listen import Listener
from ostiary.stores.sql.terms import READING

Connection = Any
"""A connection of the driver, which has no types."""


class Opening:
    """What belongs to one opening of the database, and to the event loop that it was opened in."""

    def __init__(self, url: URL, *, connections: int, patience: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.bell = Bell()
        self.listener = Listener(url, bell=self.bell, patience=patience)
        self.pool: Any = asyncpg.create_pool(
            min_size=0,
            max_size=connections,
            connect=self._connect,
            reset=_nothing,
        )
        self._url = url
        self._patience = patience
        self._writing = asyncio.Semaphore(max(1, connections - READING))
        self.leaving: set[asyncio.Task[None]] = set()
        """Connections on their way back to the pool."""

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Be one of those who write. They wait for each other, so they never have all the connections."""
        try:
            async with asyncio.timeout(self._patience):
                await self._writing.acquire()
        except TimeoutError:
            raise Unavailable("the store cannot answer: others write already, and do not end") from None
        try:
            yield
        finally:
            self._writing.release()

    async def acquire(self) -> Connection:
        """Take a connection, and make one if need be."""
        return await self.pool.acquire(timeout=self._patience)

    def leave(self, connection: Connection, *, last_words: str = "") -> None:
        """Give a connection back, after some last words. It waits for nothing."""
        leaving = self.loop.create_task(self._given_back(connection, last_words))
        self.leaving.add(leaving)
        leaving.add_done_callback(self.leaving.discard)

    async def ask(self, text: str, arguments: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Ask one thing, outside of a transaction: the answer is one way to the server and back from here."""
        connection = await self.acquire()
        try:
            return await connection.fetch(text, *arguments)  # type: ignore[no-any-return] # the driver has no types
        except asyncpg.PostgresError:  # an answer, too
            raise
        except BaseException:
            give_up(connection)
            raise
        finally:
            self.leave(connection)

    async def close(self) -> None:
        """Close every connection. A transaction that is still open has failed."""
        await self.listener.stop()
        if self.leaving:
            await asyncio.wait(self.leaving, timeout=self._patience)
        if self.pool.get_idle_size() == self.pool.get_size():
            await self.pool.close()
        else:
            self.pool.terminate()

    async def _given_back(self, connection: Connection, last_words: str) -> None:
        with suppress(asyncpg.InterfaceError):  # the pool itself was ended meanwhile
            try:
                if last_words and not connection.is_closed():
                    await connection.execute(last_words)
            except server.FAILURES:
                connection.terminate()
            finally:
                await self.pool.release(connection)

    async def _connect(self, *_: object, **__: object) -> "asyncpg.Connection[Any]":
        return await server.connect(self._url, patience=self._patience)


def give_up(connection: Connection) -> None:
    """Throw a connection away. Whatever it is still doing is nothing to anybody."""
    with suppress(asyncpg.InterfaceError):  # the pool itself was ended meanwhile
        connection.terminate()


@contextmanager
def answering() -> Generator[None]:
    """Turn the driver's errors into ours: a contradiction is a `ValueError`, a silent store is `Unavailable`."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ValueError(server.why(error)) from None
    except Misconfigured as error:  # it did let us in when we started
        raise Unavailable(f"the store cannot answer: {error}") from None
    except server.FAILURES as error:
        raise Unavailable(f"the store cannot answer: {server.why(error)}") from error


async def _nothing(_: Connection) -> None:
    """Reset nothing: a connection comes back with no transaction, and we set nothing else on it."""
