"""Streams over Redis as several processes have them, and a follower that counts its questions."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from ostiary.core.floor import NONE_IS_GOOD, Batch, Document, Entry, Floor, Floors
from ostiary.errors import Unavailable
from ostiary.feed.follower import Follower
from ostiary.feed.redis import RedisStream
from ostiary.ports import Stream
from ostiary.redis import Client, RedisPlace, Secrets
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST, FakeClock

SECRET = b"k" * 32
UNTIL = FakeClock().now()


def secrets() -> Sequence[bytes]:
    """Return what all processes know."""
    return [SECRET]


def floor(sid: str = "s1", number: int = NONE_IS_GOOD) -> Floor:
    """Return the floor of a session that was revoked."""
    return Floor(sid, number, UNTIL)


def batch(seq: int, *changes: Floor | Document, incarnation: str = "here") -> Batch:
    """Return a batch whose first entry has this number."""
    return Batch(incarnation, tuple(Entry(n, change) for n, change in enumerate(changes or (floor(f"s{seq}"),), seq)))


@asynccontextmanager
async def opened(url: str, count: int = 1, *, secrets: Secrets = secrets) -> AsyncGenerator[list[RedisStream]]:
    """Open several streams on one Redis, as many processes would."""
    streams = [RedisStream(url, secrets=secrets) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for stream in streams:
            await stream.open()
            stack.push_async_callback(stream.close)
        yield streams


@asynccontextmanager
async def by_hand(url: str) -> AsyncGenerator[tuple[Client, bytes]]:
    """Connect to Redis as somebody who may write everything there, and knows the key of the stream."""
    place = RedisPlace(url)
    client = await place.connect()
    try:
        yield client, place.key("feed")
    finally:
        await client.aclose()


async def come(stream: Stream, count: int = 1) -> list[Batch]:
    """Wait for so many batches, however they are bundled."""
    batches: list[Batch] = []
    async with asyncio.timeout(20):
        while len(batches) < count:
            batches += await stream.next(wait=1)
    return batches


async def until(condition: Callable[[], Any], within: float = 20) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def down(stream: Stream) -> None:
    """Wait until the stream says that it carries nothing."""
    async with asyncio.timeout(20):
        while True:
            try:
                await stream.next(wait=0.1)
            except Unavailable:
                return


async def up(stream: Stream) -> None:
    """Wait until the stream carries again."""
    async with asyncio.timeout(20):
        while True:
            try:
                await stream.next(wait=0)
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return


class Counted(Follower):
    """A follower that counts its questions to the store."""

    asked = 0

    async def round(self) -> Any:
        self.asked += 1
        return await super().round()


@asynccontextmanager
async def followed(url: str) -> AsyncGenerator[tuple[Counted, Floors, MemoryStore, RedisStream]]:
    """Follow a store by a stream, on a clock that stands: so nothing but the stream's news makes anybody ask."""
    store, floors, stream = MemoryStore(), Floors(CHEAPEST), RedisStream(url, secrets=secrets)

    async def load() -> None: ...

    follower = Counted(store=store, floors=floors, clock=FakeClock(), policy=CHEAPEST, load=load, stream=stream)
    await store.open()
    await stream.open()
    await follower.begin()
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0.05)  # the first round of `run` is over
    follower.asked = 1
    try:
        yield follower, floors, store, stream
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await stream.close()


async def appended(store: MemoryStore, *changes: Floor | Document) -> Batch:
    """Put changes on a store's feed."""
    async with store.write() as tx:
        return await tx.feed.append(changes)
