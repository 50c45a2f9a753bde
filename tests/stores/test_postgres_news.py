"""What a follower of PostgreSQL sends for its news: one statement, and nothing before or after it."""

from collections.abc import AsyncIterator, Callable

import pytest

from ostiary.core.floor import NONE_IS_GOOD, Entry, Floors, Head, News
from ostiary.feed.follower import Follower
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.postgres import Postgres as Database
from ostiary.testing import CHEAPEST, FakeClock
from ostiary.testing.conformance import given
from ostiary.testing.conformance.cancelling import Cancelled, cancelled_at
from ostiary.testing.conformance.given import written
from tests.stores.living import until


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[SqlStore]:
    """A store with one connection, so that it asks and is listened to on the same one."""
    store = SqlStore(postgres_url, connections=1)
    await store.open()
    yield store
    await store.close()


async def listening(store: SqlStore) -> tuple[list[str], Callable[[], None]]:
    """Note every statement that is sent on the store's connection from now on. Returns them, and what ends that."""
    sent: list[str] = []

    def note(record: object) -> None:
        sent.append(str(getattr(record, "query", record)))

    pool = database(store).opened().pool
    async with pool.acquire() as connection:
        raw = connection._con
        raw.add_query_logger(note)
    return sent, lambda: raw.remove_query_logger(note)


def database(store: SqlStore) -> Database:
    """Return the store's connections."""
    assert isinstance(store._database, Database)
    return store._database


def follower(store: SqlStore, floors: Floors) -> Follower:
    """Return a follower that has no documents to load."""

    async def load() -> None:
        pass

    return Follower(store=store, floors=floors, clock=FakeClock(), policy=CHEAPEST, load=load)


async def all_back(store: SqlStore) -> None:
    """Wait until every connection is back in the pool, and has said its last words."""
    opening = database(store).opened()

    async def back() -> bool:
        return not opening.leaving and opening.pool.get_idle_size() == opening.pool.get_size()

    await until(back, within=20)


async def test_one_statement(store: SqlStore) -> None:
    """A round that finds a logout sends one statement: no `BEGIN`, no `ROLLBACK`, no reset. One without news, too."""
    floors = Floors(CHEAPEST)
    following = follower(store, floors)
    await following.round()
    await written(store, lambda tx: tx.feed.append([given.floor("dead", NONE_IS_GOOD)]))
    await all_back(store)
    sent, stop = await listening(store)

    await following.round()
    await all_back(store)
    with_news = list(sent)
    await following.round()
    await all_back(store)
    stop()

    assert floors.of == {"dead": NONE_IS_GOOD}
    assert len(with_news) == 1
    assert "feed_head" in with_news[0]
    assert sent == with_news * 2


async def test_cancelled(store: SqlStore) -> None:
    """Who gives up while PostgreSQL is asked leaves no connection behind, and the next one is answered."""
    batch = await written(store, lambda tx: tx.feed.append([given.floor()]))

    async def ask() -> None:
        await store.news(0, limit=10)

    waits = 1
    while await cancelled_at(waits, ask(), after=0) is Cancelled.YES:
        waits += 1
    await all_back(store)

    assert waits > 1
    assert database(store).opened().pool.get_size() <= 1
    assert await store.news(0, limit=10) == News(Head(batch.incarnation, 1), (Entry(1, given.floor()),))
