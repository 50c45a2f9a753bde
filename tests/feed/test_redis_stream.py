"""The feed over Redis: what it carries, what it skips, and that losing it costs nothing but speed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from ostiary.core.floor import NONE_IS_GOOD, Batch, Document, Entry, Floor, Floors, Head
from ostiary.errors import Misconfigured, Unavailable
from ostiary.feed.follower import Follower
from ostiary.feed.redis import RedisStream
from ostiary.ports import Stream
from ostiary.redis import Client, RedisPlace, Seal, Secrets
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST, FakeClock
from tests.servers.redis import Redis

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


@pytest.fixture
def url(redis: Redis) -> str:
    """The URL of an empty Redis."""
    redis.flush()
    return redis.url()


@pytest.fixture
def own() -> Iterator[Redis]:
    """A Redis that a test may break."""
    with Redis() as server:
        yield server


@asynccontextmanager
async def opened(url: str, count: int = 1, *, secrets: Secrets = secrets) -> AsyncIterator[list[RedisStream]]:
    """Open several streams on one Redis, as many processes would."""
    streams = [RedisStream(url, secrets=secrets) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for stream in streams:
            await stream.open()
            stack.push_async_callback(stream.close)
        yield streams


@asynccontextmanager
async def by_hand(url: str) -> AsyncIterator[tuple[Client, bytes]]:
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
    async with asyncio.timeout(10):
        while len(batches) < count:
            batches += await stream.next(wait=1)
    return batches


async def until(condition: Callable[[], Any], within: float = 10) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def down(stream: Stream) -> None:
    """Wait until the stream says that it carries nothing."""
    async with asyncio.timeout(10):
        while True:
            try:
                await stream.next(wait=0.1)
            except Unavailable:
                return


async def up(stream: Stream) -> None:
    """Wait until the stream carries again."""
    async with asyncio.timeout(10):
        while True:
            try:
                await stream.next(wait=0)
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return


# ------------------------------------------------------------------------------------------------ carrying


async def test_everybody_gets_everything(url: str) -> None:
    """Each batch comes to every process once, the sender's own included, in order and exactly as it was sent."""
    sent = [
        batch(1, floor("s1", 2), Document("keys", 7), floor("s2")),
        batch(4, floor("odd \0 🦉", -1)),
        batch(5, Document("", 0), incarnation="elsewhere"),
    ]
    async with opened(url, 3) as streams:
        for each in sent:
            streams[0].send(each)

        assert [await come(stream, 3) for stream in streams] == [sent] * 3
        assert [await stream.next(wait=0) for stream in streams] == [()] * 3


async def test_only_what_came_since(url: str) -> None:
    """Who opens the stream later gets what is sent from then on: what was before, the snapshot has."""
    async with opened(url) as [early]:
        early.send(batch(1))
        await come(early)
        async with opened(url) as [late]:
            early.send(batch(2))

            assert await come(late) == [batch(2)]


async def test_waiting(url: str) -> None:
    """`next` waits as long as it is told, and not a moment longer once something comes."""
    async with opened(url) as [stream]:
        began = time.monotonic()
        nothing = await stream.next(wait=0.2)
        waited = time.monotonic() - began
        asyncio.get_running_loop().call_later(0.1, stream.send, batch(1))
        one = await stream.next(wait=5)

        assert nothing == ()
        assert 0.2 <= waited < 0.5
        assert one == (batch(1),)
        assert time.monotonic() - began < 1


async def test_the_stream_is_short(redis: Redis, url: str) -> None:
    """However much is sent, Redis keeps some thousands of batches."""
    async with opened(url) as [stream]:
        for seq in range(1, 10_001):
            stream.send(batch(seq))
            if seq % 500 == 0:
                await come(stream, 500)

        assert 4096 <= int(redis.query("XLEN", "{ostiary}:feed")) < 4096 + 200


# ------------------------------------------------------------------------------------------------ what is not ours


def flipped(sealed: bytes, at: int) -> bytes:
    """Return the bytes with one bit changed."""
    return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


