"""The twin beside a Redis that fails, comes back, or takes no writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.stores.sql import sqlite_url
from ostiary.sync.stores.redis import RedisBeside
from ostiary.sync.stores.sql.store import SqlStore
from ostiary.sync.stream import RedisStream
from ostiary.testing import FakeClock
from ostiary.testing.conformance.given import NOW
from tests.feed.streams import batch, secrets
from tests.servers.redis import Redis
from tests.sync.living import until


@pytest.fixture
def store(own_redis: Redis, tmp_path: Path) -> Iterator[RedisBeside]:
    """An open store beside it."""
    kept = SqlStore(sqlite_url(tmp_path / "ostiary.db"), migrate=True)
    store = RedisBeside(kept, own_redis.url(), clock=FakeClock(NOW), secrets=secrets)
    store.open()
    yield store
    store.close()


@pytest.fixture
def streams(own_redis: Redis) -> Iterator[tuple[RedisStream, RedisStream]]:
    """Two streams, as two processes have them."""
    near, far = RedisStream(own_redis.url(), secrets=secrets), RedisStream(own_redis.url(), secrets=secrets)
    near.open()
    far.open()
    yield near, far
    near.close()
    far.close()


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_away_and_back(own_redis: Redis, store: RedisBeside, fault: str) -> None:
    """While Redis is away whoever counts is refused and does not wait for ever; the store goes on; then all is well."""
    (own_redis.kill if fault == "killed" else own_redis.pause)()
    try:
        for _ in range(3):
            with pytest.raises(Unavailable), store.counting() as counters:
                counters.swap({}, {"k": Counter(count=1, at=NOW)})
        with store.read() as tx:
            head = tx.feed.head()
    finally:
        (own_redis.start if fault == "killed" else own_redis.resume)()

    until(lambda: _counts(store))
    assert head.seq == 0


def _counts(store: RedisBeside) -> bool:
    try:
        with store.counting() as counters:
            counters.swap(counters.get(["k"]), {"k": Counter(count=7, at=NOW)})
        with store.counting() as counters:
            return counters.get(["k"]) == {"k": Counter(count=7, at=NOW)}
    except Unavailable:
        return False


def test_while_it_is_away_nobody_waits_for_it(own_redis: Redis, store: RedisBeside) -> None:
    """Of many who ask in a row few try whether it is back: the others are refused without a question."""
    own_redis.pause()
    try:
        asked = 0
        with pytest.raises(Unavailable), store.counting() as counters:
            counters.get(["k"])
        for _ in range(2000):
            with pytest.raises(Unavailable), store.counting() as counters:
                counters.get(["k"])
            asked += 1
    finally:
        own_redis.resume()

    assert asked == 2000  # each that waited would have waited a second


def test_it_carries(streams: tuple[RedisStream, RedisStream]) -> None:
    """What one process sends, the other takes in, once and in order."""
    near, far = streams
    came = [far.next(wait=0.01)]
    for seq in (1, 2, 3):
        near.send(batch(seq))
    came.append(far.next(wait=0.5))
    came.append(far.next(wait=0.01))

    assert came == [(), [batch(1), batch(2), batch(3)], ()]


def test_away_it_raises_and_then_carries_again(own_redis: Redis, streams: tuple[RedisStream, RedisStream]) -> None:
    """While Redis is away `next` raises, so that the store's bell is heard; what is sent after that arrives."""
    near, far = streams
    own_redis.kill()
    near.send(batch(1))
    for stream in (near, far):
        with pytest.raises(Unavailable):
            stream.next(wait=0.5)
    own_redis.start()
    until(lambda: _carries(near) and _carries(far))
    near.send(batch(2))

    assert batch(2) in _all_that_comes(far)


def test_takes_no_writes(own_redis: Redis, streams: tuple[RedisStream, RedisStream]) -> None:
    """A full Redis carries nothing, and says so; with room again, the newest batch is sent after all."""
    near, far = streams
    own_redis.query("CONFIG", "SET", "maxmemory", "1")
    near.send(batch(1))
    near.send(batch(2))
    with pytest.raises(Unavailable):
        near.next(wait=0.01)
    own_redis.query("CONFIG", "SET", "maxmemory", "0")
    near.next(wait=0.01)

    assert _all_that_comes(far) == [batch(2)]


def _carries(stream: RedisStream) -> bool:
    try:
        stream.next(wait=0.01)
    except Unavailable:
        return False
    return True


def _all_that_comes(stream: RedisStream) -> list[object]:
    came: list[object] = []

    def more() -> bool:
        came.extend(stream.next(wait=0.1))
        return bool(came)

    until(more)
    return came
