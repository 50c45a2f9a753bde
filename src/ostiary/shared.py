"""One question for all who wait for its answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ostiary.errors import Unavailable

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Asks once about each thing at a time, for all who wait. Who gives up waiting does not end the question."""

    def __init__(self, ask: Callable[[K], Awaitable[V]]) -> None:
        self._ask = ask
        self._asking: dict[K, asyncio.Task[V]] = {}

    async def answer(self, about: K) -> V:
        """Return the answer, or raise what asking raised.

        Raises:
            Unavailable: the question was given up, by `cancel`. Who waits is not what was cancelled.
        """
        asking = self._asking.get(about)
        if asking is None or asking.done():
            asking = self._asking[about] = asyncio.create_task(self._asked(about), name="ostiary-ask")
            asking.add_done_callback(lambda done: self._done(about, done))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if asking.cancelled() and waiting is not None and not waiting.cancelling():
                raise Unavailable("it was stopped while somebody asked") from None
            raise

    def forget(self) -> None:
        """Begin anew, in this event loop. What is being asked in another is nothing to us."""
        self._asking.clear()

    def cancel(self) -> None:
        """Ask nothing more."""
        for asking in tuple(self._asking.values()):
            asking.cancel()

    async def _asked(self, about: K) -> V:
        return await self._ask(about)

    def _done(self, about: K, done: "asyncio.Task[V]") -> None:
        if self._asking.get(about) is done:
            del self._asking[about]
        if not done.cancelled():
            done.exception()  # everyone who waited may be gone: then nobody else looks at it
