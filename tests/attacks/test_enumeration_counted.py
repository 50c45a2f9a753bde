"""Threat: what is done for an address tells who has an account, even where no clock is fine enough to show it.

So it is counted: whoever is asked for, a refused login runs the same statements in the database, in the same order, and
verifies as many hashes; and so does whatever asks for a letter. `test_enumeration` compares answers and times.
"""

import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.letter import About
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.core.session import Carrier
from ostiary.core.ticket import Link
from ostiary.methods.password import Password
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.sqlite import Sqlite
from tests.attacks.visits import BROWSER, Street, street_of
from tests.auth.mailing import sent_all
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


ABOUT_LETTERS = re.compile(
    r"SELECT .* FROM (users|identifiers|credentials|counters|challenges)\b|DELETE FROM challenges\b"
    r"|INSERT INTO (counters|events|challenges|outbox|users|identifiers|credentials)\b|UPDATE (?!outbox)"
)
"""What asking for a letter asks and writes. It is sent beside the requests."""


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

    async def ask(self, path: str, body: dict[str, str]) -> tuple[int, bytes, list[str], int]:
        """Ask for a letter, where nobody has for days. Returns status, answer, statements and hashes."""
        self.street.house.clock.advance(timedelta(days=2))
        self.statements.clear()
        self.hasher.against.clear()
        answer = await self.street.send("POST", path, json=body, headers=BROWSER)
        return answer.status_code, answer.content, list(self.statements), len(self.hasher.against)


async def watch(house: House, statements: list[str], about: re.Pattern[str] = ABOUT_PEOPLE) -> None:
    """Take note of every statement that SQLite runs for a house, as it is written, without its values."""
    assert isinstance(house.store, SqlStore)
    database = house.store._database
    assert isinstance(database, Sqlite)

    def note(text: str) -> None:
        words = " ".join(text.split()).partition(" WHERE ")[0].partition(" VALUES ")[0]
        if about.match(words):
            statements.append(words)

    def listen(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(note)

    for connection in database.opened().connections:
        await connection.ask(listen)


def watched_hasher(house: House) -> Watched:
    """Return the hasher of a house, which takes note from now on."""
    hasher, password = Watched(house.auth.policy.password), house.auth._password
    assert isinstance(password, Password)
    password._hasher = hasher
    return hasher


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    """A street with a user of each kind."""
    house = make_house(sqlite_store(tmp_path), tmp_path)
    hasher = watched_hasher(house)
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


# ------------------------------------------------------------------------------------------------ letters

KNOWN = {
    "unknown": "nobody@example.com",
    "not proved yet": "ada@example.com",
    "proved": "zoe@example.com",
    "disabled": "eve@example.com",
}
ASKING: dict[str, dict[str, str]] = {
    "/auth/register": {"password": PASSWORD},
    "/auth/email/send": {},
    "/auth/password/forgot": {},
}


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Counted]:
    """A street with a user of each kind, where an address must be proved before an account is made."""
    policy = replace(CHEAPEST, registration=Registration.VERIFIED)
    house = make_house(sqlite_store(tmp_path), tmp_path, policy=policy)
    hasher = watched_hasher(house)
    async with house.auth.running():
        await house.user()
        link = await house.auth.flows.invite(KNOWN["proved"], actor="test")
        await house.auth.flows.accept_invitation(Link(link.partition("token=")[2]), password=PASSWORD)
        eve = await house.user(KNOWN["disabled"])
        await house.auth.accounts.disable(eve.user.id, actor="test")
        counted = Counted(street_of(house), hasher)
        await watch(house, counted.statements, ABOUT_LETTERS)
        yield counted


@pytest.mark.parametrize("path", ASKING)
async def test_letters_that_are_asked_for(asked: Counted, path: str) -> None:
    """Whoever a letter is asked for, the answer is the same, and the very same statements run in the same order."""
    seen = {kind: await asked.ask(path, {"email": email} | ASKING[path]) for kind, email in KNOWN.items()}

    status, _, statements, _ = seen["unknown"]
    assert status == 202
    assert sum(text.startswith("INSERT INTO challenges") for text in statements) == 2
    assert sum(text.startswith("INSERT INTO outbox") for text in statements) == 1
    assert {kind: each for kind, each in seen.items() if each != seen["unknown"]} == {}


@pytest.mark.parametrize("path", ["/auth/password/reset", "/auth/email/verify"])
async def test_codes_that_are_guessed(asked: Counted, path: str) -> None:
    """Whoever's code is guessed at after a letter was asked for, the refusal is the same and costs the same."""
    asks = {"/auth/password/reset": "/auth/password/forgot", "/auth/email/verify": "/auth/email/send"}[path]
    new = {"new": PASSWORD} if path == "/auth/password/reset" else {"password": PASSWORD}
    seen: dict[str, object] = {}
    for kind, email in KNOWN.items():
        await asked.ask(asks, {"email": email})
        asked.statements.clear()
        guess = {"email": email, "code": "000000"} | new
        answer = await asked.street.send("POST", path, json=guess, headers=BROWSER)
        seen[kind] = (answer.status_code, answer.content, list(asked.statements))
        assert (answer.status_code, answer.json()["code"]) == (422, "void")

    assert {kind: each for kind, each in seen.items() if each != seen["unknown"]} == {}


async def test_who_is_told(asked: Counted) -> None:
    """What a letter says is not the same, or nothing here would prove anything: nobody is written who is not known."""
    for email in KNOWN.values():
        await asked.ask("/auth/password/forgot", {"email": email})
    mail = asked.street.house.mail
    for email in (KNOWN["proved"], KNOWN["not proved yet"]):
        await mail.letter(About.RESET_PASSWORD, to=email)
    await sent_all(asked.street.house)

    told = {letter.to for letter in mail.letters if letter.about is not About.INVITATION}
    assert told == {KNOWN["proved"], KNOWN["not proved yet"]}
