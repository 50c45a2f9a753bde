"""A service without users, and databases of other systems: each is made once, and copied."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.arriving.making import SALT
from tests.server.running import here as ostiary

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a service that was set up and has nobody in it."""
    folder = tmp_path_factory.mktemp("empty")
    assert ostiary("init", "--data", "data", cwd=folder).returncode == 0
    return folder / "data"


@pytest.fixture
def place(tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the data of such a service, and the key of a Flask-Security application in the environment."""
    shutil.copytree(empty, tmp_path / "data")
    monkeypatch.setenv("SECURITY_PASSWORD_SALT", SALT)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return the URL of the SQLite database that a library filled."""

    @cache
    def make(source: str) -> str:
        url = f"sqlite:///{tmp_path_factory.mktemp(source) / 'theirs.db'}"
        fill(source, url)
        return url

    return make


def fill(source: str, url: str) -> None:
    """Let a library fill a database, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.arriving.making", source, url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
