"""Who waits for whom in PostgreSQL, and for how long at most."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from ostiary.core.floor import Entry, Head
from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.pool import Opening
from ostiary.stores.sql.postgres import Postgres as Database
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import NOW, ada, read, written
from tests.servers.postgres import Postgres
from tests.stores.conftest import StartOn, answer, go

pytestmark = pytest.mark.xdist_group("timing")

HOLD_HEAD = "BEGIN; SELECT * FROM feed_head FOR UPDATE"


@asynccontextmanager
async def opened(url: str, *, patience: float = 5, connections: int = 10) -> AsyncGenerator[SqlStore]:
    """Open a store, and close it in the end."""
    store = SqlStore(url, patience=timedelta(seconds=patience), connections=connections)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def held(url: str) -> AsyncGenerator[None]:
    """Hold the head of the feed, as somebody who does not even have our settings."""
    holder = await asyncpg.connect(url)
    await holder.execute(HOLD_HEAD)
    try:
        yield
    finally:
        await holder.close()


async def append(store: SqlStore, sid: str) -> float:
    """Append to the feed, and return how long that took."""
    started = time.monotonic()
    await written(store, lambda tx: tx.feed.append([given.floor(sid)]))
    return time.monotonic() - started


async def test_more_writers_than_connections(postgres: Postgres, postgres_url: str) -> None:
    """Sixty writes at once on three connections wait for their turn, and all go through."""
    async with opened(postgres_url, connections=3) as store:

        async def write(n: int) -> int:
            async with store.write() as tx:
                await given.put(tx, f"k{n}", Counter(count=n, at=NOW))
                await asyncio.sleep(0.01)
                await tx.feed.append([given.floor(f"s{n}")])
            return connections(postgres, postgres_url) if n % 20 == 0 else 0

        most = max(await asyncio.gather(*(write(n) for n in range(60))))
        head = await read(store, lambda tx: tx.feed.head())

    assert head.seq == 60
    assert most <= 3 + 1  # and the one that listens


async def test_no_connection_in_time(postgres_url: str) -> None:
    """Who gets no turn to write within their patience is refused; whoever has one is not disturbed."""
    async with opened(postgres_url, patience=0.3, connections=4) as store:
        async with store.write() as one, store.write() as other:
            await given.put(one, "one", Counter(count=1, at=NOW))
            await given.put(other, "other", Counter(count=1, at=NOW))
            started = time.monotonic()
            answers = await asyncio.gather(*(append(store, f"s{n}") for n in range(10)), return_exceptions=True)
            waited = time.monotonic() - started

        assert {str(error) for error in answers if isinstance(error, Unavailable)} == {
            "the store cannot answer: others write already, and do not end"
        }
        assert len(answers) == 10
        assert 0.25 < waited < 2.5  # one after the other: three
        assert await read(store, lambda tx: tx.feed.head()) == Head(await incarnation(store), 0)
        async with store.read() as tx:
            assert set(await tx.counters.get(["one", "other"])) == {"one", "other"}
        await append(store, "later")


async def test_held_too_long(postgres: Postgres, postgres_url: str) -> None:
    """Who waits for the head of the feed longer than their patience is refused, and not kept waiting; reads go on."""
    async with opened(postgres_url, patience=0.5) as store:
        user = await ada(store)
        async with held(postgres_url):
            started = time.monotonic()
            with pytest.raises(Unavailable, match=r"^the store cannot answer: it does not answer in time$"):
                await append(store, "refused")
            waited = time.monotonic() - started
            found = await read(store, lambda tx: tx.users.get("ada"))
            head = await read(store, lambda tx: tx.feed.head())
        await append(store, "later")

        assert 0.4 < waited < 10
        assert (found, head.seq) == (user, 0)
        assert (await store.news(0, limit=10)).entries == (Entry(1, given.floor("later")),)
        assert opening(store).pool.get_size() <= 2


async def test_a_process_that_stands_still(postgres_url: str, start_on: StartOn) -> None:
    """A process stopped while it holds the head of the feed keeps the others for three seconds, and loses its write."""
    child = start_on(postgres_url, "stand_still")
    assert answer(child) == "ready"
    async with opened(postgres_url) as store:
        os.kill(child.pid, signal.SIGSTOP)
        try:
            waited = await append(store, "goes-on")
        finally:
            os.kill(child.pid, signal.SIGCONT)
        go(child)
        said = await asyncio.to_thread(answer, child)
        entries = (await store.news(0, limit=10)).entries

    assert 1 < waited < 15
    assert said.startswith("the store cannot answer: ")
    assert entries == (Entry(1, given.floor("goes-on")),)


async def test_a_reader_that_stands_still(postgres_url: str) -> None:
    """A read left open for longer than three seconds is ended. It says so, and the next one is a new one."""
    async with opened(postgres_url) as store:
        await ada(store)
        with pytest.raises(Unavailable):  # noqa: PT012 - the block is what fails
            async with store.read() as tx:
                await tx.users.get("ada")
                await asyncio.sleep(3.3)
                await tx.users.get("ada")

        assert await read(store, lambda tx: tx.users.get("ada")) == given.user()


def opening(store: SqlStore) -> Opening:
    """Return the connections of a store."""
    assert isinstance(store._database, Database)
    return store._database.opened()


async def incarnation(store: SqlStore) -> str:
    """Return which history of the feed there is."""
    return (await read(store, lambda tx: tx.feed.head())).incarnation


def connections(postgres: Postgres, url: str) -> int:
    """Count the connections of ours to a database."""
    name = urlsplit(url).path[1:]
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ostiary' AND datname = "
    return int(postgres.query(f"{asked}'{name}'"))
