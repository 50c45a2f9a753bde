"""Counters and challenges in Redis when Redis fails, forgets, or is written to by somebody else."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.ports import Store
from ostiary.redis import RedisPlace
from ostiary.stores.memory import MemoryStore
from ostiary.testing.conformance import given
from ostiary.testing.conformance.cancelling import Cancelled, cancelled_at
from ostiary.testing.conformance.given import HOUR, MANY, NOW, read, written
from tests.servers.redis import Redis
from tests.stores.beside import beside


@pytest.fixture
async def store(own_redis: Redis) -> AsyncIterator[Store]:
    """An open store beside it."""
    store = beside(own_redis.url())
    await store.open()
    yield store
    await store.close()


# ------------------------------------------------------------------------------------------------ beside


async def test_counting_asks_nothing_of_the_store(own_redis: Redis) -> None:
    """A try is counted while somebody else writes in the store, whose writers take turns; and not after the block."""
    kept = MemoryStore()
    store = beside(own_redis.url(), kept)
    await store.open()
    async with kept.write(), asyncio.timeout(20):
        async with store.counting() as counters:
            assert await counters.swap({}, {"k": Counter(count=1, at=NOW)})
        with pytest.raises(RuntimeError):
            await counters.swap({}, {"l": Counter(count=1, at=NOW)})

    assert await read(store, lambda tx: tx.counters.get(["k", "l"])) == {"k": Counter(count=1, at=NOW)}
    await store.close()


# ------------------------------------------------------------------------------------------------ failing


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_away_and_back(own_redis: Redis, store: Store, fault: str) -> None:
    """While Redis is away each verb fails after a moment and, once that is known, at once; then all is well.

    Who asks holds a transaction of the store meanwhile, and a logout may wait for it. What needs no Redis goes on.
    """
    await written(store, lambda tx: tx.challenges.add(given.challenge()))
    await asyncio.to_thread(own_redis.kill if fault == "killed" else own_redis.pause)

    began = time.monotonic()
    with pytest.raises(Unavailable):
        await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=NOW)))
    first = time.monotonic() - began
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unavailable):
            await given.taken(store)
        with pytest.raises(Unavailable):
            await read(store, lambda tx: tx.counters.get(["k"]))
    twenty = time.monotonic() - began
    await given.ada(store)
    await asyncio.to_thread(own_redis.start if fault == "killed" else own_redis.resume)
    async with asyncio.timeout(20):
        found = await patiently(store)

    assert first < 10
    assert twenty < 10  # forty questions, of which the first took one second
    assert found == (None if fault == "killed" else given.challenge())


async def patiently(store: Store) -> object:
    """Take a challenge as soon as Redis is back."""
    while True:
        try:
            return await given.taken(store)
        except Unavailable:
            await asyncio.sleep(0.01)


async def test_all_at_once_when_it_freezes(own_redis: Redis, store: Store) -> None:
    """Fifty that ask a Redis that has just frozen all fail together; fifty more succeed after it."""
    own_redis.pause()
    began = time.monotonic()
    results = await asyncio.gather(
        *(read(store, lambda tx: tx.counters.get(["k"])) for _ in range(MANY)), return_exceptions=True
    )
    waited = time.monotonic() - began
    own_redis.resume()
    await patiently(store)

    assert all(isinstance(result, Unavailable) for result in results)
    assert waited < 10
    assert await asyncio.gather(*(read(store, lambda tx: tx.counters.get(["k"])) for _ in range(MANY))) == [{}] * MANY


async def test_restarted_between(own_redis: Redis, store: Store) -> None:
    """A Redis that was restarted while nobody asked is not noticed, save that it has forgotten everything."""
    await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=NOW)))
    await asyncio.to_thread(own_redis.restart)

    assert await read(store, lambda tx: given.counter(tx, "k")) is None


async def test_full(own_redis: Redis, store: Store) -> None:
    """A Redis that is full makes who must count fail, and goes on answering who only looks."""
    own_redis.query("CONFIG", "SET", "maxmemory", "1")

    with pytest.raises(Unavailable, match="is full"):
        await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=NOW)))
    assert await read(store, lambda tx: given.counter(tx, "k")) is None


async def test_cancelled_at_every_wait(store: Store) -> None:
    """Whoever is cancelled while Redis answers leaves the answer to nobody else."""
    mine, other = Counter(count=1, at=NOW), Counter(count=2, at=NOW)
    await written(store, lambda tx: tx.counters.swap({}, {"mine": mine, "other": other}))

    async def look() -> None:
        await read(store, lambda tx: tx.counters.get(["mine"]))

    for after in (0.0, 0.0001, 0.001):
        waits = 1
        while await cancelled_at(waits, look(), after=after) is Cancelled.YES and waits < 20:
            waits += 1
            looks = await asyncio.gather(*(read(store, lambda tx: tx.counters.get(["other"])) for _ in range(20)))
            assert looks == [{"other": other}] * 20


# ------------------------------------------------------------------------------------------------ what is kept


async def test_nothing_is_kept_for_ever(own_redis: Redis, store: Store) -> None:
    """Each counter and each challenge has an end in Redis: two days after a try, an hour after its own time."""
    await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=NOW)))
    for challenge in (
        given.challenge("soon", expires_at=NOW + HOUR),
        given.challenge("over", expires_at=NOW - 9 * HOUR),
    ):
        await written(store, lambda tx, challenge=challenge: tx.challenges.add(challenge))  # type: ignore[misc]
    keys = own_redis.query("KEYS", "*").split()
    left = {key: int(own_redis.query("PTTL", key)) / 3_600_000 for key in keys}

    assert set(left) == {
        "{ostiary}:counter:k",
        "{ostiary}:challenge:email:soon",
        "{ostiary}:challenge:email:over",
    }
    assert left["{ostiary}:counter:k"] == pytest.approx(48, abs=0.1)
    assert left["{ostiary}:challenge:email:soon"] == pytest.approx(2, abs=0.1)
    assert left["{ostiary}:challenge:email:over"] == pytest.approx(1, abs=0.1)


async def test_no_key_without_the_tag(own_redis: Redis) -> None:
    """Every key of ours has the hash tag of the prefix, so that a cluster keeps them together."""
    store = beside(own_redis.url(), prefix="another")
    await store.open()
    await written(store, lambda tx: tx.counters.swap({}, {"a{b}": Counter(count=1, at=NOW)}))
    await written(store, lambda tx: tx.challenges.add(given.challenge("{c}", purpose="{d}")))
    await store.close()

    assert all(key.startswith("{another}:") for key in own_redis.query("KEYS", "*").split())


async def test_forged_challenge(own_redis: Redis, store: Store) -> None:
    """Somebody who can write into Redis makes no challenge: not by another's seal, nor by one moved or prolonged."""
    await written(store, lambda tx: tx.challenges.add(given.challenge()))
    await written(store, lambda tx: tx.challenges.add(given.challenge("prolonged", expires_at=NOW - HOUR)))
    client = await RedisPlace(own_redis.url()).connect()
    key = b"{ostiary}:challenge:email:"
    ours: bytes = await client.execute_command("GET", key + b"digest")
    old: bytes = await client.execute_command("GET", key + b"prolonged")
    stranger = beside(own_redis.url(), secrets=lambda: [b"x" * 32])
    await stranger.open()
    await written(stranger, lambda tx: tx.challenges.add(given.challenge("forged")))
    for digest, value in {
        "moved": ours,
        "prolonged": ours[:20] + old[20:],
        "unsealed": ours[:20] + ours[52:],
        "cut": ours[:40],
        "empty": b"",
        "garbage": b"\xff" * 100,
    }.items():
        await client.execute_command("SET", key + digest.encode(), value)
    await client.execute_command("SET", b"{ostiary}:challenge:reset:digest", ours)
    await client.aclose()
    await stranger.close()

    for digest in ("moved", "prolonged", "unsealed", "cut", "empty", "garbage", "forged"):
        assert await given.taken(store, digest) is None
    assert await given.taken(store, purpose="reset") is None
    assert await given.taken(store) == given.challenge()


