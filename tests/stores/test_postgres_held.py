"""What others do to a PostgreSQL server is not everybody's trouble: a row that is held, a setting that is weak."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg

from ostiary.errors import Unavailable
from ostiary.stores.sql import SqlStore, place, server
from tests.servers.postgres import Postgres


async def test_a_held_row_leaves_readers_alone(postgres_url: str) -> None:
    """More writers wait for one row than there are connections: the follower still reads, so leases are renewed."""
    store = SqlStore(postgres_url, connections=4, patience=timedelta(seconds=2))
    await store.open()
    other = await asyncpg.connect(postgres_url)
    holding = other.transaction()
    await holding.start()
    await other.execute("SELECT id FROM feed_head FOR UPDATE")

    async def write() -> None:
        with suppress(Unavailable):
            async with store.write() as tx:
                await tx.documents.get("keys")

    waiting = [asyncio.create_task(write()) for _ in range(12)]
    await asyncio.sleep(0.2)
    async with asyncio.timeout(20), store.read() as tx:
        head = await tx.feed.head()
    still = [each.done() for each in waiting]
    await holding.rollback()
    await asyncio.gather(*waiting)
    await other.close()
    await store.close()

    assert head.seq == 0
    assert not any(still)


async def test_what_is_acknowledged_is_durable(postgres: Postgres) -> None:
    """A role that is told not to wait for the disk waits for it here."""
    url = postgres.database()
    postgres.query(f"ALTER DATABASE {urlsplit(url).path[1:]} SET synchronous_commit = off")

    connection = await server.connect(place.postgres_url(url), patience=5)

    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.close()
    postgres.drop(url)
