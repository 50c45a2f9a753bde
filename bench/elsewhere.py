"""Other processes that wait for things to reach them, and say when each did.

All of them read one clock (CLOCK_MONOTONIC is the machine's), so a moment here and a moment there can be compared. None
of them looks again and again: eight that did would measure how two processors are shared. A floor that comes in is
noticed as it is stored, and the guard is asked in the same breath: from then on it refuses.
"""

import asyncio
import multiprocessing
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import asyncpg
from redis.asyncio import Redis

from bench.service import Login, Service
from ostiary import Principal
from ostiary.core.decision import Denied
from ostiary.core.floor import Floors
from ostiary.verify import Refused, Verifier

START = timedelta(seconds=30)  # until a process must be ready
PATIENCE = 10.0  # seconds for the last thing to arrive

Arrived = Callable[[int], None]
"""Hears the number of what has just arrived."""


class Watch(Protocol):
    """Something to wait for in another process."""

    def watching(self, arrived: Arrived) -> AbstractAsyncContextManager[None]:
        """Wait for it for the length of a block."""
        ...


class Elsewhere:
    """Processes that all wait for the same things, each for itself. Inside the block they are ready."""

    def __init__(self, watch: Watch, *, processes: int, things: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = [
            spawn.Process(target=_watch, args=(watch, things, self._pipe(spawn.Pipe())), daemon=True)
            for _ in range(processes)
        ]

    def _pipe(self, ends: tuple[Connection, Connection]) -> Connection:
        self._pipes.append(ends[0])
        return ends[1]

    def arrivals(self) -> list[dict[int, float]]:
        """Return when each thing arrived in each process, in seconds of the monotonic clock."""
        for pipe in self._pipes:
            pipe.send("when?")
        return [pipe.recv() for pipe in self._pipes]

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        for pipe in self._pipes:
            assert pipe.poll(2 * START.total_seconds()), "a process does not come to watch"
            pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            pipe.close()
            process.terminate()
            process.join()


def _watch(watch: Watch, things: int, pipe: Connection) -> None:
    asyncio.run(_until_asked(watch, things, pipe))


async def _until_asked(watch: Watch, things: int, pipe: Connection) -> None:
    when: dict[int, float] = {}
    is_all = asyncio.Event()

    def arrived(number: int) -> None:
        when.setdefault(number, time.monotonic())
        if len(when) == things:
            is_all.set()

    async with watch.watching(arrived):
        pipe.send("ready")
        await asyncio.to_thread(pipe.recv)
        async with asyncio.timeout(PATIENCE):
            await is_all.wait()
        pipe.send(when)


# ------------------------------------------------------------------------------------------------ refusals


class _Noticed(dict[str, int]):
    """The floors of one process. It tells of each one as soon as it is in force."""

    def __init__(self, floors: Floors, tell: Callable[[str], None]) -> None:
        super().__init__(floors.of)
        self._tell = tell

    def __setitem__(self, sid: str, floor: int) -> None:
        super().__setitem__(sid, floor)
        self._tell(sid)


@dataclass(frozen=True, slots=True)
class Guards:
    """A process of the service itself: its guard accepts these logins, and then refuses one after the other."""

    service: Service
    logins: Sequence[Login]

    @asynccontextmanager
    async def watching(self, arrived: Arrived) -> AsyncGenerator[None]:
        numbers = {login.sid: number for number, login in enumerate(self.logins)}
        headers = [[(b"authorization", f"Bearer {login.token}".encode())] for login in self.logins]
        async with self.service.auth().running() as auth:

            def tell(sid: str) -> None:
                if sid in numbers and isinstance(auth.guard.check(headers[numbers[sid]], "GET"), Denied):
                    arrived(numbers[sid])

            for each in headers:
                assert isinstance(await auth.authenticate(each, "GET"), Principal)
            auth.floors.of = _Noticed(auth.floors, tell)
            yield


@dataclass(frozen=True, slots=True)
class Verifiers:
    """Another service, with no database: its verifier accepts these logins, and then refuses one after the other."""

    service: Service
    key: str
    logins: Sequence[Login]

    @asynccontextmanager
    async def watching(self, arrived: Arrived) -> AsyncGenerator[None]:
        numbers = {login.sid: number for number, login in enumerate(self.logins)}
        async with Verifier(self.service.issuer, audience=self.service.issuer, key=self.key) as verifier:

            def tell(sid: str) -> None:
                if sid in numbers:
                    try:
                        verifier.verify(self.logins[numbers[sid]].token)
                    except Refused:
                        arrived(numbers[sid])

            await verifier.until_ready(START)
            for login in self.logins:
                verifier.verify(login.token)
            view = verifier._source.view  # noqa: SLF001 - where its floors are
            assert view is not None
            view.floors.of = _Noticed(view.floors, tell)
            yield


# ------------------------------------------------------------------------------------------------ bare round trips


@dataclass(frozen=True, slots=True)
class Notices:
    """Somebody who listens to PostgreSQL's `NOTIFY`, and does nothing else."""

    url: str

    @asynccontextmanager
    async def watching(self, arrived: Arrived) -> AsyncGenerator[None]:
        def heard(_: Any, __: int, ___: str, payload: object) -> None:  # noqa: ANN401 - the driver's connection
            arrived(int(str(payload)))

        connection = await asyncpg.connect(self.url)
        await connection.add_listener("bench", heard)
        yield
        connection.terminate()


@dataclass(frozen=True, slots=True)
class Entries:
    """Somebody who reads a stream of Redis, and does nothing else."""

    url: str

    @asynccontextmanager
    async def watching(self, arrived: Arrived) -> AsyncGenerator[None]:
        async def read() -> None:
            last = "0"
            while True:
                found: Any = await redis.xread({"bench": last}, block=1000)
                for _, entries in found or ():
                    for last, fields in entries:  # noqa: B007 - the next question begins after it
                        arrived(int(fields[b"number"]))

        async with Redis.from_url(self.url) as redis, asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            yield
            reading.cancel()


@dataclass(frozen=True, slots=True)
class Datagrams:
    """Somebody who reads a Unix socket, and does nothing else: about what it costs to wake another process."""

    folder: Path

    @asynccontextmanager
    async def watching(self, arrived: Arrived) -> AsyncGenerator[None]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(str(self.folder / f"{os.getpid()}.ear"))
            ear.settimeout(0)
            asyncio.get_running_loop().add_reader(ear, lambda: arrived(int(ear.recv(16))))
            yield
