"""The feed over Redis: what it carries, and what it skips."""

import asyncio
import logging
import time

import pytest

from ostiary.core.floor import Document
from ostiary.errors import Misconfigured
from ostiary.feed.redis import RedisStream
from ostiary.redis import Seal
from tests.feed.streams import SECRET, batch, by_hand, come, floor, opened, secrets
from tests.servers.redis import Redis

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
        assert 0.19 < waited < 5
        assert one == (batch(1),)
        assert time.monotonic() - began < 5


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
