"""Counters and challenges in Redis, beside a store that keeps everything else.

Each verb is atomic by itself, in force at once, and not undone with its transaction. Everything is kept under an end of
its own, so there is nothing to purge.

Whoever can write there can forgive what was tried, but cannot make a challenge: challenges are sealed. A Redis that has
lost its data has forgotten what was tried, and links that were under way must be asked for again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import msgspec

from ostiary import ports
from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.ports import Challenge, Clock, Store, Transaction
from ostiary.redis import Answer, Away, Client, RedisPlace, Seal, Secrets

log = logging.getLogger("ostiary.stores")

_KEEP_COUNTERS: Final = timedelta(days=2)
"""Longer than any limit remembers."""

_KEEP_CHALLENGES: Final = timedelta(hours=1)
"""How long one is kept after its time. Clocks differ a little, and `now` decides."""

_PAUSES: Final = (0.05, 1.0)
"""Seconds between two knocks at a server that is away: the first, doubled each time, and the longest."""

_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)

_SWAP: Final = """
for i, key in ipairs(KEYS) do
    if (redis.call('GET', key) or '') ~= ARGV[1 + i] then return 0 end
end
for i, key in ipairs(KEYS) do
    local new = ARGV[1 + #KEYS + i]
    if new == '' then redis.call('DEL', key) else redis.call('SET', key, new, 'PX', ARGV[1]) end
end
return 1
"""

_TAKE: Final = """
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, 20) <= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
return found
"""

_PROBE: Final = "redis.call('SET', KEYS[1], '', 'PX', 1) redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1])"


class RedisBeside:
    """A `Store` whose counters and challenges are in Redis, and everything else in another store.

    `secrets` are those of the purpose `challenges` (`SealedVault.derive`); they are asked for when first needed.
    """

    def __init__(self, store: Store, url: str, *, clock: Clock, secrets: Secrets, prefix: str = "ostiary") -> None:
        self._store = store
        self._place = RedisPlace(url, prefix=prefix)
        self._clock = clock
        self._seal = Seal(secrets)
        self._opening: _Opening | None = None

    async def open(self) -> None:
        """Open the store, and connect to Redis."""
        await self._shut()
        probe = self._place.key("probe")
        await self._store.open()
        try:
            client = await self._place.connect(
                ("SET", probe, "", "NX", "PX", 1), ("MGET", probe), ("EVAL", _PROBE, 1, probe)
            )
        except BaseException:
            await self._store.close()
            raise
        self._opening = _Opening(self._place, client)

    async def close(self) -> None:
        """Let go of both."""
        await self._shut()
        await self._store.close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator["BesideTransaction"]:
        """Begin a transaction of the store. Counters are read as they are at each moment."""
        opening = self._opened()
        async with self._store.read() as tx:
            yield BesideTransaction(tx, Link(opening, writes=False), clock=self._clock, seal=self._seal)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator["BesideTransaction"]:
        """Begin a transaction of the store. What it does to counters and challenges stays, however it ends."""
        link = Link(self._opened(), writes=True)
        async with self._store.write() as tx:
            try:
                yield BesideTransaction(tx, link, clock=self._clock, seal=self._seal)
            finally:
                link.writes = False

    async def changed(self, *, wait: float) -> bool:
        """Hear the bell of the store."""
        return await self._store.changed(wait=wait)

    def _opened(self) -> "_Opening":
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening

    async def _shut(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None and opening.loop is asyncio.get_running_loop():
            await opening.end()


class BesideTransaction:
    """All tables: two of Redis, the others of the store."""

    def __init__(self, tx: Transaction, link: "Link", *, clock: Clock, seal: Seal) -> None:
        self.users: ports.Users = tx.users
        self.identifiers: ports.Identifiers = tx.identifiers
        self.credentials: ports.Credentials = tx.credentials
        self.sessions: ports.Sessions = tx.sessions
        self.feed: ports.Feed = tx.feed
        self.documents: ports.Documents = tx.documents
        self.counters: ports.Counters = RedisCounters(link)
        self.challenges: ports.Challenges = RedisChallenges(link, clock=clock, seal=seal)
        self.keys: ports.Keys = tx.keys
        self.verifiers: ports.Verifiers = tx.verifiers
        self.events: ports.Events = tx.events


# ------------------------------------------------------------------------------------------------ tables


class RedisCounters:
    """`Counters` in Redis. One is written as its count and its moment, so equal texts are equal counters."""

    def __init__(self, link: "Link") -> None:
        self._link = link

    async def get(self, keys: Collection[str]) -> Mapping[str, Counter]:
        """Return the counters that there are."""
        if not keys:
            return {}
        found = await self._link.ask("MGET", *map(self._key, keys))
        return {key: _read_counter(text) for key, text in zip(keys, found, strict=True) if text is not None}

    async def swap(self, old: Mapping[str, Counter], new: Mapping[str, Counter]) -> bool:
        """Put `new` in the place of `old`, in one script."""
        names = list({**old, **new})
        keys, was, will = (
            map(self._key, names),
            (_write(old.get(n)) for n in names),
            (_write(new.get(n)) for n in names),
        )
        keep = _KEEP_COUNTERS // timedelta(milliseconds=1)
        return bool(await self._link.change("EVAL", _SWAP, len(names), *keys, keep, *was, *will))

    async def purge(self, *, before: datetime, limit: int) -> int:  # noqa: ARG002 - they end by themselves
        """Return 0: each counter ends by itself."""
        self._link.check()
        return 0

    def _key(self, name: str) -> bytes:
        return self._link.key(f"counter:{name}")


class RedisChallenges:
    """`Challenges` in Redis. One is written as its end, in digits that a script can compare, and the sealed rest."""

    def __init__(self, link: "Link", *, clock: Clock, seal: Seal) -> None:
        self._link = link
        self._clock = clock
        self._seal = seal

    async def add(self, challenge: Challenge) -> None:
        """Add a new challenge, unless its secret was used for this purpose and is still kept: then a `ValueError`."""
        key, end = self._key(challenge.purpose, challenge.digest), _digits(challenge.expires_at)
        body = msgspec.json.encode((challenge.user_id, challenge.body))
        left = max(timedelta(0), challenge.expires_at - self._clock.now()) + _KEEP_CHALLENGES
        value = end + self._seal.seal(body, key=key + end)
        if not await self._link.change("SET", key, value, "NX", "PX", left // timedelta(milliseconds=1)):
            raise ValueError("there is such a challenge already")

    async def take(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        """Return the challenge and end it, in one script. One that was forged is none."""
        key = self._key(purpose, digest)
        found = await self._link.change("EVAL", _TAKE, 1, key, _digits(now))
        if found is None:
            return None
        end = found[:20]
        body = self._seal.open(found[20:], key=key + end)
        if body is None:
            log.warning("a challenge in Redis is not ours, or sealed by another key file; it is refused")
            return None
        user_id, text = msgspec.json.decode(body, type=tuple[str, str])
        expires_at = _FIRST + int(end) * _MICROSECOND
        return Challenge(purpose=purpose, digest=digest, user_id=user_id, body=text, expires_at=expires_at)

    async def purge(self, *, expired_before: datetime, limit: int) -> int:  # noqa: ARG002 - they end by themselves
        """Return 0: each challenge ends by itself."""
        self._link.check()
        return 0

    def _key(self, purpose: str, digest: str) -> bytes:
        # A colon within the purpose is quoted, so that no two pairs make one key.
        return self._link.key(f"challenge:{quote(purpose, safe='', errors='surrogatepass')}:{digest}")


def _write(counter: Counter | None) -> bytes:
    return b"" if counter is None else b"%d %b" % (counter.count, _digits(counter.at))


def _read_counter(text: bytes) -> Counter:
    count, _, at = text.partition(b" ")
    return Counter(count=int(count), at=_FIRST + int(at) * _MICROSECOND)


def _digits(moment: datetime) -> bytes:
    """Write a moment so that texts are in the order of time."""
    return b"%020d" % ((moment - _FIRST) // _MICROSECOND)


# ------------------------------------------------------------------------------------------------ the connection


class Link:
    """A transaction's way to Redis. It changes something only while `writes`."""

    def __init__(self, opening: "_Opening", *, writes: bool) -> None:
        self.writes = writes
        self._opening = opening

    def key(self, name: str) -> bytes:
        """Return the whole key of a name."""
        return self._opening.place.key(name)

    def check(self) -> None:
        """Refuse to change anything in a read, or after the block."""
        if not self.writes:
            raise RuntimeError("only an open write transaction changes anything")

    async def ask(self, *words: bytes | str | int) -> Answer:
        """Send a command that changes nothing."""
        return await self._opening.ask(*words)

    async def change(self, *words: bytes | str | int) -> Answer:
        """Send a command that changes something."""
        self.check()
        return await self._opening.ask(*words)


