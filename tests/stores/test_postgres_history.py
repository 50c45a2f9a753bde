"""A PostgreSQL whose history was replaced: an older copy took its place, and has grown beyond what was followed.

The numbers of its entries say nothing then: the new ones stand where the followed ones stood. Only the incarnation
tells.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from ostiary.core.floor import Floors, Head, News
from ostiary.errors import Unavailable
from ostiary.feed.follower import Follower
from ostiary.ports import Store
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.migrations import upgrade
from ostiary.system import SystemClock
from ostiary.testing import CHEAPEST
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import written
from tests.servers.postgres import ROLE, Postgres

pytestmark = pytest.mark.xdist_group("timing")

Strike = Callable[[], None]
Copy = Callable[[Postgres, str], AbstractContextManager[Strike]]
"""Copies a database as it is now. What it yields puts the copy in the place of the database."""


@contextmanager
def asynchronous_standby(server: Postgres, url: str) -> Generator[Strike]:
    """A standby that has not heard of the newest commits when the primary dies, and is promoted."""
    with server.standby() as standby:
        written_by_now = server.query("SELECT pg_current_wal_lsn()")
        while standby.query(f"SELECT pg_last_wal_replay_lsn() >= '{written_by_now}'") != "t":
            time.sleep(0.01)
        standby.stop()

        def strike() -> None:
            server.kill()
            standby.port = server.port
            standby.start()
            standby.promote()

        yield strike


@contextmanager
def dump(server: Postgres, url: str) -> Generator[Strike]:
    """A dump of yesterday, put back under the same name."""
    name, file = urlsplit(url).path[1:], server.folder.path / "dump.sql"
    server._run("pg_dump", *server._here, "-U", ROLE, "-f", file, name)

    def strike() -> None:
        server.drop(url)
        server.query(f"CREATE DATABASE {name}")
        server._run("psql", "-q", *server._here, "-U", ROLE, "-d", name, "-f", file)

    yield strike


@contextmanager
def template(server: Postgres, url: str) -> Generator[Strike]:
    """A copy that the server itself made of the files, and that takes the name of the original."""
    name = urlsplit(url).path[1:]
    server.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.query(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    server.query(f"CREATE DATABASE copy TEMPLATE {name}")
    server.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def strike() -> None:
        server.drop(url)
        server.query(f"ALTER DATABASE copy RENAME TO {name}")

    yield strike


class Stored:
    """A store that takes for the incarnation what stands in the table, and no more."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Any]:
        async with self._store.read() as tx:
            whole = tx.feed.head

            async def head() -> Head:
                return in_the_table(await whole())

            tx.feed.head = head  # type: ignore[method-assign]
            yield tx

    async def news(self, seq: int, *, limit: int) -> News:
        news = await self._store.news(seq, limit=limit)
        return replace(news, head=in_the_table(news.head))


def in_the_table(head: Head) -> Head:
    """Return a head without the timeline that its incarnation carries."""
    return Head(head.incarnation.partition(".")[0], head.seq)


class Followed:
    """What a follower knows. It asks when it is told to."""

    def __init__(self, store: Store) -> None:
        self._floors = Floors(CHEAPEST)
        self.follower = Follower(
            store=store, floors=self._floors, clock=SystemClock(), policy=CHEAPEST, load=nothing_to_load
        )

    async def knows(self) -> set[str]:
        """Catch up, and return whose floors are known."""
        await going_on(self.follower.catch_up)
        return set(self._floors.of)


async def nothing_to_load() -> None:
    """Load no documents."""


async def going_on(work: Callable[[], Awaitable[Any]]) -> None:
    """Do something, as soon as the server can answer again."""
    end = time.monotonic() + 20
    while True:
        try:
            await work()
        except Unavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("copy", [asynchronous_standby, dump, template])
async def test_overtaken(copy: Copy) -> None:
    """After an older copy took the place of the database and grew beyond what was followed, no entry is skipped.

    Who went by the incarnation in the table alone, which is the same in the copy, would skip some.
    """
    with Postgres() as server:
        url = server.database()
        await asyncio.to_thread(upgrade, url)
        store = SqlStore(url)

        async def append(*sids: str) -> None:
            for sid in sids:
                await going_on(lambda sid=sid: written(store, lambda tx: tx.feed.append([given.floor(sid)])))  # type: ignore[misc]

        async with AsyncExitStack() as stack:
            await store.open()
            stack.push_async_callback(store.close)
            followed, credulous = Followed(store), Followed(cast("Store", Stored(store)))
            await append("both")
            strike = stack.enter_context(copy(server, url))
            await append("lost 1", "lost 2")
            before = await followed.knows(), await credulous.knows()

            await asyncio.to_thread(strike)
            await append("new 1", "new 2", "new 3")
            known, thought = await followed.knows(), await credulous.knows()

    assert before == ({"both", "lost 1", "lost 2"},) * 2
    assert known == {"both", "new 1", "new 2", "new 3"}
    assert thought == {"both", "lost 1", "lost 2", "new 3"}
