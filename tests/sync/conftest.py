"""A twin of what the other tests start from: an `Auth` without an event loop, on a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.core.site import Site
from ostiary.keys.vault import SealedVault
from ostiary.stores.sql import sqlite_url
from ostiary.sync import Auth
from ostiary.sync.methods.password import Password
from ostiary.sync.stores.sql.store import SqlStore
from ostiary.system import SystemClock, SystemEntropy
from ostiary.testing import CHEAPEST
from tests.conftest import ISSUER


def make_auth(folder: Path) -> Auth:
    """Put an `Auth` together on the file of a folder. Two on one folder are as two worker processes."""
    entropy = SystemEntropy()
    return Auth(
        store=SqlStore(sqlite_url(folder / "ostiary.db"), migrate=True),
        vault=SealedVault(folder / "master.key", entropy=entropy),
        password=Password(CHEAPEST.password),
        site=Site.of(ISSUER),
        clock=SystemClock(),
        entropy=entropy,
        policy=CHEAPEST,
        roles={"editor": ["write"]},
    )


@pytest.fixture
def auth(tmp_path: Path) -> Iterator[Auth]:
    """One that has started."""
    made = make_auth(tmp_path)
    with made.running():
        yield made


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Auth]:
    """One that a door will start."""
    made = make_auth(tmp_path)
    yield made
    made.stop()
