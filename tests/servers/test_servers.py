"""The servers that other tests lean on: they do what is asked of them, and nothing of them is left."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from redis import AuthenticationError
from redis.asyncio import Redis as Client

from tests.servers.folder import runs
from tests.servers.postgres import GUARDED, PASSWORD, Postgres
from tests.servers.redis import Redis

SILENCE = 0.3  # seconds after which nobody answers any more

MAKE_AND_SLEEP = """
import time
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
servers = [Postgres().start(), Redis().start()]
for server in servers:
    print(server.folder.path, *(process.pid for process in server.processes()), flush=True)
servers[0].pause()
print("made", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server that these tests may break."""
    with Postgres() as server:
        yield server


async def ask(url: str, sql: str) -> Any:
    """Connect, and return the one value that a query has."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def followed(primary: Postgres, standby: Postgres) -> None:
    """Wait until a standby has what its primary has written by now."""
    written = await ask(primary.url(), "SELECT pg_current_wal_lsn()::text")
    while not await ask(standby.url(), f"SELECT pg_last_wal_replay_lsn() >= '{written}'"):
        await asyncio.sleep(0.02)


async def test_databases_apart(postgres: Postgres, database: str) -> None:
    """Every database is new and empty, and one that is dropped is gone although somebody is connected."""
    other = postgres.database()
    await ask(other, "CREATE TABLE lamp AS SELECT 1 AS oil")
    connection = await asyncpg.connect(other)
    tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'lamp'"

    assert await ask(other, tables) == 1
    assert await ask(database, tables) == 0
    postgres.drop(other)
    with pytest.raises(asyncpg.PostgresError):
        await connection.fetchval(tables)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await ask(other, tables)


async def test_postgres_password(postgres: Postgres) -> None:
    """The guarded role comes in with its password only, and may do what it likes in its own database."""
    url = postgres.database(role=GUARDED, password=PASSWORD)

    await ask(url, "CREATE TABLE lamp AS SELECT 1 AS oil")
    assert await ask(url, "SELECT current_user || oil FROM lamp") == f"{GUARDED}1"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(postgres.url(role=GUARDED, password="a guess"), "SELECT 1")


async def test_restart(own: Postgres) -> None:
    """A restart keeps the data and the port, and ends every process there was."""
    url = own.database()
    await ask(url, "CREATE TABLE lamp AS SELECT 7 AS oil")
    before = own.processes()

    own.restart()

    assert await ask(url, "SELECT oil FROM lamp") == 7
    assert not any(map(runs, before))


async def test_kill(own: Postgres) -> None:
    """Killed in the middle of a transaction, the server comes back with what it had acknowledged, and nothing else."""
    url = own.database()
    await ask(url, "CREATE TABLE lamp (oil int)")
    await ask(url, "INSERT INTO lamp VALUES (1)")
    connection = await asyncpg.connect(url)
    await connection.execute("BEGIN; INSERT INTO lamp VALUES (2)")
    before = own.processes()

    own.kill()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("COMMIT")
    with pytest.raises(OSError, match=str(own.port)):
        await ask(url, "SELECT 1")
    left = [process for process in before if runs(process)]
    own.start()

    assert not left
    assert await ask(url, "SELECT string_agg(oil::text, ',') FROM lamp") == "1"


async def test_pause(own: Postgres) -> None:
    """A paused server answers nobody, old connection or new, and loses nothing of what it was asked."""
    connection = await asyncpg.connect(own.url())
    own.pause()
    old, new = asyncio.ensure_future(connection.fetchval("SELECT 1")), asyncio.ensure_future(ask(own.url(), "SELECT 2"))
    answered, _ = await asyncio.wait([old, new], timeout=SILENCE)
    own.resume()

    assert not answered
    assert (await old, await new) == (1, 2)
    await connection.close()


async def test_standby(own: Postgres) -> None:
    """A standby follows and refuses writes; promoted on the port of a dead server, it takes that server's place."""
    url = own.database()
    with own.standby() as standby:
        await ask(url, "CREATE TABLE lamp AS SELECT 3 AS oil")
        await followed(own, standby)
        copied = await ask(standby.url(url.rpartition("/")[2]), "SELECT oil FROM lamp")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await ask(standby.url(), "CREATE TABLE refused (oil int)")

        own.kill()
        standby.port = own.port
        standby.restart().promote()
        await ask(url, "UPDATE lamp SET oil = oil + 1")
        after = await ask(url, "SELECT oil FROM lamp")

    own.start()
    assert copied == 3
    assert after == 4
    assert await ask(url, "SELECT oil FROM lamp") == 3


def test_settings() -> None:
    """A durable server syncs what it writes, and takes further settings."""
    with Postgres(durable=True, settings={"max_connections": "20"}) as server:
        assert (server.query("SHOW fsync"), server.query("SHOW max_connections")) == ("on", "20")


async def test_redis(redis: Redis) -> None:
    """A Redis keeps until it is flushed or ends, and is silent while it is paused."""
    redis.flush()
    with Redis() as own:
        async with Client.from_url(own.url(), retry=None) as client, Client.from_url(redis.url()) as other:
            await client.set("oil", 1)
            elsewhere = await other.get("oil")
            own.flush()
            flushed = await client.get("oil")
            await client.set("oil", 2)
            own.pause()
            asked = asyncio.ensure_future(client.get("oil"))
            answered, _ = await asyncio.wait([asked], timeout=SILENCE)
            own.resume()
            late = await asked
            await client.aclose()
            own.restart()
            restarted = await client.get("oil")

    assert (elsewhere, flushed, answered, late, restarted) == (None, None, set(), b"2", None)


async def test_redis_password() -> None:
    """A Redis with a password answers nobody without it."""
    with Redis(password=PASSWORD) as server:
        async with Client.from_url(server.url()) as client:
            answer = await client.ping()
        async with Client.from_url(server.url().replace(PASSWORD, "a-guess")) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()

    assert answer


def test_port_taken(redis: Redis) -> None:
    """A server that cannot start says why, leaves nothing, and is not mistaken for the one that has its port."""
    second = Redis()
    second.port = redis.port

    with pytest.raises(RuntimeError, match="Address already in use"), second:
        pass
    assert not second.folder.path.exists()


def test_closed() -> None:
    """A closed server leaves no process and no file, even when it was paused."""
    with Postgres() as server, Redis() as other:
        processes = [*server.processes(), *other.processes()]
        ran = [runs(process) for process in processes]
        server.pause()

    assert len(processes) > 3
    assert all(ran)
    assert not any(map(runs, processes))
    assert not server.folder.path.exists()
    assert not other.folder.path.exists()


def test_killed_run() -> None:
    """A test run that is killed leaves no process and no file of its servers either."""
    with subprocess.Popen([sys.executable, "-c", MAKE_AND_SLEEP], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        lines = [line.split() for line in iter(run.stdout.readline, "made\n")]
        folders = [Path(folder) for folder, *_ in lines]
        processes = [psutil.Process(int(pid)) for _, *pids in lines for pid in pids]
        ran = [runs(process) for process in processes]
        run.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end and any(folder.exists() for folder in folders):
        time.sleep(0.02)

    assert len(folders) == 2
    assert all(ran)
    assert not any(map(runs, processes))
    assert not any(folder.exists() for folder in folders)


def test_missing_programs(tmp_path: Path) -> None:
    """Where a server is missing, its Debian package is named, for `make test` to install."""
    command = [sys.executable, "-m", "tests.servers.programs"]

    here = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    bare = subprocess.run(
        command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    ).stdout

    assert here.split() == []
    assert "redis-server" in bare.split()
