"""A store in plain dicts, for tests and demonstrations: every guarantee but durability.

The state is a set of tables that nobody ever changes. A write transaction works on a state of its own, in which a table
is copied before its first change, and puts that state in the place of the old one when its block has ended well. So a
reader keeps the state it began with, and a block that failed or was cancelled leaves nothing behind.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ostiary import ports
from ostiary.core.floor import Head
from ostiary.errors import Unavailable
from ostiary.ports import Entropy
from ostiary.stores.bell import Bell
from ostiary.stores.memory._state import FEED, State, Table
from ostiary.stores.memory._tables import (
    Challenges,
    Counters,
    Credentials,
    Documents,
    Events,
    Feed,
    Identifiers,
    Keys,
    Sessions,
    Users,
    Verifiers,
)
from ostiary.system import SystemEntropy


class MemoryStore:
    """A `Store` that is gone with its process. A write copies the tables it changes, so it suits thousands of rows."""

    def __init__(self, entropy: Entropy | None = None) -> None:
        incarnation = (entropy or SystemEntropy()).bytes(16).hex()
        self._state = State(head=Table({FEED: Head(incarnation, 0)}))
        self._opening: _Opening | None = None

    async def open(self) -> None:
        """Begin to answer. What was kept before a `close` is still there."""
        self._opening = _Opening()

    async def close(self) -> None:
        """Stop answering."""
        self._opening = None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator["MemoryTransaction"]:
        """Begin a transaction on the state as it is now."""
        self._opened()
        yield MemoryTransaction(self._state)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator["MemoryTransaction"]:
        """Begin a transaction whose state takes the place of the present one when the block has ended well."""
        opening = self._opened()
        async with opening.turn:
            self._still(opening)
            state = self._state.thawed()
            try:
                yield MemoryTransaction(state)
                self._still(opening)
                self._state = state
            finally:
                state.freeze()
        opening.bell.ring()

    @asynccontextmanager
    async def counting(self) -> AsyncGenerator[ports.Counters]:
        """Begin a write of counters alone."""
        async with self.write() as tx:
            yield tx.counters

    async def changed(self, *, wait: float) -> bool:
        """Return `True` at once after a write, or `False` after `wait` seconds."""
        return await self._opened().bell.heard(wait=wait)

    def _opened(self) -> "_Opening":
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening

    def _still(self, opening: "_Opening") -> None:
        # Whoever writes since another `open` does not wait for this turn, and would be overwritten.
        if self._opening is not opening:
            raise Unavailable("the store cannot answer: it was closed")


class _Opening:
    """What belongs to one opening of the store, and to the event loop that it was opened in."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.bell = Bell()


class MemoryTransaction:
    """All tables of one state."""

    def __init__(self, state: State) -> None:
        self.users: ports.Users = Users(state)
        self.identifiers: ports.Identifiers = Identifiers(state)
        self.credentials: ports.Credentials = Credentials(state)
        self.sessions: ports.Sessions = Sessions(state)
        self.feed: ports.Feed = Feed(state)
        self.documents: ports.Documents = Documents(state)
        self.counters: ports.Counters = Counters(state)
        self.challenges: ports.Challenges = Challenges(state)
        self.keys: ports.Keys = Keys(state)
        self.verifiers: ports.Verifiers = Verifiers(state)
        self.events: ports.Events = Events(state)
