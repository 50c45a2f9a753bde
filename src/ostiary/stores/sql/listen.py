"""Hears that the feed of a PostgreSQL database has grown, whoever wrote to it."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Final

from sqlalchemy.engine import URL

from ostiary.errors import OstiaryError
from ostiary.stores.bell import Bell
from ostiary.stores.sql import server
from ostiary.stores.sql.terms import CHANNEL

_PING_EVERY: Final = 5.0
_TRY_EVERY: Final = 0.5

log = logging.getLogger("ostiary.stores")


class Listener:
    """A connection that does nothing but listen, and is made again whenever it is lost.

    While it is lost nobody is woken. Who follows asks by itself in time, so that costs speed and nothing else.
    """

    def __init__(self, url: URL, *, bell: Bell, patience: float) -> None:
        self._url = url
        self._bell = bell
        self._patience = patience
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            Misconfigured, Unavailable: it cannot even be begun.
        """
        self._connection = await self._listen()
        self._task = asyncio.create_task(self._run(), name="ostiary-listen")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._connection.terminate()  # not by the task itself, which may have been cancelled before it began

    async def _run(self) -> None:
        while True:
            await _until_lost(self._connection)
            self._connection.terminate()
            log.warning("the store's bell is silent; listening again")
            self._connection = await self._again()
            self._bell.ring()  # for all that was missed

    async def _again(self) -> Any:  # noqa: ANN401 - the driver has no types
        while True:
            with suppress(OstiaryError):
                return await self._listen()
            await asyncio.sleep(_TRY_EVERY)

    async def _listen(self) -> Any:  # noqa: ANN401 - the driver has no types
        connection = await server.connect(self._url, patience=self._patience)
        try:
            with server.answering(self._url):
                await connection.add_listener(CHANNEL, self._heard)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _heard(self, *_: object) -> None:
        self._bell.ring()


async def _until_lost(connection: Any) -> None:  # noqa: ANN401 - the driver has no types
    """Stay while the server answers. A connection that was cut somewhere on the way would be silent for ever."""
    lost = asyncio.Event()

    def lose(_: object) -> None:
        lost.set()

    connection.add_termination_listener(lose)
    with suppress(*server.FAILURES):
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_EVERY):
                    await lost.wait()
            await connection.execute("SELECT")
