"""What the database costs: its disk, its locks, its questions and its news, on a real PostgreSQL."""

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg

from bench.scale import verbs
from bench.scale.costs import Spread, spread
from bench.scale.postgres import Connection, CountingStore, Tally, database
from bench.scale.verbs import AT_ONCE, TOGETHER, Act, Town
from ostiary.core.floor import NONE_IS_GOOD, Floor
from ostiary.stores.sql.schema import feed
from ostiary.stores.sql.terms import CHANNEL

ROUNDS = 5
FLOORS = 100_000


async def measured(url: str, folder: Path) -> dict[str, Any]:
    """Return the costs of the database, by the names of `Costs`."""
    async with database(url) as ours:
        watch: Connection = await asyncpg.connect(ours)
        town = await verbs.town(ours, watch, folder)
        costs = {
            "fsync": _fsync(folder),
            "verbs": tuple([await verbs.measured(town, watch, name) for name in verbs.VERBS]),
            **await _head(town),
            **await _commits(ours),
            **await _seen(town, watch),
            **await _questions(town, watch),
            "told": await _told(ours),
            "read": await _read(town, watch),
        }
        await town.auth.stop()
        await watch.close()
    return costs


def _fsync(folder: Path) -> float:
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(200):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


async def _head(town: Town) -> dict[str, Any]:
    """Measure how fast the head's lock goes round when somebody always waits for it: from one commit to the next.

    Each holder does what a logout does under the lock: it takes `seq`, appends, and commits, which tells.
    """
    town.store.tally = Tally()
    rounds = [await _turns(town.store) for _ in range(ROUNDS)]
    return {
        "turn": spread(sorted(rounds, key=statistics.mean)[ROUNDS // 2]),
        "trips": town.store.tally.statements / town.store.tally.writes + 1,  # and the commit
    }


async def _turns(store: CountingStore) -> list[float]:
    commits: list[float] = []

    async def work() -> None:
        for _ in range(TOGETHER // 4):
            async with store.write() as tx:
                await tx.feed.append([Floor(secrets.token_urlsafe(16), NONE_IS_GOOD, datetime.now(UTC))])
            commits.append(time.perf_counter())

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    steady = sorted(commits)[AT_ONCE:-AT_ONCE]
    return [later - earlier for earlier, later in pairwise(steady)]


async def _seen(town: Town, watch: Connection) -> dict[str, float]:
    """Measure how last uses are written down: many in one transaction."""
    sids = [(await town.login()).session.id for _ in range(TOGETHER)]
    times, start = [], await verbs.wal(watch)
    for n in range(ROUNDS):
        began = time.perf_counter()
        async with town.store.write() as tx:
            await tx.sessions.seen(dict.fromkeys(sids, datetime.now(UTC) + timedelta(minutes=n)))
        times.append((time.perf_counter() - began) / TOGETHER)
    return {"seen": statistics.median(times), "seen_wal": (await verbs.wal(watch) - start) / TOGETHER / ROUNDS}


async def _commits(url: str) -> dict[str, float]:
    """Measure commits of one row, several at once: each on its own row, with a NOTIFY, and all on the head's."""
    workers: list[Connection] = [await asyncpg.connect(url) for _ in range(AT_ONCE)]
    for n in range(AT_ONCE):
        await workers[0].execute("INSERT INTO documents (name, version, body) VALUES ($1, 0, '')", f"row{n}")

    async def rate(statement: Callable[[int], str]) -> float:
        async def work(n: int) -> None:
            for _ in range(TOGETHER // 4):
                await workers[n].execute(statement(n))

        began = time.perf_counter()
        await asyncio.gather(*(work(n) for n in range(AT_ONCE)))
        return AT_ONCE * (TOGETHER // 4) / (time.perf_counter() - began)

    def own(n: int) -> str:
        return f"UPDATE documents SET version = version + 1 WHERE name = 'row{n}'"  # noqa: S608 - our own

    # Several statements in one text are one trip and one transaction.
    ways: dict[str, Callable[[int], str]] = {
        "commits": own,
        "commits_told": lambda n: f"{own(n)}; NOTIFY {CHANNEL}",
        "commits_in_line": lambda _: "UPDATE feed_head SET seq = seq + 1",
    }
    rounds = [{name: await rate(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    for worker in workers:
        await worker.close()
    return {name: statistics.median(each[name] for each in rounds) for name in ways}


async def _questions(town: Town, watch: Connection) -> dict[str, float]:
    """Measure a follower's round that finds nothing new, and what a guard asks about a cookie."""
    issued = await town.login()
    store = town.store
    seq = await verbs.seq(watch)
    times: list[float] = []

    async def poll() -> None:
        began = time.perf_counter()
        await store.news(seq, limit=1000)
        times.append(time.perf_counter() - began)

    async def ask() -> None:
        async with store.read() as tx:
            session = await tx.sessions.get(issued.session.id)
            assert session is not None
            await tx.users.get(session.user_id)

    for _ in range(50):
        await poll()
    ours = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ostiary'"
    pids = [int(row["pid"]) for row in await watch.fetch(ours)]
    times.clear()
    poll_cpu = await _cpu(pids, poll)
    return {
        "poll": statistics.median(times),
        "poll_cpu": poll_cpu,
        "ask_cpu": await _cpu(pids, ask),
        "connection_bytes": statistics.mean(_private(pid) for pid in pids),
    }


async def _cpu(pids: Sequence[int], work: Act, times: int = 3000) -> float:
    """Return the time that these processes of the database compute for one of many. They must be on this machine."""
    before = sum(map(_ticks, pids))
    for _ in range(times):
        await work()
    return (sum(map(_ticks, pids)) - before) / os.sysconf("SC_CLK_TCK") / times


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])  # utime, stime


def _private(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1024.0 for line in lines if line.startswith("Private_"))


async def _told(url: str) -> Spread:
    """Measure how long a listener waits for the news, from the commit's answer. None is earlier than that answer."""
    listener: Connection = await asyncpg.connect(url)
    teller: Connection = await asyncpg.connect(url)
    heard = asyncio.Event()
    await listener.add_listener(CHANNEL, lambda *_: heard.set())
    times = []
    for _ in range(400):
        heard.clear()
        began = time.perf_counter()
        await teller.execute(f"NOTIFY {CHANNEL}")
        answered = time.perf_counter()
        await heard.wait()
        times.append(max(0.0, time.perf_counter() - answered))
        assert answered >= began
    await listener.close()
    await teller.close()
    return spread(times)


async def _read(town: Town, watch: Connection) -> float:
    """Measure a snapshot of many floors, from the question to the records."""
    until = (datetime.now(UTC) + timedelta(minutes=10)).timestamp() * 1e6
    first = await verbs.seq(watch) + 1
    rows = [(seq, secrets.token_urlsafe(16), NONE_IS_GOOD, int(until)) for seq in range(first, first + FLOORS)]
    await watch.copy_records_to_table(feed.name, records=rows, columns=["seq", "sid", "floor", "until"])
    await watch.execute("UPDATE feed_head SET seq = seq + $1", FLOORS)
    await watch.execute("ANALYZE feed")
    began = time.perf_counter()
    async with town.store.read() as tx:
        snapshot = await tx.feed.snapshot()
    return (time.perf_counter() - began) / len(snapshot.floors)
