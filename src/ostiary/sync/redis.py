"""A Redis or Valkey server without an event loop: how it is reached, and what happens while it is away."""

import logging
import os
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, cast

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ostiary.errors import Misconfigured, Unavailable
from ostiary.redis import PATIENCE, Address, Answer, Away
from ostiary.stores.redis._link import PAUSES

log = logging.getLogger("ostiary.stores")

_CLOSED: Final = "the store cannot answer: it was closed"


class Client(Protocol):
    """What we use of the client of `redis`."""

    connection_pool: Any

    def execute_command(self, *words: bytes | str | int) -> Answer:
        """Send one command, and return its answer."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


class RedisPlace(Address):
    """A server, as threads reach it."""

    def connect(self, *needed: Sequence[bytes | str | int]) -> Client:
        """Connect, and try the commands that will be needed.

        Raises:
            Misconfigured: it is too old, or refuses the user, the password or a command.
            Unavailable: it cannot be reached now.
        """
        client = self._client()
        try:
            with self.asking(refused=Misconfigured):
                self.see_age(client.execute_command("HELLO"))  # unlike INFO, it is permitted to every user
                for words in needed:
                    client.execute_command(*words)
        except BaseException:
            client.close()
            raise
        return client

    @contextmanager
    def asking(self, *, refused: type[Misconfigured | Unavailable] = Unavailable) -> Generator[None]:
        """Tell each failure in our words. The client itself gives up after some seconds. Raises as `answering` does."""
        with self.answering(refused):
            yield

    def _client(self) -> Client:
        # Nothing is tried twice behind our back: whether a lost answer was a success, only who asked can judge.
        pool = cast("Any", BlockingConnectionPool).from_url(
            self._url,
            max_connections=16,
            timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
        )
        return cast("Client", Redis.from_pool(pool))


class Opening:
    """What belongs to one opening, in one process.

    While the server is away nobody waits for it: whoever asks holds a transaction of the store, which others wait for.
    So they are refused at once, but for one now and then, who tries whether it answers again.
    """

    def __init__(self, place: RedisPlace, client: Client) -> None:
        self.place = place
        self._client = client
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._why = ""
        self._pause = PAUSES[0]
        self._next_try = 0.0

    def is_ours(self) -> bool:
        """Tell whether it was opened in this process."""
        return self._process == os.getpid()

    def ask(self, *words: bytes | str | int) -> Answer:
        """Send a command, and return its answer."""
        self._see()
        try:
            with self.place.asking():
                answer = self._client.execute_command(*words)
        except Away as away:
            self._is_away(str(away))
            raise
        if self._why and self._why != _CLOSED:
            self._is_back()
        return answer

    def end(self) -> None:
        """Ask nothing more."""
        self._why, self._next_try = _CLOSED, float("inf")
        self._client.close()

    def _see(self) -> None:
        """Refuse while the server is away, unless it is time to try again."""
        if not self._why:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                raise Unavailable(self._why)
            self._next_try = now + self._pause
        # Connections that still seem whole may be dead as well.
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _is_away(self, why: str) -> None:
        with self._lock:
            if self._why == _CLOSED:
                return
            if not self._why:
                log.warning("%s", why)
                self._pause = PAUSES[0]
            self._why = why
            self._next_try = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, PAUSES[1])

    def _is_back(self) -> None:
        with self._lock:
            self._why = ""
        log.warning("%s answers again", self.place.name)
