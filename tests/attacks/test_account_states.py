"""Threat: a way in that forgets to look at the account (CVE-2026-1609, CVE-2026-9798, CVE-2024-22513).

Each way to a credential, taken from the table of routes, meets each state of an account: nothing is issued, and what
was issued before stops.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, cast

import httpx
import pytest

from ostiary.core.base64url import encode_base64url
from ostiary.core.session import Carrier
from ostiary.core.user import Credential, Identifier, User
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.web.bodies import RefreshIn, RegisterIn
from ostiary.web.endpoints import Needs, Route
from tests.attacks.interleaving import Gate, GatedStore, until_stuck, watched
from tests.attacks.visits import BROWSER, GIVING, NEW_PASSWORD, Held, Street, code, is_empty_handed, street_of, taken
from tests.conftest import House, make_house

MOST_CALLS = 150


class Way(NamedTuple):
    """A route that gives a credential, and the carrier by which it is asked, or which it is asked for."""

    route: Route
    carrier: Carrier

    def __str__(self) -> str:
        return f"{self.route.path} {self.carrier}"

    @property
    def makes_an_account(self) -> bool:
        return self.route.takes is RegisterIn

    async def go(self, street: Street, held: Held) -> httpx.Response:
        """Take this way, as who held a session before."""
        if self.route.needs is not Needs.NOTHING:
            return await street.take(self.route, held=held)
        if self.route.takes is RefreshIn:
            return await street.refresh(held)
        return await street.take(self.route, carrier=self.carrier, headers=BROWSER)


def ways() -> list[Way]:
    """Return every way that the table has."""
    found: list[Way] = []
    for route in GIVING:
        if route.needs is Needs.COOKIE:
            carriers = [Carrier.COOKIE]
        elif route.takes is RefreshIn:
            carriers = [Carrier.BEARER]
        else:
            carriers = list(Carrier)
        found += [Way(route, carrier) for carrier in carriers]
    return found


Change = Callable[[House, str], Awaitable[object]]


async def _nothing(house: House, user_id: str) -> None: ...


async def _disable(house: House, user_id: str) -> None:
    await house.auth.accounts.disable(user_id, actor="test")


async def _disable_and_enable(house: House, user_id: str) -> None:
    await house.auth.accounts.disable(user_id, actor="test")
    await house.auth.accounts.enable(user_id, actor="test")


async def _delete(house: House, user_id: str) -> None:
    await house.auth.accounts.delete(user_id, actor="test")


async def _set_password(house: House, user_id: str) -> None:
    await house.auth.accounts.set_password(user_id, new=NEW_PASSWORD, actor="test")


STATES: dict[str, Change] = {
    "active": _nothing,
    "disabled": _disable,
    "enabled again": _disable_and_enable,
    "deleted": _delete,
    "password set": _set_password,
}
WAYS = pytest.mark.parametrize("way", ways(), ids=str)
CHANGED = pytest.mark.parametrize("state", [state for state in STATES if state != "active"])


def expected(way: Way, state: str) -> tuple[int, str] | None:
    """Say how a way is refused for the old account in a state; `None` when it is not."""
    if way.makes_an_account:
        # A deleted account is gone: who registers the address has a new one. Any other keeps its address.
        return None if state == "deleted" else (409, "taken")
    if state == "active" or (way.route.path == "/auth/login" and state == "enabled again"):
        return None
    return {
        "/auth/login": (401, "bad_credentials"),
        "/auth/step-up": (401, "invalid_token"),
        "/auth/refresh": (401, "invalid_grant"),
        "/auth/token": (401, "invalid_token"),
    }[way.route.path]


def test_the_ways() -> None:
    """The ways are those of the table: one that gives a credential and is not looked at here would be the threat."""
    assert {way.route.path for way in ways()} == {
        "/auth/register",
        "/auth/login",
        "/auth/step-up",
        "/auth/refresh",
        "/auth/token",
    }


@pytest.mark.parametrize("state", STATES)
@WAYS
async def test_what_is_issued(house: House, way: Way, state: str) -> None:
    """An account that is not as it was gets nothing by any way, and no session is begun for it."""
    street = street_of(house)
    ada = (await house.user()).user.id
    held = await street.login(way.carrier)
    await STATES[state](house, ada)
    before = len(await street.sessions(ada))

    answer = await way.go(street, held)

    refused = expected(way, state)
    if refused is None:
        assert answer.is_success
        assert not is_empty_handed(answer)
        assert not way.makes_an_account or answer.json()["user"]["id"] != ada
    else:
        assert code(answer) == refused
        assert is_empty_handed(answer)
        assert len(await street.sessions(ada)) == before


@CHANGED
async def test_what_was_issued(house: House, state: str) -> None:
    """A cookie, an access token, one that the cookie was traded for, and a refresh token stop with the change."""
    street = street_of(house)
    ada = (await house.user()).user.id
    cookie, bearer = await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER)
    holders = [cookie, bearer, await street.trade(cookie)]
    asked = [await street.ask(held) for held in holders]
    assert {answer.status_code for answer in asked} == {200}

    await STATES[state](house, ada)

    assert [code(await street.ask(held)) for held in holders] == [(401, "invalid_token")] * 3
    assert code(await street.refresh(bearer)) == (401, "invalid_grant")
    assert await street.sessions(ada) == []


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """A house where other things may happen at every call of the store."""
    house = make_house(cast("Store", GatedStore(MemoryStore())), tmp_path)
    async with house.auth.running():
        yield street_of(house)


@pytest.mark.parametrize("state", ["disabled", "deleted", "password set"])
@pytest.mark.parametrize("way", {way.route: way for way in ways()}.values(), ids=str)
async def test_meanwhile(street: Street, way: Way, state: str) -> None:
    """At whichever call of the store the account changes: once both have answered, nothing of it is good."""
    secret = await secret_of(street.house)
    for stop_at in range(1, MOST_CALLS):
        await settle(street.house, "" if way.makes_an_account else secret)
        held = Held(carrier=way.carrier) if way.makes_an_account else await street.login(way.carrier)
        change = Meanwhile(street.house, STATES[state], is_slow=state == "password set")
        gate = Gate(stop_at, change.come_between)

        answer = await watched(gate, way.go(street, held))
        if change.task is None:
            assert stop_at > 10  # it was stopped at each of its calls
            return
        changed = await change.task

        if changed is None:  # there was no account yet
            assert way.makes_an_account
            continue
        assert await street.sessions(changed) == []
        for got in (held, *got_from(answer, held)):
            assert (await street.ask(got)).status_code == 401
            assert not got.refresh_token or code(await street.refresh(got)) == (401, "invalid_grant")
    pytest.fail("the way was never let through")


def got_from(answer: httpx.Response, before: Held) -> list[Held]:
    """Return what an answer gave, if anything."""
    if not answer.is_success:
        assert is_empty_handed(answer)
        return []
    out = answer.json()
    return [taken(answer, before) if "session" in out else before.minted(out["access_token"])]


class Meanwhile:
    """A change of Ada's account that begins in the middle of something else and goes as far as it can."""

    def __init__(self, house: House, change: Change, *, is_slow: bool) -> None:
        self._house = house
        self._change = change
        self._is_slow = is_slow
        self.task: asyncio.Task[str | None] | None = None

    async def come_between(self) -> None:
        self.task = asyncio.create_task(self._run(), context=Context())
        if self._is_slow:  # it hashes in a thread
            await asyncio.wait([self.task], timeout=0.01)
        else:
            await until_stuck(self.task)

    async def _run(self) -> str | None:
        account = await self._house.auth.accounts.find("ada@example.com")
        if account is None:
            return None
        await self._change(self._house, account.user.id)
        return account.user.id


async def secret_of(house: House) -> str:
    """Return the hash of the password that all test users have."""
    user_id = (await house.user("template@example.com")).user.id
    async with house.store.read() as tx:
        (credential,) = await tx.credentials.of(user_id, "password")
    return credential.secret


async def settle(house: House, secret: str) -> None:
    """Begin with a new Ada whose password has this hash, or with none at all. No try counts any more."""
    old = await house.auth.accounts.find("ada@example.com")
    now = house.clock.now()
    async with house.store.write() as tx:
        if old is not None:
            await tx.users.remove(old.user.id)
        await tx.counters.purge(before=now + timedelta(days=1), limit=1000)
        if secret:
            user_id = encode_base64url(house.auth._entropy.bytes(16))
            address = "ada@example.com"
            await tx.users.add(User(id=user_id, name="Ada", created_at=now))
            await tx.identifiers.add(Identifier(kind="email", value=address, typed=address, user_id=user_id))
            await tx.credentials.add(
                Credential(id=f"of {user_id}", user_id=user_id, kind="password", secret=secret, changed_at=now)
            )
