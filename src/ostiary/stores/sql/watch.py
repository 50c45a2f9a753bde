"""Notices that a SQLite file has changed, whoever changed it."""

import asyncio
import sqlite3
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

POLL_SECONDS: Final = 0.02
"""Short enough for a logout to reach every process in no time, long enough to cost about 1 % of a core."""


class Watch:
    """A thread that asks for `PRAGMA data_version` and rings when it has changed.

    The number comes from memory that all processes share, and changes here with each commit on any other connection.
    The thread wakes the event loop only when there is news: to ask from the loop would wake two threads for each look.
    """

    def __init__(self, uri: str, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        self._known: int | None = None
        self._known = self._version()
        self._loop = loop
        self._ring = ring
        self._poke = Event()
        self._stopped = False
        self._thread = Thread(target=self._run, name="ostiary-watch", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Look now instead of at the next turn: this process has just written."""
        self._poke.set()

    def stop(self) -> None:
        """Look no more, and let go of the file."""
        self._stopped = True
        self._poke.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._poke.wait(POLL_SECONDS)
            self._poke.clear()
            if self._stopped:
                break
            version = self._version()
            if version == self._known:
                continue
            self._known = version
            try:
                self._loop.call_soon_threadsafe(self._ring)
            except RuntimeError:  # the loop was closed without a `stop`
                break
        self._connection.close()

    def _version(self) -> int | None:
        try:
            row = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            # A file that cannot be asked now is no news. Whoever reads it finds out, and says so.
            return self._known
        return int(row[0])