async def test_forged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is taken in that was not sealed by one of us for this very stream, and that is said once."""
    async with opened(url) as [stream], by_hand(url) as (client, key):
        stream.send(batch(1))
        await come(stream)
        [[_, fields]] = await client.execute_command("XREVRANGE", key, "+", "-", "COUNT", 1)
        ours: bytes = fields[b"batch"]
        forgeries = [
            *(flipped(ours, at) for at in range(len(ours))),
            *(ours[:length] for length in range(len(ours))),
            ours + b"\0",
            ours[32:],
            bytes(32) + ours[32:],
            Seal(lambda: [b"x" * 32]).seal(ours[32:], key=key),
            Seal(secrets).seal(ours[32:], key=key[:-1] + b"2"),
            Seal(secrets).seal(b"another version of us", key=key),
            b"\xc1" * 100_000,
        ]

        with caplog.at_level(logging.WARNING):
            for forgery in forgeries:
                await client.execute_command("XADD", key, "*", "batch", forgery)
            await client.execute_command("XADD", key, "*", "something", "else", "batches", ours)
            stream.send(batch(2))
            came = await come(stream)

    assert came == [batch(2)]
    assert [record.message for record in caplog.records] == [
        "the stream holds entries that are not ours, or sealed by another key file; they are skipped"
    ]


async def test_a_forged_number_hides_nothing(url: str) -> None:
    """Somebody who can write into Redis puts an entry in the place of a logout to come: the logout is noticed.

    Without a seal the view would go past that number, and take the real entry for one that it has seen.
    """
    async with followed(url) as (follower, floors, store, stream):
        head = floors.head
        assert head is not None
        forged = batch(head.seq + 1, floor("nobody", 1), incarnation=head.incarnation)
        async with opened(url, secrets=lambda: [b"x" * 32]) as [attacker]:
            attacker.send(forged)
            await come(attacker)
        await asyncio.sleep(0.1)
        logout = await appended(store, floor("ada"))
        stream.send(logout)
        await until(lambda: "ada" in floors.of, within=CHEAPEST.lease.total_seconds())

        assert floors.of == {"ada": NONE_IS_GOOD}
        assert floors.head == Head(head.incarnation, head.seq + 1)
        assert follower.asked == 1


async def test_a_new_secret(url: str) -> None:
    """While the master key gets a new version, who knows both takes in what either has sealed."""
    old, new = b"o" * 32, b"n" * 32
    async with opened(url, secrets=lambda: [old]) as [before], opened(url, secrets=lambda: [new, old]) as [after]:
        before.send(batch(1))
        assert await come(after) == [batch(1)]
        after.send(batch(2))
        assert await come(after) == [batch(2)]


@pytest.mark.parametrize("bad", [[], [b""], [b"k" * 31], [SECRET, b""]], ids=["none", "empty", "short", "one empty"])
async def test_no_secret(url: str, bad: list[bytes]) -> None:
    """Without a good secret the stream does not open."""
    with pytest.raises(Misconfigured, match="32 bytes"):
        await RedisStream(url, secrets=lambda: bad).open()


# ------------------------------------------------------------------------------------------------ under a follower


class Counted(Follower):
    """A follower that counts its questions to the store."""

    asked = 0

    async def round(self) -> Any:
        self.asked += 1
        return await super().round()


@asynccontextmanager
async def followed(url: str) -> AsyncIterator[tuple[Counted, Floors, MemoryStore, RedisStream]]:
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


async def test_no_question_for_a_change(url: str) -> None:
    """A follower takes in a thousand changes of other processes without a question to the store."""
    async with followed(url) as (follower, floors, store, _), opened(url) as [sender]:
        for n in range(1000):
            sender.send(await appended(store, floor(f"s{n}")))
            await asyncio.sleep(0)
        await until(lambda: len(floors.of) == 1000)

        async with store.read() as tx:
            assert floors.head == await tx.feed.head()
        assert follower.asked == 1


async def test_lost(url: str) -> None:
    """A batch that never came is found missing at the next, which is in force all the same, and asked for."""
    async with followed(url) as (follower, floors, store, stream):
        await appended(store, floor("lost"))
        stream.send(await appended(store, floor("came")))
        await until(lambda: len(floors.of) == 2)

        assert set(floors.of) == {"lost", "came"}
        assert follower.asked > 1


async def test_doubled_and_out_of_order(url: str) -> None:
    """Whatever order batches come in and however often, each is in force once and none is missing."""
    async with followed(url) as (_, floors, store, stream):
        batches = [await appended(store, floor("s", n)) for n in range(1, 6)]
        for each in (batches[3], batches[1], batches[1], batches[4], batches[0], batches[2], *batches):
            stream.send(each)
        await until(lambda: floors.head is not None and floors.head.seq == 5)
        await asyncio.sleep(0.05)

        async with store.read() as tx:
            assert floors.head == await tx.feed.head()
        assert floors.of == {"s": 5}


async def test_old_batches_again(url: str) -> None:
    """Somebody puts back into Redis what we once sealed: no floor sinks, and the view does not move."""
    async with followed(url) as (_, floors, store, stream), by_hand(url) as (client, key):
        for n in range(1, 4):
            stream.send(await appended(store, floor("s", n)))
        await until(lambda: floors.of == {"s": 3})
        entries = await client.execute_command("XRANGE", key, "-", "+")
        for _, fields in entries:
            await client.execute_command("XADD", key, "*", "batch", fields[b"batch"])
        stream.send(await appended(store, floor("t", 1)))
        await until(lambda: "t" in floors.of)

        assert floors.of == {"s": 3, "t": 1}
        assert floors.head is not None
        assert floors.head.seq == 4


async def test_another_incarnation(url: str) -> None:
    """A batch of another history raises nothing here, and makes the follower ask which history it is in."""
    async with followed(url) as (follower, floors, _, stream):
        stream.send(batch(1, floor("s"), incarnation="another"))
        await until(lambda: follower.asked > 1)

        assert floors.of == {}


# ------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_away_and_back(own: Redis, fault: str) -> None:
    """While Redis is away, `next` raises at once and `send` drops; when it is back, both go on by themselves."""
    async with opened(own.url(), 2) as [one, two]:
        one.send(batch(1))
        await come(two)
        await asyncio.to_thread(own.kill if fault == "killed" else own.pause)
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

        await asyncio.to_thread(own.start if fault == "killed" else own.resume)
        await up(one)
        await up(two)
        one.send(batch(5000))
        came: list[Batch] = []
        while batch(5000) not in came:
            came += await come(two)

        assert at_once < 0.5


async def test_noticed_while_waiting(own: Redis) -> None:
    """Who waits for news when Redis dies is told at once, not at the end of the wait."""
    async with opened(own.url()) as [stream]:
        waiting = asyncio.create_task(stream.next(wait=30))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await asyncio.to_thread(own.kill)
        with pytest.raises(Unavailable):
            await waiting

        assert time.monotonic() - began < 1


async def test_flushed(own: Redis) -> None:
    """Redis forgets everything: the next batch comes as if nothing had been, even when its numbers begin lower."""
    async with opened(own.url(), 2) as [one, two], by_hand(own.url()) as (client, key):
        one.send(batch(1))
        await come(two)
        own.flush()
        one.send(batch(2))
        assert await come(two) == [batch(2)]

        sealed = (await client.execute_command("XREVRANGE", key, "+", "-"))[0][1][b"batch"]
        own.flush()
        await asyncio.sleep(1.2)  # by then who reads has asked once more where the stream stands
        await client.execute_command("XADD", key, "5-5", "batch", sealed)
        assert await come(two) == [batch(2)]


@pytest.mark.parametrize("how", ["full", "another type"])
async def test_takes_no_writes(own: Redis, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that answers but takes no writes is as good as away: it is said once, and tried until it works."""
    async with opened(own.url()) as [stream], by_hand(own.url()) as (client, key):
        with caplog.at_level(logging.WARNING):
            if how == "full":
                await client.execute_command("CONFIG", "SET", "maxmemory", 1)
            else:
                await client.execute_command("SET", key, "x")
            stream.send(batch(1))
            await down(stream)
            await asyncio.sleep(0.5)
        said = {record.message for record in caplog.records}
        if how == "full":
            await client.execute_command("CONFIG", "SET", "maxmemory", 0)
        else:
            await client.execute_command("DEL", key)
        await up(stream)
        stream.send(batch(2))

        assert batch(2) in await come(stream, 1) + list(await stream.next(wait=1))
        assert len(caplog.records) == len(said) <= 2


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


async def test_nothing_is_left(own: Redis) -> None:
    """A stream that was closed, or could not be opened, leaves no task and no connection behind."""
    tasks = asyncio.all_tasks()
    stream = RedisStream(own.url(), secrets=secrets)
    for _ in range(3):
        await stream.open()
        await stream.open()
        await stream.close()
    with pytest.raises(Unavailable):
        await RedisStream("redis://127.0.0.1:1", secrets=secrets).open()

    assert asyncio.all_tasks() == tasks
    assert own.query("CLIENT", "LIST", "TYPE", "normal").count("addr=127.0.0.1") == 0
