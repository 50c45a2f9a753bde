"""Threat: what is done for an address tells who has an account, even where no clock is fine enough to show it.

So it is counted: whoever is asked for, a refused login runs the same statements in the database, in the same order, and
verifies as many hashes. `test_enumeration` compares answers and times.
"""

import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.session import Carrier
from ostiary.methods.password import Password
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.sqlite import Sqlite
from tests.attacks.visits import BROWSER, Street, street_of
from tests.conftest import PASSWORD, House, make_house, sqlite_store
from tests.methods.town import Watched

WRONG = "another lantern in the harbour"
ASKED = {
    "unknown": ("nobody@example.com", WRONG),
    "wrong password": ("ada@example.com", WRONG),
    "disabled": ("eve@example.com", WRONG),
    "disabled, right password": ("eve@example.com", PASSWORD),
    "no password set": ("bob@example.com", WRONG),
    "no address": ("nobody", WRONG),
}

ABOUT_PEOPLE = re.compile(
    r"SELECT .* FROM (users|identifiers|credentials|counters)\b|INSERT INTO (counters|events)\b|UPDATE "
)
"""What a login asks and writes. Beside it the process follows the feed, and tidies up by deleting."""


@dataclass
class Counted:
    """A street, and what was done there since the last look."""

    street: Street
    hasher: Watched
    statements: list[str] = field(default_factory=list)

    async def login(self, email: str, password: str) -> tuple[int, list[str], int]:
        """Try to log in, where nobody has tried for days. Returns the status, the statements and the hashes."""
        self.street.house.clock.advance(timedelta(days=2))
        self.statements.clear()
        self.hasher.against.clear()
        body = {"email": email, "password": password, "carrier": Carrier.COOKIE}
        answer = await self.street.send("POST", "/auth/login", json=body, headers=BROWSER)
        return answer.status_code, list(self.statements), len(self.hasher.against)


async def watch(house: House, statements: list[str]) -> None:
    """Take note of every statement that SQLite runs for a house, as it is written, without its values."""
    assert isinstance(house.store, SqlStore)
    database = house.store._database
    assert isinstance(database, Sqlite)

    def note(text: str) -> None:
        words = " ".join(text.split()).partition(" WHERE ")[0].partition(" VALUES ")[0]
        if ABOUT_PEOPLE.match(words):
            statements.append(words)

    def listen(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(note)

    for connection in database.opened().connections:
        await connection.ask(listen)


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    """A street with a user of each kind."""
    house = make_house(sqlite_store(tmp_path), tmp_path)
    hasher = Watched(house.auth.policy.password)
    password = house.auth._password
    assert isinstance(password, Password)
    password._hasher = hasher
    async with house.auth.running():
        await house.user()
        eve, bob = await house.user("eve@example.com"), await house.user("bob@example.com")
        await house.auth.accounts.disable(eve.user.id, actor="test")
        async with house.store.write() as tx:
            (identifier,) = await tx.identifiers.of(bob.user.id)
            await tx.users.remove(bob.user.id)  # with the password; then all but the password comes back
            await tx.users.add(bob.user)
            assert await tx.identifiers.add(identifier)
        counted = Counted(street_of(house), hasher)
        await watch(house, counted.statements)
        yield counted


async def test_as_many(counted: Counted) -> None:
    """Whoever is asked for, as many hashes are verified, and the very same statements run in the same order."""
    seen = {kind: await counted.login(*asked) for kind, asked in ASKED.items()}

    status, statements, hashes = seen["wrong password"]
    assert (status, hashes) == (401, 1)
    assert sum(text.startswith("SELECT") and " FROM credentials" in text for text in statements) == 1
    assert {kind: each for kind, each in seen.items() if each != seen["wrong password"]} == {}


async def test_who_is_let_in_costs_another(counted: Counted) -> None:
    """What a right password costs is not the same, or nothing here would prove anything."""
    refused = await counted.login("ada@example.com", WRONG)
    let_in = await counted.login("ada@example.com", PASSWORD)

    assert (refused[0], let_in[0]) == (401, 200)
    assert let_in[1] != refused[1]
