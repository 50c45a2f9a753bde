"""Hears that the feed of a PostgreSQL database has grown, in the thread of whoever follows it."""

import logging
import threading
import time
from typing import Final

from sqlalchemy.engine import URL

from ostiary.errors import OstiaryError, Unavailable
from ostiary.stores.sql.terms import CHANNEL
from ostiary.sync import server
from ostiary.sync.server import Connection

_LOOK_UP: Final = 0.2
"""Seconds until who listens looks whether the store was closed meanwhile."""

log = logging.getLogger("ostiary.stores")


class Listener:
    """A connection that does nothing but listen, and is made again whenever it is lost.

    While it is lost nobody is woken. Who follows asks by itself in time, so that costs speed and nothing else.
    """

    def __init__(self, url: URL, *, patience: float) -> None:
        self._url = url
        self._patience = patience
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._connection: Connection | None = self._listen()

    def close(self) -> None:
        """Listen no more. Who waits is told that it is over."""
        self._closed.set()
        with self._lock:
            self._lose()

    def heard(self, *, wait: float) -> bool:
        """Return `True` soon after the bell rang, or `False` after `wait` seconds."""
        end = time.monotonic() + wait
        with self._lock:
            while not self._closed.is_set():
                left = end - time.monotonic()
                if self._rang(max(0.0, min(left, _LOOK_UP))):
                    return True
                if left <= 0:
                    return False
        raise Unavailable("the store cannot answer: it is not open")

    def _rang(self, wait: float) -> bool:
        if self._connection is None:
            return self._is_back(wait)
        try:
            return any(True for _ in self._connection.notifies(timeout=wait, stop_after=1))
        except server.FAILURES:
            self._lose()
            log.warning("the store's bell is silent; listening again")
            return True  # whoever cannot hear looks

    def _is_back(self, wait: float) -> bool:
        self._closed.wait(wait)
        try:
            self._connection = self._listen()
        except OstiaryError:
            return False
        return True  # for all that was missed

    def _listen(self) -> Connection:
        connection = server.connect(self._url, patience=self._patience)
        try:
            with server.answering(self._url):
                connection.execute(f"LISTEN {CHANNEL}".encode())
        except BaseException:
            connection.close()
            raise
        return connection

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
