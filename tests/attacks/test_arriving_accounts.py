"""Threat: somebody gets another's account by way of an import: with a look-alike address, a role, or a hostile hash.

Whoever could write into the old database, be it only their own address there, must not gain more here than they had.
"""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from ostiary.core.arrival import Arrival, Fate
from ostiary.core.events import Kind
from ostiary.errors import Refused
from ostiary.methods.inherited import keyed
from tests.conftest import PASSWORD, House

HASH = "pbkdf2:sha256:10$salt$a7b21bb8a22b1a6f12aa0ac0e4bd93eb5f3a9b6a4ed2bdf7c4c8b0c9b17c0a5e"
LOOK_ALIKES = {
    "case": "ADA@example.com",
    "full width": "\uff21da@example.com",
    "domain in other letters": "ada@\u24d4xample.com",
    "space": "  ada@example.com\n",
}


def arrival(email: str, **more: object) -> Arrival:
    """Return somebody who arrives with a hash."""
    return Arrival(**{"where": "line 2", "email": email, "secret": HASH, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("typed", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
async def test_look_alike_of_somebody_here(house: House, typed: str) -> None:
    """An arrival whose address reads like that of somebody here changes nothing of theirs: no role, no hash."""
    ada = await house.user()
    fates = await house.auth.arrivals.add([arrival(typed, roles=("admin",), verified=True)], actor="cli")

    assert fates == [Fate.WAS_HERE]
    assert await house.auth.accounts.find("ada@example.com") == ada
    assert (await house.auth.prove("ada@example.com", PASSWORD)).user_id == ada.user.id


@pytest.mark.parametrize("typed", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
async def test_look_alikes_that_arrive_together(house: House, typed: str) -> None:
    """Of two arrivals with one address the first comes, and nothing of the second is added to it."""
    first, second = arrival("ada@example.com", roles=("reader",)), arrival(typed, roles=("admin",), verified=True)
    fates = await house.auth.arrivals.add([first, second], actor="cli")
    account = await house.auth.accounts.find("ada@example.com")

    assert fates == [Fate.CAME, Fate.TWICE]
    assert account is not None
    assert account.user.roles == ("reader",)
    assert [identifier.verified_at for identifier in account.identifiers] == [None]
    assert [event.kind for event in house.recorder.events] == [Kind.ARRIVED]


@pytest.mark.parametrize("typed", ["\u212aim@example.com", "\uff4bim@example.com", "gro\u00df@example.com"])
async def test_verified_as_another(house: House, typed: str) -> None:
    """Who has verified one address there has not verified here the one that it is folded into."""
    plain = arrival("Ada@example.com", verified=True)
    await house.auth.arrivals.add([arrival(typed, verified=True), plain], actor="cli")
    folded, same = [await house.auth.accounts.find(address) for address in (typed, "ada@example.com")]

    assert folded is not None
    assert folded.identifiers[0].typed == typed
    assert folded.identifiers[0].verified_at is None
    assert same is not None
    assert same.identifiers[0].verified_at is not None


@pytest.mark.parametrize(
    "hostile",
    [
        "$2b$31$fmfTnMcpXT/t8dposYBxZexyG4.oWn1dDyqh2wY9a.nKBF2HiKEIy",
        "$scrypt$ln=16,r=9999,p=1$c2FsdHNhbHQ$" + "a" * 43,
        "$argon2id$v=19$m=2000000,t=60,p=1$c2FsdHNhbHRzYWx0$" + "a" * 43,
        "pbkdf2_sha256$999999999$salt$" + "a" * 43 + "=",
        keyed("a key", "$6$rounds=999999999$abc$" + "a" * 86),
        "ada's password in plain text",
        "",
    ],
)
async def test_hostile_hash(house: House, hostile: str) -> None:
    """A hash that costs hours, or is none, does not come along: its user does, is reported, and no password fits."""
    fates = await house.auth.arrivals.add([arrival("ada@example.com", secret=hostile)], actor="cli")
    account = await house.auth.accounts.find("ada@example.com")

    assert fates == [Fate.UNREADABLE]
    assert account is not None
    async with house.store.read() as tx:
        assert await tx.credentials.of(account.user.id, "password") == []
    for password in (hostile, "", PASSWORD):
        with pytest.raises(Refused):
            await house.auth.prove("ada@example.com", password)


async def test_register_meanwhile(house: House) -> None:
    """Of somebody who registers and an arrival with the same address one comes to be, whoever was first."""
    registered, fates = await asyncio.gather(
        house.user(), house.auth.arrivals.add([arrival("ada@example.com")], actor="cli"), return_exceptions=True
    )
    account = await house.auth.accounts.find("ada@example.com")

    assert account is not None
    if isinstance(registered, BaseException):
        assert fates == [Fate.CAME]
    else:
        assert account == registered
        assert fates == [Fate.WAS_HERE] or isinstance(fates, BaseException)


@pytest.mark.parametrize("house", ["sqlite"], indirect=True)
async def test_all_or_nothing(house: House) -> None:
    """A transaction that fails at its end leaves nobody half here: no user without address, no address without hash."""
    with closing(sqlite3.connect(house.folder / "ostiary.db")) as database, database:
        database.execute("CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="no"):
        await house.auth.arrivals.add([arrival("ada@example.com")], actor="cli")
    with closing(sqlite3.connect(house.folder / "ostiary.db")) as database:
        counts = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours
            for table in ("users", "identifiers", "credentials", "events")
        ]

    assert counts == [0, 0, 0, 0]
