"""Carries the feed over a Redis stream, to many processes on many machines. The store stays the truth.

One entry of the stream is one batch, sealed: a forged one could pass for the next `seq` and hide the real one, so a
batch without our mark is skipped. Old batches that somebody puts there again say nothing new.

| what happens                            | then                                                                     |
|-----------------------------------------|--------------------------------------------------------------------------|
| Redis is away, or takes no writes       | `next` raises at once, the follower uses the store's own bell            |
| it is back                              | we go on from what it has now; what was missed, the follower asks for     |
| it has forgotten everything             | the same: the next batch is found wherever the stream begins anew        |
| more to send or to take in than we hold | some is dropped, and found missing by its `seq`                          |
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, cast

import msgspec

from ostiary.core.floor import Batch, Document, Entry, Floor
from ostiary.errors import Unavailable
from ostiary.redis import Address, Client, RedisPlace, Seal, Secrets

log = logging.getLogger("ostiary.feed")

MOST_KEPT: Final = 4096
"""Batches in the stream, about. Followers need but the newest."""

_MOST_WAITING: Final = 1024
"""Batches that wait here to be sent, or to be taken in."""

_BLOCK: Final = 1.0
"""Seconds that Redis holds a question for new batches."""

_PAUSES: Final = (0.05, 1.0)
"""Seconds between two tries of what fails: the first, doubled each time, and the longest."""

FIELD: Final = b"batch"
NOTHING: Final = b"0-0"
"""The place before everything that a stream can hold."""


class RedisStream:
    """A `Stream` in Redis, under one key. `secrets` are those of the purpose `stream` (`SealedVault.derive`)."""

    def __init__(self, url: str, *, secrets: Secrets, prefix: str = "ostiary") -> None:
        self._place = RedisPlace(url, prefix=prefix)
        self._seal = Seal(secrets)
        self._opening: _Opening | None = None

    async def open(self) -> None:
        """Connect, and begin to carry."""
        await self.close()
        secrets = self._seal.secrets()
        key = self._place.key("feed")
        client = await self._place.connect(*needed(self._place, key))
        opening = _Opening(self._place, client, key, Seal(lambda: secrets))
        await opening.begin()
        self._opening = opening

    async def close(self) -> None:
        """Stop carrying. Batches that were not sent yet are dropped."""
        opening, self._opening = self._opening, None
        if opening is not None and opening.loop is asyncio.get_running_loop():
            await opening.end()

    def send(self, batch: Batch) -> None:
        """Hand a batch to the task that sends, if there is one and it is not too far behind."""
        if self._opening is not None:
            self._opening.send(batch)

    async def next(self, *, wait: float) -> Sequence[Batch]:
        """Return what came since the last call, or nothing after `wait` seconds."""
        if self._opening is None:
            raise Unavailable("the stream is not open")
        return await self._opening.next(wait=wait)


def needed(place: Address, key: bytes) -> tuple[tuple[bytes | str | int, ...], ...]:
    """Return a try of each command that the stream needs."""
    return (
        ("XREVRANGE", key, "+", "-", "COUNT", 1),
        ("XREAD", "COUNT", 1, "STREAMS", key, "$"),
        ("XADD", place.key("probe"), "NOMKSTREAM", "MAXLEN", "~", 1, "*", "", ""),
    )


class Envelopes:
    """Batches as they stand in the stream: each sealed, with its key."""

    def __init__(self, seal: Seal, key: bytes) -> None:
        self._seal = seal
        self._key = key
        self._has_skipped = False

    def closed(self, batch: Batch) -> bytes:
        """Return what to put into the stream."""
        return self._seal.seal(_write(batch), key=self._key)

    def opened(self, fields: Mapping[bytes, bytes] | None) -> Batch | None:
        """Return a batch that is ours, or skip it. That is said once: who writes there at will could fill the log."""
        written = self._seal.open(fields.get(FIELD, b"") if fields else b"", key=self._key)
        batch = None if written is None else _read_batch(written)
        if batch is None and not self._has_skipped:
            self._has_skipped = True
            log.warning("the stream holds entries that are not ours, or sealed by another key file; they are skipped")
        return batch


class _Opening:
    """What belongs to one opening of the stream, and to the event loop that it was opened in."""

    def __init__(self, place: RedisPlace, client: Client, key: bytes, seal: Seal) -> None:
        self.loop = asyncio.get_running_loop()
        self._place = place
        self._client = client
        self._key = key
        self._envelopes = Envelopes(seal, key)
        self._position = NOTHING
        self._came: deque[Batch] = deque(maxlen=_MOST_WAITING)
        self._waiting: asyncio.Queue[Batch] = asyncio.Queue(_MOST_WAITING)
        self._in_hand: list[Batch] = []
        self._news = asyncio.Event()
        self._troubles: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Take up the stream where it is now, and begin to read and to send."""
        try:
            self._position = await self._newest()
        except BaseException:
            await self._client.aclose()
            raise
        steps = {"reading": self._read, "sending": self._send}
        self._tasks = [asyncio.create_task(self._repeat(what, step)) for what, step in steps.items()]

    async def end(self) -> None:
        """Let go of the tasks and the connections, and of who waits for news."""
        self._troubles["closing"] = "the stream was closed"
        self._news.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def send(self, batch: Batch) -> None:
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(batch)

    async def next(self, *, wait: float) -> Sequence[Batch]:
        if not self._came and not self._troubles:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
        if self._troubles and not self._came:
            raise Unavailable(next(iter(self._troubles.values())))
        batches = tuple(self._came)
        self._came.clear()
        return batches

    # -------------------------------------------------------------------------------------------- tasks

    async def _repeat(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step for ever. After a failure it is a trouble until the step says that all is well again."""
        pause, longest = _PAUSES
        while True:
            try:
                await step()
                pause = _PAUSES[0]
            except Exception as error:  # noqa: BLE001 - a task that ended would never come back
                self._is_troubled(what, str(error) if isinstance(error, Unavailable) else repr(type(error)))
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    def _is_troubled(self, what: str, why: str) -> None:
        if self._troubles.get(what) != why:
            log.warning("the stream carries nothing while %s fails: %s", what, why)
        self._troubles[what] = why
        self._news.set()

    def _is_well(self, what: str) -> None:
        if self._troubles.pop(what, None) is not None:
            log.info("the stream carries again: %s works", what)

    async def _read(self) -> None:
        """Take in what came, or wait a little for something to come."""
        if "reading" in self._troubles:
            self._position = await self._newest()
            self._is_well("reading")
        question = ("XREAD", "COUNT", 256, "BLOCK", int(_BLOCK * 1000), "STREAMS", self._key, self._position)
        async with self._place.asking(within=_BLOCK + 1):
            answer = await self._client.execute_command(*question)
        if not answer:
            # Who has forgotten everything may begin anew with lower numbers, if its clock was put back.
            self._position = min(self._position, await self._newest(), key=moment)
            return
        for self._position, fields in answer[0][1]:
            batch = self._envelopes.opened(fields)
            if batch is not None:
                self._came.append(batch)
                self._news.set()

    async def _newest(self) -> bytes:
        async with self._place.asking():
            newest = await self._client.execute_command("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        return cast("bytes", newest[0][0]) if newest else NOTHING

    async def _send(self) -> None:
        """Send all that waits, in one go.

        What could not be sent is not worth keeping: followers ask for it. Only the newest is kept, to try again with.
        """
        if not self._in_hand:
            self._in_hand.append(await self._waiting.get())
        while not self._waiting.empty():
            self._in_hand.append(self._waiting.get_nowait())
        if "sending" in self._troubles:
            del self._in_hand[:-1]
        pipeline = self._client.pipeline(transaction=False)
        for batch in self._in_hand:
            sealed = self._envelopes.closed(batch)
            pipeline.execute_command("XADD", self._key, "MAXLEN", "~", MOST_KEPT, "*", FIELD, sealed)
        async with self._place.asking():
            await pipeline.execute()
        self._in_hand.clear()
        self._is_well("sending")


def moment(position: bytes) -> tuple[int, int]:
    """Return a place in the stream as Redis orders them: by milliseconds, then by number."""
    milliseconds, _, number = position.partition(b"-")
    return int(milliseconds), int(number)


# ------------------------------------------------------------------------------------------------ the batch as bytes


class _Floor(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    seq: int
    sid: str
    floor: int
    until: datetime


class _Document(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    seq: int
    name: str
    version: int


class _Batch(msgspec.Struct, frozen=True, array_like=True):
    incarnation: str
    entries: tuple[_Floor | _Document, ...]


def _write(batch: Batch) -> bytes:
    return msgspec.msgpack.encode(_Batch(batch.incarnation, tuple(map(_entry_out, batch.entries))))


def _entry_out(entry: Entry) -> _Floor | _Document:
    match entry.change:
        case Floor(sid, floor, until):
            return _Floor(entry.seq, sid, floor, until)
        case Document(name, version):
            return _Document(entry.seq, name, version)


def _read_batch(written: bytes) -> Batch | None:
    """Read a batch, or say that another version of ours has written it."""
    try:
        batch = msgspec.msgpack.decode(written, type=_Batch)
    except msgspec.DecodeError:
        return None
    return Batch(batch.incarnation, tuple(map(_entry_in, batch.entries)))


def _entry_in(entry: _Floor | _Document) -> Entry:
    match entry:
        case _Floor():
            return Entry(entry.seq, Floor(entry.sid, entry.floor, entry.until))
        case _Document():
            return Entry(entry.seq, Document(entry.name, entry.version))
