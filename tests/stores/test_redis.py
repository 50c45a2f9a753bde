"""Counters and challenges in Redis when Redis fails, forgets, or is written to by somebody else."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Misconfigured, Unavailable
from ostiary.feed.redis import RedisStream
from ostiary.ports import Store
from ostiary.redis import RedisPlace, Secrets
from ostiary.stores.memory import MemoryStore
from ostiary.stores.redis import RedisBeside
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.testing import FakeClock
from tests.conformance.suites import given
from tests.conformance.suites.cancelling import Cancelled, cancelled_at
from tests.conformance.suites.given import HOUR, MANY, NOW, read, written
from tests.servers.redis import Redis

PASSWORD = "correct-horse"


def beside(url: str, store: Store | None = None, *, secrets: Secrets = lambda: [b"k" * 32]) -> RedisBeside:
    """Return a store with Redis beside it."""
    return RedisBeside(store or MemoryStore(), url, clock=FakeClock(NOW), secrets=secrets)


@pytest.fixture
def own() -> Iterator[Redis]:
    """A Redis that a test may break, with a password."""
    with Redis(password=PASSWORD) as server:
        yield server


@pytest.fixture
async def store(own: Redis) -> AsyncIterator[Store]:
    """An open store beside it."""
    store = beside(own.url())
    await store.open()
    yield store
    await store.close()


# ------------------------------------------------------------------------------------------------ opening


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Listen like a Redis that has but one answer to whatever is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(10_000):
            writer.write(answer * max(1, len(re.findall(rb"^\*\d+\r$", asked, re.MULTILINE))))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


HELLO = b"*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$%d\r\n%b\r\n"


async def refusal(url: str) -> tuple[type[Exception], str]:
    """Return how a store beside this Redis refuses to open. The stream must refuse in the same words."""
    found: list[tuple[type[Exception], str]] = []
    for each in (beside(url), RedisStream(url, secrets=lambda: [b"k" * 32])):
        with pytest.raises((Misconfigured, Unavailable)) as caught:
            await asyncio.wait_for(each.open(), timeout=3)
        found.append((Misconfigured if caught.type is Misconfigured else Unavailable, str(caught.value)))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("who", ["", ":wrong", "nobody:correct-horse", ":%00"])
async def test_wrong_password(own: Redis, who: str) -> None:
    """Who is refused is told so in one line, in which there is no password."""
    kind, said = await refusal(f"redis://{who}@127.0.0.1:{own.port}")

    assert kind is Misconfigured
    assert said == f"Redis at 127.0.0.1:{own.port} refuses the user or the password"


async def test_not_permitted(own: Redis) -> None:
    """A user who may not do what is needed is refused at the start, not at the first login."""
    for permitted in (["+@all", "-eval"], ["+@all", "-set", "-xadd"], ["+@read", "+@connection"]):
        own.query("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~*", *permitted)
        if permitted == ["+@all", "-eval"]:
            with pytest.raises(Misconfigured, match="does not permit"):
                await beside(f"redis://limited:pw@127.0.0.1:{own.port}").open()
            continue
        kind, said = await refusal(f"redis://limited:pw@127.0.0.1:{own.port}")
        assert kind is Misconfigured
        assert said == f"Redis at 127.0.0.1:{own.port} does not permit this user a command or a key that is needed"

    own.query("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~other*", "+@all")
    assert (await refusal(f"redis://limited:pw@127.0.0.1:{own.port}"))[0] is Misconfigured


async def test_permitted_what_is_needed(own: Redis) -> None:
    """A user with no more than our own keys, and the commands that we use, is enough."""
    commands = ["+get", "+set", "+del", "+mget", "+eval", "+xadd", "+xread", "+xrevrange", "+hello", "+ping"]
    own.query("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~{ostiary}:*", *commands)
    url = f"redis://limited:pw@127.0.0.1:{own.port}"
    store, stream = beside(url), RedisStream(url, secrets=lambda: [b"k" * 32])
    await store.open()
    await stream.open()
    await written(store, lambda tx: tx.challenges.add(given.challenge()))
    taken = await given.taken(store)
    await stream.close()
    await store.close()

    assert taken == given.challenge()


@pytest.mark.parametrize(("version", "fits"), [(b"6.2.14", False), (b"7.2.4", True), (b"8.0.0", True), (b"10.1", True)])
async def test_version(version: bytes, *, fits: bool) -> None:
    """A Redis before 7 is refused with its version; Valkey, which says 7.2.4 or more, is not."""
    async with answering(HELLO % (len(version), version)) as url:
        place = RedisPlace(url)
        if fits:
            await (await place.connect()).aclose()
        else:
            assert await refusal(url) == (
                Misconfigured,
                f"{place.name} has version 6.2.14; Redis 7 or newer, or Valkey, is needed",
            )


async def test_replica(own: Redis) -> None:
    """A replica, which takes no writes, is refused."""
    own.query("REPLICAOF", "127.0.0.1", "1")

    kind, said = await refusal(own.url())

    assert (kind, said) == (Misconfigured, f"Redis at 127.0.0.1:{own.port} is a replica, which takes no writes")


async def test_unreachable() -> None:
    """Where nobody listens the store is unavailable, at once."""
    assert await refusal("redis://:pw@127.0.0.1:1") == (Unavailable, "Redis at 127.0.0.1:1 cannot be reached")


async def test_silent(own: Redis) -> None:
    """Where somebody listens who does not answer, the store is unavailable within about a second."""
    own.pause()
    began = time.monotonic()

    with pytest.raises(Unavailable, match="does not answer in time"):
        await beside(own.url()).open()
    assert time.monotonic() - began < 1.5


async def test_not_a_redis() -> None:
    """Where something else than Redis answers, the store does not open."""
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert (await refusal(url))[0] is Unavailable


async def test_what_failed_to_open_is_closed(tmp_path: Path) -> None:
    """When Redis refuses, the store beside it is closed again."""
    inner = SqlStore(sqlite_url(tmp_path / "ostiary.db"), migrate=True)
    with pytest.raises(Unavailable):
        await beside("redis://127.0.0.1:1", inner).open()

    with pytest.raises(Unavailable):
        await read(inner, lambda tx: tx.users.get("ada"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://h:1",
        "redis://:secret/more@h:1",
        "redis://:12/secret@h:1",
        "redis://:12?secret@h:1",
        "redis://:12#secret@h:1",
        "redis://:secret#x@h:1",
        "redis://h:secret",
        "redis://h:99999",
        "redis://h:1/secret",
        "redis://h:1/0?ssl_cert_reqs=none",
        "redis://h:1/0?protocol=3",
        "redis://h:1/0?secret",
        "redis://[secret@h:1",
    ],
)
def test_odd_address(url: str) -> None:
    """An address that cannot be meant is refused with how to write one, and nothing of it is repeated."""
    with pytest.raises(Misconfigured) as caught:
        RedisPlace(url)
    assert "percent-encoded" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://", "Redis at localhost"),
        ("redis://ada:p%40ss%2Fword@h:1/3", "Redis at h:1"),
        ("rediss://:p@ss@[::1]:1", "Redis at [::1]:1"),
        ("unix:///run/redis.sock?db=2", "Redis at /run/redis.sock"),
    ],
)
def test_name(url: str, name: str) -> None:
    """A server is called by where it is, without who we are there."""
    place = RedisPlace(url)

    assert place.name == name
    assert "ss" not in repr(place).replace("RedisPlace", "")


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a{", "}"])
def test_odd_prefix(prefix: str) -> None:
    """A prefix that would break the hash tag is refused."""
    with pytest.raises(Misconfigured):
        RedisPlace("redis://", prefix=prefix)


# ------------------------------------------------------------------------------------------------ failing


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_away_and_back(own: Redis, store: Store, fault: str) -> None:
    """While Redis is away each verb fails within about a second and, once that is known, at once; then all is well.

    Who asks holds a transaction of the store meanwhile, and a logout may wait for it. What needs no Redis goes on.
    """
    await written(store, lambda tx: tx.challenges.add(given.challenge()))
    await asyncio.to_thread(own.kill if fault == "killed" else own.pause)

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
    await asyncio.to_thread(own.start if fault == "killed" else own.resume)
    async with asyncio.timeout(5):
        found = await patiently(store)

    assert first < 1.5
    assert twenty < 0.2
    assert found == (None if fault == "killed" else given.challenge())


async def patiently(store: Store) -> object:
    """Take a challenge as soon as Redis is back."""
    while True:
        try:
            return await given.taken(store)
        except Unavailable:
            await asyncio.sleep(0.01)


async def test_all_at_once_when_it_freezes(own: Redis, store: Store) -> None:
    """Fifty that ask a Redis that has just frozen all fail within about a second, and fifty more succeed after it."""
    own.pause()
    began = time.monotonic()
    results = await asyncio.gather(
        *(read(store, lambda tx: tx.counters.get(["k"])) for _ in range(MANY)), return_exceptions=True
    )
    waited = time.monotonic() - began
    own.resume()
    await patiently(store)

    assert all(isinstance(result, Unavailable) for result in results)
    assert waited < 2
    assert await asyncio.gather(*(read(store, lambda tx: tx.counters.get(["k"])) for _ in range(MANY))) == [{}] * MANY


async def test_restarted_between(own: Redis, store: Store) -> None:
    """A Redis that was restarted while nobody asked is not noticed, save that it has forgotten everything."""
    await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=NOW)))
    await asyncio.to_thread(own.restart)

    assert await read(store, lambda tx: given.counter(tx, "k")) is None


async def test_full(own: Redis, store: Store) -> None:
    """A Redis that is full makes who must count fail, and goes on answering who only looks."""
    own.query("CONFIG", "SET", "maxmemory", "1")

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


async def test_nothing_is_kept_for_ever(own: Redis, store: Store) -> None:
    """Each counter and each challenge has an end in Redis: two days after a try, an hour after its own time."""
    await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=NOW)))
    for challenge in (
        given.challenge("soon", expires_at=NOW + HOUR),
        given.challenge("over", expires_at=NOW - 9 * HOUR),
    ):
        await written(store, lambda tx, challenge=challenge: tx.challenges.add(challenge))  # type: ignore[misc]
    keys = own.query("KEYS", "*").split()
    left = {key: int(own.query("PTTL", key)) / 3_600_000 for key in keys}

    assert set(left) == {
        "{ostiary}:counter:k",
        "{ostiary}:challenge:email:soon",
        "{ostiary}:challenge:email:over",
    }
    assert left["{ostiary}:counter:k"] == pytest.approx(48, abs=0.1)
    assert left["{ostiary}:challenge:email:soon"] == pytest.approx(2, abs=0.1)
    assert left["{ostiary}:challenge:email:over"] == pytest.approx(1, abs=0.1)


async def test_no_key_without_the_tag(own: Redis) -> None:
    """Every key of ours has the hash tag of the prefix, so that a cluster keeps them together."""
    store = RedisBeside(MemoryStore(), own.url(), clock=FakeClock(NOW), secrets=lambda: [b"k" * 32], prefix="another")
    await store.open()
    await written(store, lambda tx: tx.counters.swap({}, {"a{b}": Counter(count=1, at=NOW)}))
    await written(store, lambda tx: tx.challenges.add(given.challenge("{c}", purpose="{d}")))
    await store.close()

    assert all(key.startswith("{another}:") for key in own.query("KEYS", "*").split())


async def test_forged_challenge(own: Redis, store: Store) -> None:
    """Somebody who can write into Redis makes no challenge: not by another's seal, nor by one moved or prolonged."""
    await written(store, lambda tx: tx.challenges.add(given.challenge("digest", expires_at=NOW + HOUR)))
    client = await RedisPlace(own.url()).connect()
    key = b"{ostiary}:challenge:email:"
    ours: bytes = await client.execute_command("GET", key + b"digest")
    stranger = beside(own.url(), secrets=lambda: [b"x" * 32])
    await stranger.open()
    await written(stranger, lambda tx: tx.challenges.add(given.challenge("forged")))
    for digest, value in {
        "moved": ours,
        "prolonged": b"9" * 20 + ours[20:],
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


async def test_a_new_secret(own: Redis) -> None:
    """A challenge that was sealed before the master key got a new version is good after it."""
    before = beside(own.url(), secrets=lambda: [b"o" * 32])
    after = beside(own.url(), secrets=lambda: [b"n" * 32, b"o" * 32])
    await before.open()
    await after.open()
    await written(before, lambda tx: tx.challenges.add(given.challenge()))
    taken = await given.taken(after)
    await before.close()
    await after.close()

    assert taken == given.challenge()


async def test_one_of_many_processes(own: Redis) -> None:
    """Of fifty parallel takes by stores that know nothing of each other, exactly one gets the challenge."""
    stores = [beside(own.url()) for _ in range(10)]
    await asyncio.gather(*(store.open() for store in stores))
    await written(stores[0], lambda tx: tx.challenges.add(given.challenge()))

    takes = await asyncio.gather(*(given.taken(store) for store in stores for _ in range(5)))
    await asyncio.gather(*(store.close() for store in stores))

    assert [take for take in takes if take is not None] == [given.challenge()]


async def test_no_try_is_lost_between_processes(own: Redis) -> None:
    """Of tries that several stores count at once, in other transactions each, every one is counted."""
    stores = [beside(own.url()) for _ in range(5)]
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


def test_second_loop(own: Redis) -> None:
    """A store that was closed serves the next event loop as it served the first, and has what it had."""
    store = beside(own.url())

    async def count() -> int:
        await store.open()
        before = await read(store, lambda tx: given.counter(tx, "k"))
        now = 1 if before is None else before.count + 1
        await written(store, lambda tx: given.put(tx, "k", Counter(count=now, at=NOW)))
        await store.close()
        return now

    assert [asyncio.run(count()) for _ in range(3)] == [1, 2, 3]


async def test_nothing_is_left(own: Redis) -> None:
    """A store that was closed, even while Redis was away, leaves no task and no connection behind."""
    tasks = asyncio.all_tasks()
    store = beside(own.url())
    await store.open()
    await store.open()
    await store.close()
    await store.open()
    own.pause()
    with pytest.raises(Unavailable):
        await read(store, lambda tx: tx.counters.get(["k"]))
    await store.close()
    own.resume()

    assert asyncio.all_tasks() == tasks
    assert own.query("CLIENT", "LIST", "TYPE", "normal").count("addr=127.0.0.1") == 0
