"""A stream whose Redis is away, forgets or takes no writes: losing it costs nothing but speed."""

import asyncio
import logging
import time

import pytest

from ostiary.core.floor import Batch
from ostiary.errors import Unavailable
from ostiary.feed.redis import RedisStream
from tests.feed.streams import batch, by_hand, come, down, opened, secrets, up
from tests.servers.redis import Redis


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_away_and_back(own_redis: Redis, fault: str) -> None:
    """While Redis is away, `next` raises at once and `send` drops; when it is back, both go on by themselves."""
    async with opened(own_redis.url(), 2) as [one, two]:
        one.send(batch(1))
        await come(two)
        await asyncio.to_thread(own_redis.kill if fault == "killed" else own_redis.pause)
        one.send(batch(2))
        await down(one)
        await down(two)
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(Unavailable):
                await two.next(wait=5)
        for seq in range(3, 5000):
            one.send(batch(seq))
        at_once = time.monotonic() - began

        await asyncio.to_thread(own_redis.start if fault == "killed" else own_redis.resume)
        await up(one)
        await up(two)
        one.send(batch(5000))
        came: list[Batch] = []
        while batch(5000) not in came:
            came += await come(two)

        assert at_once < 10  # ten waits of five seconds are none


async def test_noticed_while_waiting(own_redis: Redis) -> None:
    """Who waits for news when Redis dies is told at once, not at the end of the wait."""
    async with opened(own_redis.url()) as [stream]:
        waiting = asyncio.create_task(stream.next(wait=30))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await asyncio.to_thread(own_redis.kill)
        with pytest.raises(Unavailable):
            await waiting

        assert time.monotonic() - began < 20


async def test_flushed(own_redis: Redis) -> None:
    """Redis forgets everything: the next batch comes as if nothing had been, even when its numbers begin lower."""
    async with opened(own_redis.url(), 2) as [one, two], by_hand(own_redis.url()) as (client, key):
        one.send(batch(1))
        await come(two)
        own_redis.flush()
        one.send(batch(2))
        assert await come(two) == [batch(2)]

        sealed = (await client.execute_command("XREVRANGE", key, "+", "-"))[0][1][b"batch"]
        own_redis.flush()
        await asyncio.sleep(1.2)  # by then who reads has asked once more where the stream stands
        await client.execute_command("XADD", key, "5-5", "batch", sealed)
        assert await come(two) == [batch(2)]


@pytest.mark.parametrize("how", ["full", "another type"])
async def test_takes_no_writes(own_redis: Redis, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that answers but takes no writes is as good as away: it is said once, and tried until it works."""
    async with opened(own_redis.url()) as [stream], by_hand(own_redis.url()) as (client, key):
        with caplog.at_level(logging.WARNING):
            if how == "full":
                await client.execute_command("CONFIG", "SET", "maxmemory", 1)
            else:
                await client.execute_command("SET", key, "x")
            stream.send(batch(1))
            await down(stream)
            await asyncio.sleep(0.5)
        said = [record.message for record in caplog.records]
        if how == "full":
            await client.execute_command("CONFIG", "SET", "maxmemory", 0)
        else:
            await client.execute_command("DEL", key)
        await up(stream)
        stream.send(batch(2))

        assert batch(2) in await come(stream, 1) + list(await stream.next(wait=1))
        assert len(said) == len(set(said)) <= 2


async def test_a_flood(url: str) -> None:
    """Nobody waits for a follower that is too slow, and it holds a bounded number of batches."""
    async with opened(url, 2) as [one, two]:
        for seq in range(1, 5001):
            one.send(batch(seq))
            if seq % 100 == 0:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.5)

        came = await two.next(wait=1)
        assert len(came) <= 1024
        assert came[-1] == batch(5000)


async def test_not_open(redis: Redis) -> None:
    """A stream that is not open, or not any more, carries nothing, and to send is no error."""
    stream = RedisStream(redis.url(), secrets=secrets)
    stream.send(batch(1))
    with pytest.raises(Unavailable):
        await stream.next(wait=5)
    await stream.open()
    waiting = asyncio.create_task(stream.next(wait=30))
    await asyncio.sleep(0.05)
    await stream.close()
    await stream.close()
    stream.send(batch(2))

    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await stream.next(wait=5)


def test_second_loop(url: str) -> None:
    """A stream that was closed serves the next event loop as it served the first."""
    stream = RedisStream(url, secrets=secrets)

    async def once(seq: int) -> list[Batch]:
        await stream.open()
        stream.send(batch(seq))
        came = await come(stream)
        await stream.close()
        return came

    assert [asyncio.run(once(n)) for n in (1, 2)] == [[batch(1)], [batch(2)]]


async def test_nothing_is_left(own_redis: Redis) -> None:
    """A stream that was closed, or could not be opened, leaves no task and no connection behind."""
    tasks = asyncio.all_tasks()
    stream = RedisStream(own_redis.url(), secrets=secrets)
    for _ in range(3):
        await stream.open()
        await stream.open()
        await stream.close()
    with pytest.raises(Unavailable):
        await RedisStream("redis://127.0.0.1:1", secrets=secrets).open()

    assert asyncio.all_tasks() == tasks
    assert own_redis.query("CLIENT", "LIST", "TYPE", "normal").count("addr=127.0.0.1") == 0
