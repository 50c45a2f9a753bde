"""What `ostiary import` takes for a hundred thousand accounts of a Django project: seconds, and memory against a tenth.

The command runs as an operator starts it, with the audit record of each account, into a file and into a PostgreSQL that
writes to the disk before it answers. Hashes come as they are, so none is computed.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench.figure import QUICK, Figure
from tests.servers.postgres import Postgres

ACCOUNTS = 10_000 if QUICK else 100_000
OSTIARY = str(Path(sys.executable).with_name("ostiary"))


def figures() -> Iterator[Figure]:
    """Bring them in, into one database after the other."""
    with tempfile.TemporaryDirectory() as folder, Postgres(durable=True) as postgres:
        many, few = (_project(Path(folder) / f"{number}.db", number) for number in (ACCOUNTS, ACCOUNTS // 10))
        for name in ("sqlite", "postgresql"):
            took, busy, most = _brought(many, _service(Path(folder) / f"{name}-many", name, postgres))
            *_, least = _brought(few, _service(Path(folder) / f"{name}-few", name, postgres))
            yield Figure(
                name=f"import of {ACCOUNTS:,} accounts, {name}",
                value=took,
                spread=(took, took),
                unit="s",
                detail=f"{busy:.1f} s of a processor; {ACCOUNTS / took:,.0f} accounts a second",
                at_most=60,
            )
            yield Figure(
                name=f"its memory against that of {ACCOUNTS // 10:,}, {name}",
                value=most / least,
                spread=(most / least, most / least),
                detail=f"{most / 1024:.0f} MiB against {least / 1024:.0f} MiB",
                at_most=1.1,
            )


def _project(place: Path, number: int) -> str:
    """Make the database of a Django project in which everybody is in two groups."""
    with closing(sqlite3.connect(place)) as theirs, theirs:
        theirs.executescript(
            """
            CREATE TABLE auth_user (id INTEGER PRIMARY KEY, password TEXT, username TEXT, first_name TEXT,
                last_name TEXT, email TEXT, is_staff BOOL, is_active BOOL, is_superuser BOOL, date_joined DATETIME);
            CREATE TABLE auth_group (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE auth_user_groups (id INTEGER PRIMARY KEY, user_id INTEGER, group_id INTEGER);
            INSERT INTO auth_group VALUES (1, 'readers'), (2, 'authors');
            """
        )
        hashed = "pbkdf2_sha256$1000000$aSaltOfSome22Letters00$" + "A" * 43 + "="
        users = ((n, hashed, f"user{n}", f"user{n}@example.com", "2020-01-02 03:04:05.000006") for n in range(number))
        theirs.executemany("INSERT INTO auth_user VALUES (?, ?, ?, 'Ada', 'Lovelace', ?, 0, 1, 0, ?)", users)
        members = ((n, group) for n in range(number) for group in (1, 2))
        theirs.executemany("INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, ?)", members)
    return f"sqlite:///{place}"


def _service(data: Path, name: str, postgres: Postgres) -> list[str]:
    """Set a service up, and return the options that find it."""
    options = ["--data", str(data), *(["--store", postgres.database()] if name == "postgresql" else [])]
    subprocess.run([OSTIARY, "init", *options], check=True, stdout=subprocess.DEVNULL)
    return options


def _brought(project: str, options: list[str]) -> tuple[float, float, int]:
    """Bring everybody in. Returns the seconds, the processor's seconds, and the most KiB that it had."""
    started = time.perf_counter()
    command = [OSTIARY, "import", "--from", "django", project, "--yes", *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss
