"""Several processes on one SQLite file."""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.stores.sql.migrations import upgrade
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import MANY, NOW, ada, read, written
from tests.stores.conftest import Start, answer, go


async def test_follower_in_another_process(store: SqlStore, start: Start) -> None:
    """A follower in another process reads all along while fifty appends run at once, and never sees a gap."""
    follower = start("follow")
    assert answer(follower) == "ready"

    async def append(n: int) -> None:
        await written(store, lambda tx: tx.feed.append([given.floor(f"s{n}"), given.floor(f"t{n}")]))

    await asyncio.gather(*(append(n) for n in range(MANY)))

    assert await asyncio.to_thread(answer, follower) == str(2 * MANY)
    assert follower.wait(10) == 0


async def test_writers_in_several_processes(store: SqlStore, start: Start) -> None:
    """Three processes that write at once get contiguous numbers, lose no count, and all get their turn."""
    writers = [start("append") for _ in range(3)]
    assert [answer(writer) for writer in writers] == ["ready"] * 3
    for writer in writers:
        go(writer)

    assert [await asyncio.to_thread(answer, writer) for writer in writers] == ["done"] * 3
    async with store.read() as tx:
        assert await given.counter(tx, "k") == Counter(count=3 * MANY, at=NOW)
    news = await store.news(0, limit=1000)
    assert [entry.seq for entry in news.entries] == list(range(1, 3 * MANY + 1))


async def test_swap_in_several_processes(store: SqlStore, start: Start) -> None:
    """Of several processes that swap one state, one wins."""
    await ada(store)
    await written(store, lambda tx: tx.sessions.add(given.session()))
    swappers = [start("swap") for _ in range(3)]
    assert [answer(swapper) for swapper in swappers] == ["ready"] * 3
    for swapper in swappers:
        go(swapper)

    assert sorted(answer(swapper) for swapper in swappers) == ["False", "False", "True"]
    assert await read(store, lambda tx: tx.sessions.get("s1")) == given.session(issued=2)


@pytest.mark.xdist_group("timing")
async def test_heard_in_another_process(store: SqlStore, start: Start) -> None:
    """Another process hears of a write by looking, long before it would give up waiting."""
    hearer = start("hear")
    assert answer(hearer) == "ready"
    delays: list[float] = []
    for n in range(20):
        await asyncio.sleep(0.03)
        async with store.write() as tx:
            await given.put(tx, "k", Counter(count=n, at=NOW))
        acknowledged = time.time()
        delays.append(float(await asyncio.to_thread(answer, hearer)) - acknowledged)

    assert statistics.median(delays) < 1


async def test_locked_by_another_process(path: Path, start: Start) -> None:
    """While another process keeps the lock reads go on; a write waits, gives up in the end, and works again later."""
    async with opened(path, patience=timedelta(seconds=0.3)) as store:
        holder = start("hold")
        assert answer(holder) == "ready"

        assert await read(store, lambda tx: given.counter(tx, "held")) is None
        with pytest.raises(Unavailable, match="another process keeps it locked"):
            await ada(store)
        go(holder)
        assert answer(holder) == "done"
        await ada(store)
        assert await read(store, lambda tx: tx.users.get("ada")) == given.user()


async def test_many_locked_by_another_process(path: Path, start: Start) -> None:
    """While another process keeps the lock each of many writers waits for its own patience, not for all before it."""

    async def refused(store: SqlStore, n: int) -> float:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await ada(store, id=f"u{n}")
        return time.monotonic() - started

    async with opened(path, patience=timedelta(seconds=1)) as store:
        holder = start("hold")
        assert answer(holder) == "ready"

        waited = await asyncio.gather(*(refused(store, n) for n in range(6)))
        assert 0.9 < min(waited) <= max(waited) < 5  # one after the other: six
        go(holder)
        assert answer(holder) == "done"
        await ada(store)
        async with store.read() as tx:
            assert await tx.users.page(after="", limit=10) == [given.user()]


async def test_waits_for_another_process(store: SqlStore, start: Start) -> None:
    """A write that meets another process's lock goes through when that is released."""
    holder = start("hold")
    assert answer(holder) == "ready"
    write = asyncio.create_task(ada(store))
    await asyncio.sleep(0.2)
    assert not write.done()
    go(holder)

    await asyncio.wait_for(write, timeout=20)
    assert await read(store, lambda tx: tx.users.get("ada")) == given.user()


async def test_cancelled_while_locked(store: SqlStore, start: Start) -> None:
    """A write that waits for another process can be cancelled at once, and leaves nothing."""
    holder = start("hold")
    assert answer(holder) == "ready"
    write = asyncio.create_task(ada(store))
    await asyncio.sleep(0.2)

    started = time.monotonic()
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert time.monotonic() - started < 1
    go(holder)
    assert answer(holder) == "done"
    assert await read(store, lambda tx: tx.users.get("ada")) is None


async def test_killed(path: Path, start: Start) -> None:
    """After `kill -9` of a process that writes, all that it acknowledged is there and whole, and the file is intact."""
    async with opened(path) as store:
        await ada(store)
    for _ in range(3):
        writer = start("write_for_ever")
        acknowledged = [int(answer(writer)) for _ in range(40)]
        writer.kill()
        assert writer.stdout is not None
        acknowledged += [int(line) for line in writer.stdout.read().split()]

        async with opened(path) as store, store.read() as tx:
            head, entries = await tx.feed.head(), (await store.news(0, limit=100_000)).entries
            assert head.seq in {acknowledged[-1], acknowledged[-1] + 1}
            assert [entry.seq for entry in entries] == list(range(1, head.seq + 1))
            assert {session.id for session in await tx.sessions.of("ada")} == {f"s{n + 1}" for n in range(head.seq)}
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_migrated_beside_an_open_store(path: Path, store: SqlStore, start: Start) -> None:
    """To migrate a file that is in use takes no lock away: who leaves it later does not think that it is the last."""
    await ada(store)
    upgrade(sqlite_url(path))
    visitor = start("look")
    assert (answer(visitor), visitor.wait(10)) == ("ada", 0)
    await written(store, lambda tx: tx.users.add(given.user("bob")))

    assert answer(start("look")) == "ada bob"


def test_forgotten(path: Path, start: Start) -> None:
    """A process that forgets to close its store ends all the same."""
    child = start("forget")

    assert answer(child) == "None"
    assert child.wait(10) == 0


async def test_heard_from_any_connection(path: Path, store: SqlStore) -> None:
    """A write of another connection in the same process is heard too: a second store's, or the application's own."""
    async with opened(path) as other:
        await ada(other)
        assert await store.changed(wait=2)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE users SET name = 'Eve'")
        connection.commit()
        assert await store.changed(wait=2)


@asynccontextmanager
async def opened(path: Path, *, patience: timedelta = timedelta(seconds=5)) -> AsyncGenerator[SqlStore]:
    """Open a store, and close it in the end."""
    store = SqlStore(sqlite_url(path), patience=patience)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
