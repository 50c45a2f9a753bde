"""A connection that PostgreSQL has ended, and that nobody has noticed yet, is a store that cannot answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from ostiary.errors import Unavailable
from ostiary.stores.sql import SqlStore
from tests.servers.postgres import Postgres

END_ALL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
)


@asynccontextmanager
async def late_end(port: int) -> AsyncGenerator[int]:
    """Lead to a port. That the other end has hung up is heard here half a second later."""
    joined: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(10_000):
                writer.write(chunk)

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        there = asyncio.create_task(pump(reader, far_writer))
        await pump(far_reader, writer)
        await asyncio.sleep(0.5)
        for end in (far_writer, writer):
            end.transport.abort()
        await there

    def joins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        joined.add(asyncio.create_task(join(reader, writer)))

    async with await asyncio.start_server(joins, "127.0.0.1", 0) as serving:
        yield serving.sockets[0].getsockname()[1]
        await asyncio.wait(joined)


async def test_ended_and_not_noticed(postgres: Postgres, migrated: str) -> None:
    """Told within a transaction that its connection ends, a block is `Unavailable`, and the next one works."""
    async with late_end(postgres.port) as port:
        store = SqlStore(migrated.replace(f":{postgres.port}/", f":{port}/"))
        await store.open()
        with pytest.raises(Unavailable):  # noqa: PT012 - the block is what fails
            async with store.read() as tx:
                await tx.feed.head()
                await asyncio.to_thread(postgres.query, END_ALL.format(urlsplit(migrated).path[1:]))
                await asyncio.sleep(0.1)
                await tx.feed.head()
        async with store.read() as tx:
            head = await tx.feed.head()
        await store.close()

    assert head.seq >= 0
