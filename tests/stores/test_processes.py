"""Several processes on one SQLite file."""

import asyncio
import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path

import pytest

from ostiary.errors import Unavailable
from ostiary.core.throttle import Counter
from ostiary.stores.sql import SqlStore, sqlite_url
from tests.conformance.suites import given
from tests.conformance.suites.given import MANY, NOW, ada, read, written
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
        assert await tx.counters.get("k") == Counter(count=3 * MANY, at=NOW)
        entries = await tx.feed.since(0, limit=1000)
    assert [entry.seq for entry in entries] == list(range(1, 3 * MANY + 1))


async def test_swap_in_several_processes(store: SqlStore, start: Start) -> None:
    """Of several processes that swap one state, one wins."""
    await ada(store)
    await written(store, lambda tx: tx.sessions.add(given.session()))
    swappers = [start("swap") for _ in range(4)]
    assert [answer(swapper) for swapper in swappers] == ["ready"] * 4
    for swapper in swappers:
        go(swapper)

    assert sorted(answer(swapper) for swapper in swappers) == ["False", "False", "False", "True"]
    assert await read(store, lambda tx: tx.sessions.get("s1")) == given.session(issued=2)


@pytest.mark.xdist_group("time")
async def test_heard_in_another_process(store: SqlStore, start: Start) -> None:
    """Another process hears of a write within a few polls."""
    hearer = start("hear")
    assert answer(hearer) == "ready"
    delays: list[float] = []
    for n in range(20):
        await asyncio.sleep(0.03)
        await written(store, lambda tx, n=n: tx.counters.put("k", Counter(count=n, at=NOW)))
        acknowledged = time.time()
        delays.append(float(await asyncio.to_thread(answer, hearer)) - acknowledged)

    assert statistics.median(delays) < 0.05


async def test_locked_by_another_process(store: SqlStore, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process keeps the lock reads go on; a write waits, gives up in the end, and works again later."""
    monkeypatch.setattr("ostiary.stores.sql.sqlite.BUSY_SECONDS", 0.3)
    holder = start("hold")
    assert answer(holder) == "ready"

    assert await read(store, lambda tx: tx.counters.get("held")) is None
    with pytest.raises(Unavailable, match="another process has kept it locked"):
        await ada(store)
    go(holder)
    assert answer(holder) == "done"
    await ada(store)
    assert await read(store, lambda tx: tx.users.get("ada")) == given.user()


async def test_waits_for_another_process(store: SqlStore, start: Start) -> None:
    """A write that meets another process's lock goes through when that is released."""
    holder = start("hold")
    assert answer(holder) == "ready"
    write = asyncio.create_task(ada(store))
    await asyncio.sleep(0.2)
    assert not write.done()
    go(holder)

    await asyncio.wait_for(write, timeout=4)
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
    """After `kill -9` of a process that writes, all that it acknowledged is there, whole, and the file is intact."""
    store = SqlStore(sqlite_url(path))
    await store.open()
    await ada(store)
    await store.close()
    acknowledged = 0
    for _ in range(3):
        async with SqlStoreOpen(path) as store:
            await written(store, lambda tx: tx.users.remove("ada"))
            await ada(store)
        writer = start("write_for_ever")
        for _ in range(40):
            acknowledged = int(answer(writer))
        writer.kill()
        assert writer.stdout is not None
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split())])
