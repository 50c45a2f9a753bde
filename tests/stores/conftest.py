"""A SQLite file with its schema, a store on it, and other processes beside it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.stores.sql.migrations import upgrade

ROOT = Path(__file__).parents[2]

Child = subprocess.Popen[str]
Start = Callable[[str], Child]
StartOn = Callable[[str, str], Child]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the schema in it."""
    path = tmp_path / "ostiary.db"
    upgrade(sqlite_url(path))
    return path


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlStore]:
    """A store on that file."""
    store = SqlStore(sqlite_url(path))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def start(tmp_path: Path, start_on: StartOn) -> Start:
    """Start another process that uses the same file."""
    return partial(start_on, sqlite_url(tmp_path / "ostiary.db"))


@pytest.fixture
def start_on() -> Iterator[StartOn]:
    """Start another process that uses the database of a URL; see `children`. It ends with the test."""
    started: list[Child] = []

    def start(url: str, what: str) -> Child:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.stores.children", what, url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def answer(child: Child) -> str:
    """Return the next line that a child prints."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def go(child: Child) -> None:
    """Let a child go on."""
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
