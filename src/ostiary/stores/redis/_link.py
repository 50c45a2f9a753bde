"""The connection to Redis: who may change something over it, and what happens while Redis is away."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from ostiary.errors import Unavailable
from ostiary.redis import Answer, Away, Client, RedisPlace

log = logging.getLogger("ostiary.stores")

PAUSES: Final = (0.05, 1.0)
"""Seconds between two knocks at a server that is away: the first, doubled each time, and the longest."""


class Link:
    """A transaction's way to Redis. It changes something only while `writes`."""

    def __init__(self, opening: "Opening", *, writes: bool) -> None:
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


class Opening:
    """What belongs to one opening, and to the event loop that it was opened in.

    While the server is away nobody waits for it: whoever asks holds a transaction of the store, which others wait for.
    So they are refused at once, and one task knocks until it answers.
    """

    def __init__(self, place: RedisPlace, client: Client) -> None:
        self._loop = asyncio.get_running_loop()
        self.place = place
        self._client = client
        self._why = ""
        self._knocking: asyncio.Task[None] | None = None

    def is_ours(self) -> bool:
        """Tell whether it was opened in this event loop."""
        return self._loop is asyncio.get_running_loop()

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
        pause, longest = PAUSES
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
