"""A PostgreSQL to measure against, and a store on it that counts what it is asked.

The server is the one that `OSTIARY_BENCH_POSTGRES` names, or a throwaway one of our own, with fsync on as it comes. The
store exists to measure the real verbs with the real statements; it is not one to keep anything in.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # the one place that knows the driver
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from ostiary.stores.sql._feed import _ADVANCE
from ostiary.stores.sql.link import Compiled, Record, Statement, compiled
from ostiary.stores.sql.schema import metadata
from ostiary.stores.sql.store import SqlTransaction

POSTGRES = dialect()  # type: ignore[no-untyped-call]
Connection = Any
"""The driver has no types."""

BINARIES = Path("/usr/lib/postgresql")
CHANNEL = "ostiary"

# ------------------------------------------------------------------------------------------------ the server


@contextlib.contextmanager
def server() -> Generator[str]:
    """Give the URL of a server, and stop it afterwards if it is our own."""
    named = os.environ.get("OSTIARY_BENCH_POSTGRES")
    if named:
        yield named
        return
    found = sorted(BINARIES.glob("*/bin/initdb"))
    if not found:
        sys.exit("no PostgreSQL: install it (apt-get install postgresql), or name one in OSTIARY_BENCH_POSTGRES")
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as folder:
        yield from _own(found[-1].parent, Path(folder))


def _own(binaries: Path, folder: Path) -> Generator[str]:
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # it refuses to run as root
    shutil.chown(folder, owner)
    data, port = folder / "data", _free_port()
    initdb = [str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "ostiary", "--encoding=UTF8"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=owner, cwd=folder)
    command = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, stderr=log, user=owner, cwd=folder)
    try:
        _until_ready(binaries, port)
        yield f"postgresql://ostiary@127.0.0.1:{port}/postgres"
    finally:
        running.send_signal(signal.SIGINT)  # a fast shutdown
        running.wait(30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _until_ready(binaries: Path, port: int) -> None:
    asked = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(200):
        if subprocess.run(asked, check=False).returncode == 0:
            return
        time.sleep(0.05)
    sys.exit("the database did not start")


async def connect(url: str, schema: str = "public") -> Connection:
    """Connect, to see the tables of one schema only."""
    return await asyncpg.connect(url, server_settings={"search_path": schema})


async def make_schema(url: str, schema: str) -> None:
    """Make a schema of our own with the tables as they are declared, and the one row of the head."""
    connection = await connect(url, schema)
    await connection.execute(f"CREATE SCHEMA {schema}")
    for table in metadata.sorted_tables:
        await connection.execute(str(CreateTable(table).compile(dialect=POSTGRES)))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            await connection.execute(str(CreateIndex(index).compile(dialect=POSTGRES)))
    await connection.execute("INSERT INTO feed_head (id, incarnation, seq) VALUES (1, 'bench', 0)")
    await connection.close()


async def drop_schema(url: str, schema: str) -> None:
    """Leave nothing behind."""
    connection = await connect(url, schema)
    await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    await connection.close()


# ------------------------------------------------------------------------------------------------ the store


@dataclass
class Tally:
    """What was asked of a store since somebody last took this away."""

    writes: int = 0
    statements: int = 0
    rows: int = 0
    held: list[float] = field(default_factory=list[float])
    """How long each transaction that took the head's lock held it."""
    trips: list[int] = field(default_factory=list[int])


class PostgresLink:
    """A transaction on a connection. It notes when the head's lock was asked for."""

    def __init__(self, connection: Connection, tally: Tally) -> None:
        self.connection = connection
        self._tally = tally
        self.locked_at = 0.0
        self.appends = False
        self.trips = 0

    async def lock(self) -> None:
        """Take the head's lock before anything else."""
        self.locked_at = time.perf_counter()
        await self.connection.execute("SELECT seq FROM feed_head FOR UPDATE")

    async def tell(self) -> None:
        """Have those who listen told of the commit."""
        self.trips += 1
        await self.connection.execute(f"NOTIFY {CHANNEL}")

    async def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        """Run a statement and return what `make` makes of each row."""
        prepared = self._prepared(statement)
        self.appends = self.appends or statement is _ADVANCE
        if self.appends and not self.locked_at:
            self.locked_at, self.trips = time.perf_counter(), 0
        found = await self.connection.fetch(prepared.text, *prepared.arguments(values))
        self._tally.rows += len(found) if prepared.changes else 0
        return [make(**prepared.row(tuple(each))) for each in found]

    async def row(self, make: Callable[..., Record], statement: Statement, **values: object) -> Record | None:
        """Run a statement and return what `make` makes of the one row it finds, or `None`."""
        found = await self.rows(make, statement, **values)
        return found[0] if found else None

    async def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        prepared = self._prepared(statement)
        status = await self.connection.execute(prepared.text, *prepared.arguments(values))
        changed = int(status.rsplit(" ", 1)[-1])
        self._tally.rows += changed
        return changed

    async def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values."""
        prepared = self._prepared(statement)
        self._tally.rows += len(values)
        await self.connection.executemany(prepared.text, [prepared.arguments(each) for each in values])

    def _prepared(self, statement: Statement) -> Compiled:
        self._tally.statements += 1
        self.trips += 1
        return compiled(statement, POSTGRES)


class PostgresStore:
    """A store to measure with. `in_line` says whether every write takes the head's lock first, or only the feed's.

    `ostiary.ports.Store` promises that writes are serialised, which `in_line` keeps to the letter. Without it only what
    is compared and swapped, and the feed, is safe: throttles may miscount, which matters to nobody here.
    """

    def __init__(self, url: str, schema: str, *, in_line: bool, connections: int) -> None:
        self._url = url
        self._schema = schema
        self._in_line = in_line
        self._connections = connections
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self.tally = Tally()

    async def open(self) -> None:
        """Connect."""
        self._idle = asyncio.LifoQueue()
        for _ in range(self._connections):
            self._idle.put_nowait(await connect(self._url, self._schema))

    async def close(self) -> None:
        """Let go of everything."""
        for _ in range(self._connections):
            await (await self._idle.get()).close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[SqlTransaction]:
        """Begin a transaction that sees one consistent state and changes nothing."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield SqlTransaction(PostgresLink(connection, self.tally))

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[SqlTransaction]:
        """Begin a write. It is durable when the block has ended."""
        async with self._connection() as connection:
            link = PostgresLink(connection, self.tally)
            async with connection.transaction():
                if self._in_line:
                    await link.lock()
                yield SqlTransaction(link)
                if link.appends:
                    await link.tell()
            self.tally.writes += 1
            if link.locked_at:
                self.tally.held.append(time.perf_counter() - link.locked_at)
                self.tally.trips.append(link.trips + 1)  # and the commit

    async def changed(self, *, wait: float) -> bool:
        """Wait. Nobody follows while something is measured."""
        await asyncio.sleep(wait)
        return False

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        connection = await self._idle.get()
        try:
            yield connection
        finally:
            self._idle.put_nowait(connection)