class _Opening:
    """What belongs to one opening, and to the event loop that it was opened in.

    While the server is away nobody waits for it: whoever asks holds a transaction of the store, which others wait for.
    So they are refused at once, and one task knocks until it answers.
    """

    def __init__(self, place: RedisPlace, client: Client) -> None:
        self.loop = asyncio.get_running_loop()
        self.place = place
        self._client = client
        self._why = ""
        self._knocking: asyncio.Task[None] | None = None

    async def ask(self, *words: bytes | str | int) -> Answer:
        if self._why:
            raise Unavailable(self._why)
        try:
            async with self.place.asking():
                return await self._client.execute_command(*words)
        except Away as away:
            self._is_away(str(away))
            raise

    async def end(self) -> None:
        knocking, self._why = self._knocking, "the store cannot answer: it was closed"
        if knocking is not None:
            knocking.cancel()
            await asyncio.gather(knocking, return_exceptions=True)
        await self._client.aclose()

    def _is_away(self, why: str) -> None:
        if not self._why:
            log.warning("%s", why)
            self._why = why
            self._knocking = asyncio.create_task(self._knock())

    async def _knock(self) -> None:
        pause, longest = _PAUSES
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
            with suppress(Unavailable):
                async with self.place.asking():
                    # Connections that still seem whole may be dead as well.
                    await self._client.connection_pool.disconnect(inuse_connections=False)
                    await self._client.execute_command("PING")
                break
        log.warning("%s answers again", self.place.name)
        self._why = ""
