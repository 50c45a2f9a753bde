"""The plugin of pytest, as a project that has installed Ostiary meets it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)  # each test is several runs of pytest

ROOT = Path(__file__).parents[2]

APPLICATION = """
from fastapi.testclient import TestClient
from ostiary import Carrier
from tests.testing.applications import fastapi_app
import pytest

@pytest.fixture
def client(auth):
    with TestClient(fastapi_app(auth), base_url="http://localhost:8000") as client:
        yield client
"""

TWIN = """
from tests.testing.applications import flask_app, sync_auth
import pytest

@pytest.fixture
def auth(tmp_path):
    with sync_auth(tmp_path).running() as auth:
        yield auth

@pytest.fixture
def client(auth):
    return flask_app(auth).test_client()
"""

TESTS = """
def test_me(client, user, sign_in):
    sign_in(client, user)
    assert client.get("/me").status_code == 200

def test_whatever_the_order(user, client, sign_in):
    assert sign_in(client, user).account == user
    assert client.get("/me").status_code == 200

def test_it_is_another_place(client, sign_in):
    assert client.get("/me").status_code == 401
"""


def installed(folder: Path) -> None:
    """Put down what an installer says of us: the entry points that `pyproject.toml` names."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    dist = folder / "site" / "ostiary_as_installed-0.dist-info"
    dist.mkdir(parents=True)
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: ostiary-as-installed\nVersion: 0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (dist / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))


def run_pytest(folder: Path, **files: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest in a project of these files, which has Ostiary and no setting of its own."""
    installed(folder)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    path = os.pathsep.join(map(str, (folder / "site", ROOT / "src", ROOT)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        command, cwd=folder, env=environment | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("application", [APPLICATION, TWIN], ids=["async", "sync"])
def test_fixtures(tmp_path: Path, application: str) -> None:
    """The fixtures are there with nothing imported, and each test has an application of its own."""
    done = run_pytest(tmp_path, conftest=application, test_it=TESTS)

    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_it_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    """In a run that uses none of it, not one of our rooms is loaded, nor anything that they need."""
    source = """
import sys

def test_nothing():
    assert "ostiary.testing.plugin" in sys.modules
    print(*sys.modules)
    assert 0
"""
    done = run_pytest(tmp_path, test_it=source)
    loaded = done.stdout.partition("Captured stdout call")[2].split()

    ours = {name for name in loaded if name.startswith("ostiary")}
    assert ours == {"ostiary", "ostiary.lazy", "ostiary.testing", "ostiary.testing.plugin"}
    assert not {"sqlalchemy", "cryptography", "msgspec", "argon2"} & set(loaded)


STORE = """
from collections.abc import AsyncIterator
from dataclasses import replace
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.testing import conformance
import pytest

@pytest.fixture
async def store():
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()

class TestUsers(conformance.UsersSuite): ...
"""

CARELESS = """
from ostiary.stores.memory import _tables

async def swap(self, old, new):
    self._state.users.put(new.id, new)
    return True

_tables.Users.swap = swap
"""


def test_a_store_of_ones_own(tmp_path: Path) -> None:
    """The suites are for everybody: a store that keeps its promises passes, and one that does not is told which."""
    good = run_pytest(tmp_path / "good", test_store=STORE)
    careless = run_pytest(tmp_path / "careless", test_store=STORE, conftest=CARELESS)

    assert "passed" in good.stdout, good.stdout
    assert "failed" not in good.stdout
    assert "test_swap_of_an_old_revision - assert not True" in careless.stdout
    assert "test_swap " not in careless.stdout
