"""Counters and challenges in Redis, beside a store that keeps everything else.

Each verb is atomic by itself, in force at once, and not undone with its transaction. Everything is kept under an end of
its own, so there is nothing to purge.

Whoever can write there can forgive what was tried, but cannot make a challenge: challenges are sealed. A Redis that has
lost its data has forgotten what was tried, and links that were under way must be asked for again.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from ostiary import ports
from ostiary.core.floor import News
from ostiary.errors import Unavailable
from ostiary.ports import Clock, Store, Transaction
from ostiary.redis import Client, RedisPlace, Seal, Secrets
from ostiary.stores.redis._link import Link, Opening
from ostiary.stores.redis._tables import Challenges, Counters

_PROBE: Final = "redis.call('SET', KEYS[1], '', 'PX', 1) redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1])"


async def connected(place: RedisPlace) -> Client:
    """Connect, and try every command that is needed. Nothing is left behind.

    Raises:
        Misconfigured: it is too old, or refuses the user, the password or a command.
        Unavailable: it cannot be reached now.
    """
    probe = place.key("probe")
    return await place.connect(("SET", probe, "", "NX", "PX", 1), ("MGET", probe), ("EVAL", _PROBE, 1, probe))


class RedisBeside:
    """A `Store` whose counters and challenges are in Redis, and everything else in another store.

    `secrets` are those of the purpose `challenges` (`SealedVault.derive`); they are asked for when first needed.
    """

    def __init__(self, store: Store, url: str, *, clock: Clock, secrets: Secrets, prefix: str = "ostiary") -> None:
        self._store = store
        self._place = RedisPlace(url, prefix=prefix)
        self._clock = clock
        self._seal = Seal(secrets)
        self._opening: Opening | None = None

    async def open(self) -> None:
        """Open the store, and connect to Redis."""
        await self._shut()
        await self._store.open()
        try:
            client = await connected(self._place)
        except BaseException:
            await self._store.close()
            raise
        self._opening = Opening(self._place, client)

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

    @asynccontextmanager
    async def counting(self) -> AsyncGenerator[ports.Counters]:
        """Begin to count. The store is not asked, so a guess takes no turn from those who write there."""
        link = Link(self._opened(), writes=True)
        try:
            yield Counters(link)
        finally:
            link.writes = False

    async def changed(self, *, wait: float) -> bool:
        """Hear the bell of the store."""
        return await self._store.changed(wait=wait)

    async def news(self, seq: int, *, limit: int) -> News:
        """Ask the store."""
        return await self._store.news(seq, limit=limit)

    def _opened(self) -> Opening:
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening

    async def _shut(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None and opening.is_ours():
            await opening.end()


class BesideTransaction:
    """All tables: two of Redis, the others of the store."""

    def __init__(self, tx: Transaction, link: Link, *, clock: Clock, seal: Seal) -> None:
        self.users: ports.Users = tx.users
        self.identifiers: ports.Identifiers = tx.identifiers
        self.credentials: ports.Credentials = tx.credentials
        self.sessions: ports.Sessions = tx.sessions
        self.feed: ports.Feed = tx.feed
        self.documents: ports.Documents = tx.documents
        self.counters: ports.Counters = Counters(link)
        self.challenges: ports.Challenges = Challenges(link, clock=clock, seal=seal)
        self.outbox: ports.Outbox = tx.outbox
        self.keys: ports.Keys = tx.keys
        self.verifiers: ports.Verifiers = tx.verifiers
        self.events: ports.Events = tx.events
