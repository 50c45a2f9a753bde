"""A SQLite file that fails while it is used: each failure is one line, leaves nothing, and ends when its cause does."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.sqlite import Opening, Sqlite
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import NOW, ada, read, written


def opened(store: SqlStore) -> Opening:
    """Return the connections of a store in a file."""
    assert isinstance(store._database, Sqlite)
    return store._database.opened()


async def to_writer(store: SqlStore, work: Callable[[sqlite3.Connection], object]) -> None:
    """Do something to the connection that writes, as the world would."""
    await opened(store).connections[0].ask(work)


async def test_settings(store: SqlStore) -> None:
    """Every connection keeps foreign keys, and waits for the disk."""
    for connection in opened(store).connections:
        for setting, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            found = await connection.ask(lambda c, setting=setting: c.execute(f"PRAGMA {setting}").fetchone())  # type: ignore[misc]
            assert found == (value,)


async def test_disk_full(store: SqlStore) -> None:
    """A full disk refuses writes and leaves nothing of them; reads go on, and with room again so do writes."""
    await ada(store)
    await to_writer(store, lambda c: c.execute("PRAGMA max_page_count = 1"))
    big = given.user("big", name="x" * 1_000_000)

    with pytest.raises(Unavailable, match=r"^the store cannot answer: database or disk is full$"):
        await written(store, lambda tx: tx.users.add(big))
    assert await read(store, lambda tx: tx.users.get("big")) is None
    assert await read(store, lambda tx: tx.users.get("ada")) == given.user()

    await to_writer(store, lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    await written(store, lambda tx: tx.users.add(big))
    assert await read(store, lambda tx: tx.users.get("big")) == big


async def test_block_that_survives_a_full_disk(store: SqlStore) -> None:
    """A block that goes on after SQLite has rolled it back is not half kept: nothing of it is."""
    await to_writer(store, lambda c: c.execute("PRAGMA max_page_count = 1"))

    with pytest.raises(Unavailable):  # noqa: PT012 - the block is what fails
        async with store.write() as tx:
            await given.put(tx, "before", Counter(count=1, at=NOW))
            with suppress(Unavailable):
                await tx.users.add(given.user("big", name="x" * 1_000_000))
            await to_writer(store, lambda c: c.execute("PRAGMA max_page_count = 1000000"))
            await to_writer(store, sqlite3.Connection.rollback)
            await given.put(tx, "after", Counter(count=1, at=NOW))

    async with store.read() as tx:
        assert await given.counter(tx, "before") is None
        assert await given.counter(tx, "after") is None


async def test_commit_of_what_was_rolled_back(store: SqlStore) -> None:
    """A block that SQLite has rolled back is never acknowledged, even if it asks for nothing more."""
    with pytest.raises(Unavailable, match="no transaction is active"):  # noqa: PT012 - the block is what fails
        async with store.write() as tx:
            await tx.users.add(given.user())
            await to_writer(store, sqlite3.Connection.rollback)

    assert await read(store, lambda tx: tx.users.get("ada")) is None


async def test_read_only(store: SqlStore) -> None:
    """A file that has become read-only refuses writes, and works again afterwards."""
    await to_writer(store, lambda c: c.execute("PRAGMA query_only = ON"))

    with pytest.raises(Unavailable, match=r"^the store cannot answer: attempt to write a readonly database$"):
        await ada(store)
    await to_writer(store, lambda c: c.execute("PRAGMA query_only = OFF"))
    await ada(store)


async def test_damaged(store: SqlStore, path: Path) -> None:
    """A file that was overwritten under a running store makes it unavailable; it never makes up an answer."""
    await ada(store)
    await to_writer(store, lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)

    with pytest.raises(Unavailable) as said:
        await read(store, lambda tx: tx.users.get("ada"))
    assert "\n" not in str(said.value)


async def test_statement_that_the_schema_lacks(store: SqlStore) -> None:
    """A table that was dropped under a running store makes it unavailable."""
    await to_writer(store, lambda c: c.execute("DROP TABLE counters"))

    with pytest.raises(Unavailable, match="no such table: counters"):
        await read(store, lambda tx: given.counter(tx, "k"))


async def test_cancelled_commit(store: SqlStore) -> None:
    """Who is cancelled while the disk is written leaves only when it is known what came of it, and it did come."""
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(began.set)
        time.sleep(0.2)  # the disk is slow

    async def block() -> None:
        async with store.write() as tx:
            await tx.users.add(given.user())
            opened(store).connections[0].tell(slow)

    writing = asyncio.create_task(block())
    await began.wait()
    writing.cancel()
    await asyncio.sleep(0.01)
    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await read(store, lambda tx: tx.users.get("ada")) == given.user()


async def test_cancelled_behind_a_slow_statement(store: SqlStore) -> None:
    """Who is cancelled while a statement runs is let go at once; the statement is undone before anyone comes next."""
    user, is_done = await ada(store), threading.Event()

    async def block() -> None:
        async with store.write() as tx:
            opened(store).connections[0].tell(lambda _: is_done.wait(20))  # the disk is slow
            await tx.users.swap(user, replace(user, name="half", revision=2))

    writing = asyncio.create_task(block())
    await asyncio.sleep(0.1)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert not is_done.is_set()
    is_done.set()

    async with store.write() as tx:
        assert await tx.users.get("ada") == user


async def test_reopened_under_a_reader(store: SqlStore) -> None:
    """A reader that outlives a close and an open does not bring its dead connection back among the living."""
    await ada(store)
    async with store.read():
        await store.close()
        await store.open()

    found = await asyncio.gather(*(read(store, lambda tx: tx.users.get("ada")) for _ in range(10)))
    assert found == [given.user()] * 10


async def test_reader_that_was_left_in_a_transaction(store: SqlStore) -> None:
    """A connection that could not be rolled back gives no answer at all, rather than one from an old state."""
    old = await ada(store)
    for reader in opened(store).connections[1:]:
        await reader.ask(lambda c: c.execute("BEGIN"))
        await reader.ask(lambda c: c.execute("SELECT * FROM users").fetchall())
    await written(store, lambda tx: tx.users.swap(old, replace(old, name="changed", revision=2)))

    with pytest.raises(Unavailable):
        await read(store, lambda tx: tx.users.get("ada"))
    for _ in range(10):
        with suppress(Unavailable):
            assert await read(store, lambda tx: tx.users.get("ada")) == replace(old, name="changed", revision=2)
