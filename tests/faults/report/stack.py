"""Everything that runs: PostgreSQL, Redis, the service with its workers, verifiers, and the lines between them."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ostiary import Auth
from ostiary.stores.sql import SqlStore
from tests.faults.report.proxy import Line
from tests.server.running import Service, clean_environment
from tests.servers.folder import runs
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.servers.server import free_port

HERE = Path(__file__).parent
DISK = 192  # MiB: what PostgreSQL may fill
SMALL_DISK = {"min_wal_size": "32MB", "max_wal_size": "48MB"}


class Clock:
    """The time of day of some processes, which can be shifted. Without a C compiler it cannot."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.clock"
        self._file.write_bytes(struct.pack("q", 0))
        library = folder / "clock.so"
        with suppress(OSError, subprocess.CalledProcessError):
            if not library.exists():
                command: list[str | Path] = ["cc", "-shared", "-fPIC", "-O2", "-o", library, HERE / "clock.c"]
                subprocess.run(command, check=True, capture_output=True)
        there = library.exists()
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)} if there else {}

    @property
    def can_be_shifted(self) -> bool:
        return bool(self.environment)

    def shift(self, seconds: int) -> None:
        """Be so much ahead of the truth. The file is mapped by those who read it, so it is written over in place."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", seconds))


@dataclass
class Checker:
    """A verifier process."""

    name: str
    issuer: str
    key: str
    socket: Path
    clock: Clock
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.socket.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.report.verifying", self.socket],
                env=clean_environment(self.clock.environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdin
        self.process.stdin.write(f"{self.issuer} {self.key}".encode())
        self.process.stdin.close()

    def send(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class Stack:
    """What is attacked. All of it listens on 127.0.0.1 only."""

    postgres: Postgres
    redis: Redis
    service: Service
    to_postgres: Line
    to_redis: Line
    to_service: Line
    """Between the verifiers and the service."""
    admin: Auth
    """Somebody who works beside the service, on the same store, and whom no cut line touches."""
    store: SqlStore
    """For looking into."""
    clocks: dict[str, Clock]
    disk: Path | None
    """Where PostgreSQL's own small disk is mounted, if it could be."""
    checkers: list[Checker] = field(default_factory=list)

    async def start_service(self) -> None:
        """Start the service again. It does not start before its database answers: then somebody tries again."""
        end = time.monotonic() + 30
        while True:
            try:
                await asyncio.to_thread(self.service.start)
            except AssertionError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def kill_service(self) -> None:
        """Kill the parent of the workers, and wait until they have gone, too."""
        workers = [psutil.Process(pid) for pid in self.service.workers_of()]
        assert self.service.process is not None
        os.kill(self.service.pid, signal.SIGKILL)
        await asyncio.to_thread(self.service.process.wait)
        end = time.monotonic() + 20
        while any(map(runs, workers)):
            if time.monotonic() > end:
                raise RuntimeError("workers outlive their parent")
            await asyncio.sleep(0.05)

    async def restart_all(self) -> None:
        """Start the service and the verifiers anew, in good order."""
        await asyncio.to_thread(self.service.stop)
        for checker in self.checkers:
            checker.kill()
        await self.start_service()
        for checker in self.checkers:
            checker.start()


@asynccontextmanager
async def stack(folder: Path, *, workers: int, verifiers: int) -> AsyncGenerator[Stack]:
    """Start everything, and end it all."""
    clocks = {name: Clock(folder, name) for name in ("service", "verifiers")}
    async with AsyncExitStack() as ends:
        postgres = Postgres(settings=SMALL_DISK)
        ends.callback(postgres.close)
        disk = _mount(postgres.folder.path)
        if disk is not None:
            ends.callback(_unmount, disk)
        await asyncio.to_thread(postgres.start)
        redis = ends.enter_context(Redis())
        to_postgres = await ends.enter_async_context(Line(postgres.port))
        to_redis = await ends.enter_async_context(Line(redis.port))
        port = free_port()
        to_service = await ends.enter_async_context(Line(port))
        url = await asyncio.to_thread(postgres.database)
        issuer = f"http://127.0.0.1:{to_service.port}"
        environ = {
            "OSTIARY_STORE": url.replace(f":{postgres.port}/", f":{to_postgres.port}/"),
            "OSTIARY_REDIS": f"redis://127.0.0.1:{to_redis.port}",
            "OSTIARY_ISSUER": issuer,
            "OSTIARY_LOG_LEVEL": "warning",
            **clocks["service"].environment,
        }
        service = Service(folder / "data", workers=workers, port=port, environ=environ)
        await asyncio.to_thread(service.start)
        ends.callback(_end, service)
        admin = Auth.at(url, key_file=service.data / "ostiary.key", redis=redis.url(), issuer=issuer, migrate=False)
        await ends.enter_async_context(admin.running())
        store = SqlStore(url)
        await store.open()
        ends.push_async_callback(store.close)
        running = Stack(postgres, redis, service, to_postgres, to_redis, to_service, admin, store, clocks, disk)
        for number in range(1, verifiers + 1):
            name = f"verifier-{number}"
            _, key = await admin.verifiers.add(name, actor="faults")
            checker = Checker(name, issuer, key, folder / f"v{number}.socket", clocks["verifiers"])
            checker.start()
            ends.callback(checker.kill)
            running.checkers.append(checker)
        yield running


def _mount(place: Path) -> Path | None:
    """Put a small disk of its own under a folder, if we may."""
    owner = place.stat()
    options = f"size={DISK}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return place


def _unmount(disk: Path) -> None:
    subprocess.run(["umount", "-l", disk], check=False, capture_output=True)


def _end(service: Service) -> None:
    with suppress(ProcessLookupError):
        service.kill()