async def test_a_new_secret(own_redis: Redis) -> None:
    """A challenge that was sealed before the master key got a new version is good after it."""
    before = beside(own_redis.url(), secrets=lambda: [b"o" * 32])
    after = beside(own_redis.url(), secrets=lambda: [b"n" * 32, b"o" * 32])
    await before.open()
    await after.open()
    await written(before, lambda tx: tx.challenges.add(given.challenge()))
    taken = await given.taken(after)
    await before.close()
    await after.close()

    assert taken == given.challenge()


async def test_one_of_many_processes(own_redis: Redis) -> None:
    """Of fifty parallel takes by stores that know nothing of each other, exactly one gets the challenge."""
    stores = [beside(own_redis.url()) for _ in range(10)]
    await asyncio.gather(*(store.open() for store in stores))
    await written(stores[0], lambda tx: tx.challenges.add(given.challenge()))

    takes = await asyncio.gather(*(given.taken(store) for store in stores for _ in range(5)))
    await asyncio.gather(*(store.close() for store in stores))

    assert [take for take in takes if take is not None] == [given.challenge()]


async def test_no_try_is_lost_between_processes(own_redis: Redis) -> None:
    """Of tries that several stores count at once, in other transactions each, every one is counted."""
    stores = [beside(own_redis.url()) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))

    async def attempt(store: Store) -> None:
        swapped = False
        while not swapped:
            async with store.write() as tx:
                old = await tx.counters.get(["k"])
                count = old["k"].count + 1 if old else 1
                swapped = await tx.counters.swap(old, {"k": Counter(count=count, at=NOW)})

    await asyncio.gather(*(attempt(store) for store in stores for _ in range(10)))
    counted = await read(stores[0], lambda tx: given.counter(tx, "k"))
    await asyncio.gather(*(store.close() for store in stores))

    assert counted == Counter(count=50, at=NOW)


def test_second_loop(own_redis: Redis) -> None:
    """A store that was closed serves the next event loop as it served the first, and has what it had."""
    store = beside(own_redis.url())

    async def count() -> int:
        await store.open()
        before = await read(store, lambda tx: given.counter(tx, "k"))
        now = 1 if before is None else before.count + 1
        await written(store, lambda tx: given.put(tx, "k", Counter(count=now, at=NOW)))
        await store.close()
        return now

    assert [asyncio.run(count()) for _ in range(3)] == [1, 2, 3]


async def test_nothing_is_left(own_redis: Redis) -> None:
    """A store that was closed, even while Redis was away, leaves no task and no connection behind."""
    tasks = asyncio.all_tasks()
    store = beside(own_redis.url())
    await store.open()
    await store.open()
    await store.close()
    await store.open()
    own_redis.pause()
    with pytest.raises(Unavailable):
        await read(store, lambda tx: tx.counters.get(["k"]))
    await store.close()
    own_redis.resume()

    assert asyncio.all_tasks() == tasks
    assert own_redis.query("CLIENT", "LIST", "TYPE", "normal").count("addr=127.0.0.1") == 0
