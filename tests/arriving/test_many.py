"""`ostiary import` of many: as much work and memory for each as for few, and nothing is lost when it is killed."""

import asyncio
import signal
import sqlite3
import subprocess
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import pytest

from ostiary.cli.arrive import _all
from ostiary.cli.arriving import AT_ONCE, SOURCES, Broken, Options
from ostiary.core.arrival import Arrival, Fate
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.sqlite import Sqlite
from tests.arriving.bringing import bring
from tests.conftest import House
from tests.server.running import OSTIARY, clean_environment


def arrivals(number: int, *, start: int = 0) -> list[Arrival]:
    """Return some arrivals with all that an arrival can have."""
    return [
        Arrival(
            where=f"line {n}",
            email=f"user{n}@example.com",
            name="Ada",
            roles=("editor",),
            secret=f"pbkdf2:sha256:1000$salt${n:064x}",
            verified=True,
        )
        for n in range(start, start + number)
    ]


@pytest.mark.parametrize("house", ["sqlite"], indirect=True)
async def test_trips(house: House) -> None:
    """A thousand arrivals go to the database on as many ways as ten."""
    assert isinstance(house.store, SqlStore)
    database = house.store._database
    assert isinstance(database, Sqlite)
    asked, me = 0, asyncio.current_task()

    async def trips(batch: Sequence[Arrival]) -> int:
        nonlocal asked
        asked = 0
        fates = [*await house.auth.arrivals.look(batch), *await house.auth.arrivals.add(batch, actor="a test")]
        assert fates == [Fate.CAME] * 2 * len(batch)
        return asked

    for connection in database.opened().connections:
        ask = connection.ask

        def counted(work: object, ask: object = ask) -> object:
            nonlocal asked
            asked += asyncio.current_task() is me  # the follower asks, too
            return ask(work)  # type: ignore[operator]

        connection.ask = counted  # type: ignore[assignment, method-assign]

    assert await trips(arrivals(10)) == await trips(arrivals(1000, start=10)) < 12


async def test_no_more_than_a_batch_waits() -> None:
    """Of however many rows, no more than one transaction holds are read before they are brought in."""
    drawn = settled = most = 0

    def rows() -> Iterator[Arrival | Broken]:
        nonlocal drawn, most
        for row in arrivals(5 * AT_ONCE):
            drawn += 1
            most = max(most, drawn - settled)
            yield row

    async def act(batch: Sequence[Arrival]) -> Sequence[Fate]:
        nonlocal settled
        settled += len(batch)
        return [Fate.CAME] * len(batch)

    report = await _all(rows(), act, expected=None)

    assert report.fates == {Fate.CAME: 5 * AT_ONCE}
    assert most == AT_ONCE


@pytest.mark.parametrize("source", ["csv", "flask-login"])
def test_memory(tmp_path: Path, source: str) -> None:
    """To read twenty thousand accounts takes the memory that two thousand take."""

    def peak(number: int) -> int:
        place = str(tmp_path / f"{number}.csv")
        if source == "csv":
            Path(place).write_text("email,password\n" + "".join(f"user{n}@example.com,x\n" for n in range(number)))
        else:
            with closing(sqlite3.connect(place)) as theirs, theirs:
                theirs.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT, password TEXT)")
                theirs.executemany(
                    "INSERT INTO user (email, password) VALUES (?, ?)",
                    ((f"user{n}@example.com", "x" * 100) for n in range(number)),
                )
            place = f"sqlite:///{place}"
        rows = SOURCES[source](place, Options())
        next(rows)
        tracemalloc.start()
        count = 1
        while batch := list(islice(rows, AT_ONCE)):
            count += len(batch)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == number
        return found

    few, many = peak(2_000), peak(20_000)

    assert many < 2 * few


def test_killed(place: Path) -> None:
    """An import that was killed is simply begun again: everybody is here then, and once."""
    number = 6_000
    rows = "".join(f"user{n}@example.com,editor\n" for n in range(number))
    (place / "theirs.csv").write_text("email,roles\n" + rows)
    command = [OSTIARY, "import", "--data", "data", "--yes", "--from", "csv", "theirs.csv"]
    with (
        closing(sqlite3.connect(place / "data" / "ostiary.db", timeout=20)) as ours,
        subprocess.Popen(command, cwd=place, env=clean_environment(), stdout=subprocess.DEVNULL) as child,
    ):
        while child.poll() is None and not _number(ours):
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.001)
        child.send_signal(signal.SIGKILL)
        child.wait(20)
        left = _number(ours)
        report = bring("theirs.csv", "csv", cwd=place)

        assert left >= AT_ONCE
        assert left % AT_ONCE == 0
        assert _number(ours) == number
        assert report["accounts"].get("was here already, and is as it was", 0) == left
        whole = (
            "SELECT count(*) FROM users JOIN identifiers ON identifiers.user_id = users.id"
            " JOIN events ON events.user_id = users.id"
        )
        assert ours.execute(whole).fetchone() == (number,)


def _number(ours: sqlite3.Connection) -> int:
    return int(ours.execute("SELECT count(*) FROM users").fetchone()[0])
