"""Floors that tell whoever waits for a session that it has changed, the moment they hear of it.

Only what arrives is looked up: nothing is added to what a request asks of them.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from ostiary.core.floor import Floor
from ostiary.core.floor import Floors as Unwatched
from ostiary.core.policy import Policy


class Floors(Unwatched):
    """What `core.floor` decides, within one event loop, and who waits for it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._watching: dict[str, set[asyncio.Event]] = {}

    @property
    def watched(self) -> int:
        """How many sessions somebody waits for."""
        return len(self._watching)

    @contextmanager
    def watching(self, sid: str) -> Generator[asyncio.Event]:
        """Give an event that is set when a session has changed, or may do other things now, for as long as the block.

        It says that it is time to look again, and nothing else.
        """
        stirred = asyncio.Event()
        self._watching.setdefault(sid, set()).add(stirred)
        try:
            yield stirred
        finally:
            waiting = self._watching[sid]
            waiting.discard(stirred)
            if not waiting:
                del self._watching[sid]

    def raise_to(self, floor: Floor, *, elapsed: float) -> None:
        """Take in a floor, and wake who waits for its session."""
        super().raise_to(floor, elapsed=elapsed)
        for stirred in self._watching.get(floor.sid, ()):
            stirred.set()

    def stir(self) -> None:
        """Wake everybody: what roles permit has changed, or the keys have."""
        for waiting in self._watching.values():
            for stirred in waiting:
                stirred.set()
