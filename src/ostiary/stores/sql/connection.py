"""A connection to a SQLite file, in a thread of its own. It does what it is asked in the order it was asked."""

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ostiary.errors import Unavailable
from ostiary.stores.sql.commit import decided

Result = TypeVar("Result")


class Connection:
    """A connection to one file, in a thread of its own."""

    def __init__(self, uri: str, *, busy: float) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ostiary-sqlite")
        self._opened = self._thread.submit(connect, uri, busy)
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
        with answering():
            await decided(asyncio.wrap_future(self._thread.submit(self._do, work)))

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


def connect(uri: str, busy: float) -> sqlite3.Connection:
    """Connect, as every connection of ours is set."""
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
