"""A Redis that cannot be used is refused at the start, in one line that says why and holds no password."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ostiary.errors import Misconfigured, Unavailable
from ostiary.feed.redis import RedisStream
from ostiary.redis import RedisPlace
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import read, written
from tests.servers.redis import Redis
from tests.stores.beside import beside


@asynccontextmanager
async def answering(answer: bytes) -> AsyncGenerator[str]:
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
async def test_wrong_password(own_redis: Redis, who: str) -> None:
    """Who is refused is told so in one line, in which there is no password."""
    kind, said = await refusal(f"redis://{who}@127.0.0.1:{own_redis.port}")

    assert kind is Misconfigured
    assert said == f"Redis at 127.0.0.1:{own_redis.port} refuses the user or the password"


@pytest.mark.parametrize(
    "rights",
    [["~*", "+@all", "-eval", "-xadd"], ["~*", "+@all", "-set", "-xread"], ["~*", "+@read"], ["~other*", "+@all"]],
    ids=" ".join,
)
async def test_not_permitted(own_redis: Redis, rights: list[str]) -> None:
    """A user who may not do what is needed is refused at the start, not at the first login."""
    own_redis.query("ACL", "SETUSER", "limited", "reset", "on", ">pw", "+hello", *rights)

    kind, said = await refusal(f"redis://limited:pw@127.0.0.1:{own_redis.port}")

    assert kind is Misconfigured
    assert said.endswith("does not permit this user a command or a key that is needed")


async def test_permitted_what_is_needed(own_redis: Redis) -> None:
    """A user with no more than our own keys, and the commands that we use, is enough."""
    commands = ["+get", "+set", "+del", "+mget", "+eval", "+xadd", "+xread", "+xrevrange", "+hello", "+ping"]
    own_redis.query("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~{ostiary}:*", *commands)
    url = f"redis://limited:pw@127.0.0.1:{own_redis.port}"
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


async def test_replica(own_redis: Redis) -> None:
    """A replica, which takes no writes, is refused."""
    own_redis.query("REPLICAOF", "127.0.0.1", "1")

    kind, said = await refusal(own_redis.url())

    assert (kind, said) == (Misconfigured, f"Redis at 127.0.0.1:{own_redis.port} is a replica, which takes no writes")


async def test_unreachable() -> None:
    """Where nobody listens the store is unavailable, at once."""
    assert await refusal("redis://:pw@127.0.0.1:1") == (Unavailable, "Redis at 127.0.0.1:1 cannot be reached")


async def test_silent(own_redis: Redis) -> None:
    """Where somebody listens who does not answer, the store is unavailable after a moment."""
    own_redis.pause()
    began = time.monotonic()

    with pytest.raises(Unavailable, match="does not answer in time"):
        await beside(own_redis.url()).open()
    assert time.monotonic() - began < 10


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


async def test_closed_under_our_hands() -> None:
    """A connection that is closed under a command is a server that is away, in whatever words uvloop says it."""
    place = RedisPlace("redis://localhost:1")

    with pytest.raises(Unavailable, match="Redis at localhost:1 cannot be reached"):
        async with place.asking():
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
