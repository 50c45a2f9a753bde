"""Threat: a login that was begun and not finished is worth something to somebody (CVE-2026-67337, CVE-2026-7507).

The session, the cookie and the tokens exist when the last proof has been accepted, and not before; they are new then,
and the server alone made them (CVE-2025-12390).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ostiary.asgi import Message
from ostiary.core.events import Kind
from ostiary.core.keys import Purpose
from ostiary.core.session import Carrier
from ostiary.core.token import make_csrf_token, make_session_token
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from tests.attacks.interleaving import Gate, GatedStore, watched
from tests.attacks.visits import BROWSER, Held, Street, code, is_empty_handed, knock, open_street, street_of, taken
from tests.conftest import PASSWORD, STORES, House, make_house

RIGHT = {"email": "ada@example.com", "password": PASSWORD, "carrier": "cookie"}
JSON = [(b"content-type", b"application/json"), *((k.encode(), v.encode()) for k, v in BROWSER.items())]
LOGIN = {"method": "POST", "path": "/auth/login", "headers": JSON}
BOTH = pytest.mark.parametrize("carrier", list(Carrier))


@pytest.fixture(params=STORES)
async def street(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada lives, on each store."""
    async with open_street(tmp_path, STORES[request.param](request, tmp_path)) as street:
        yield street


async def ada(house: House) -> str:
    """Return Ada's id."""
    account = await house.auth.accounts.find("ada@example.com")
    assert account is not None
    return account.user.id


async def left(house: House) -> tuple[Any, ...]:
    """Return all that a login could have left: sessions, the feed, what the guard remembers and what proves Ada."""
    user_id = await ada(house)
    async with house.store.read() as tx:
        return (
            await tx.sessions.of(user_id),
            await tx.feed.head(),
            await tx.credentials.of(user_id, "password"),
            [event.kind for event in await tx.events.of(user_id, limit=100)],
            len(house.auth.guard),
        )


ABANDONED: dict[str, dict[str, Any]] = {
    "wrong password": {"json": RIGHT | {"password": "another lantern"}},
    "no password": {"json": {"email": "ada@example.com", "carrier": "cookie"}},
    "no carrier": {"json": {"email": "ada@example.com", "password": PASSWORD}},
    "an unknown carrier": {"json": RIGHT | {"carrier": "pigeon"}},
    "an unusable device": {"json": RIGHT | {"device": "x" * 65}},
    "cut JSON": {"content": json.dumps(RIGHT)[:-2], "headers": {"content-type": "application/json"}},
    "a form": {"data": RIGHT},
    "from another site": {"json": RIGHT, "headers": {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}},
    "as a GET": {"method": "GET", "params": RIGHT},
    "with a query": {"json": RIGHT, "params": {"carrier": "bearer"}},
}


@pytest.mark.parametrize("how", ABANDONED)
async def test_abandoned(street: Street, how: str) -> None:
    """A login that fails at any step gives nothing, and leaves nothing that the next person could pick up."""
    before = await left(street.house)
    more: dict[str, Any] = {"method": "POST"} | ABANDONED[how]
    more["headers"] = BROWSER | more.get("headers", {})

    answer = await street.send(path="/auth/login", **more)

    assert answer.is_client_error
    assert is_empty_handed(answer)
    assert "set-cookie" not in answer.headers
    assert await left(street.house) == before


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
async def test_gone_before_the_end(street: Street, share: float) -> None:
    """Who hangs up before the body has come whole is not logged in, however much of it has come."""
    before = await left(street.house)
    body = json.dumps(RIGHT).encode()
    part = {"type": "http.request", "body": body[: int(len(body) * share)], "more_body": True}

    answer = await knock(street.door, LOGIN, [part])

    assert answer is None
    assert await left(street.house) == before


async def test_cancelled_at_every_call(tmp_path: Path) -> None:
    """A login that is cancelled while it waits for the store is there wholly, with its record, or not at all."""
    house = make_house(cast("Store", GatedStore(MemoryStore())), tmp_path)
    async with house.auth.running():
        await house.user()
        user_id, street = await ada(house), street_of(house)
        outcomes: list[int] = []
        while True:
            before = len(await street.sessions(user_id))
            gate = Gate(len(outcomes) + 1, _cancel)
            with suppress(asyncio.CancelledError):
                answer = await watched(gate, knock(street.door, LOGIN, [whole(RIGHT)]))
                break
            sessions = await street.sessions(user_id)
            outcomes.append(len(sessions) - before)
            async with house.store.read() as tx:
                events = await tx.events.of(user_id, limit=1000)
            recorded = {event.session_id for event in events if event.kind is Kind.LOGGED_IN}
            assert recorded == {session.id for session in sessions}
            assert len(house.auth.guard) == 0
            house.clock.advance(timedelta(days=2))  # so that no try counts any more

    assert answer is not None
    assert answer.status == 200
    assert len(outcomes) > 20
    # Only where it waits for the end of its own transaction can the answer be lost after the login has become durable.
    assert outcomes == [0] * (len(outcomes) - 1) + [1]


def whole(body: dict[str, str]) -> Message:
    """Return a whole body as a server passes it on."""
    return {"type": "http.request", "body": json.dumps(body).encode()}


async def _cancel() -> None:
    raise asyncio.CancelledError


# ------------------------------------------------------------------------------------------------ what is new


@BOTH
async def test_every_login_is_new(street: Street, carrier: Carrier) -> None:
    """Two logins share nothing: neither the session's id, nor its cookie, nor any token."""
    first, second = await street.login(carrier), await street.login(carrier)

    assert first.user_id == second.user_id
    for mine, other in zip(parts(first), parts(second), strict=True):
        assert mine != other
    assert [(await street.ask(held)).status_code for held in (first, second)] == [200, 200]


@BOTH
async def test_a_step_up_renews(street: Street, carrier: Carrier) -> None:
    """What shows who is asking changes when it may do more, and what showed it before is dead, wherever remembered.

    A refresh token shows nothing by itself. It is handed out once more, so that a lost answer logs nobody out.
    """
    low = await street.login(carrier)
    minted = [await street.trade(low)] if carrier is Carrier.COOKIE else []
    for held in (low, *minted):
        assert (await street.ask(held)).is_success

    high = taken(await street.send("POST", "/auth/step-up", held=low, json={"password": PASSWORD}), low)

    assert high.session_id == low.session_id
    assert (high.cookie, high.access_token) != (low.cookie, low.access_token)
    for held in (low, *minted):
        assert code(await street.ask(held)) == (401, "invalid_token")
    assert (await street.ask(high)).is_success


def parts(held: Held) -> list[str]:
    """Return the session's id and each secret that a client holds."""
    return [held.session_id, *filter(None, (held.cookie, held.access_token, held.refresh_token))]


async def test_a_failed_step_up(street: Street) -> None:
    """A step-up that fails changes nothing: what was held is as good as before, and not better."""
    held = await street.login(Carrier.COOKIE)
    before = (await street.ask(held)).json()["session"]
    street.house.clock.advance(timedelta(seconds=1))

    answer = await street.send("POST", "/auth/step-up", held=held, json={"password": "another lantern"})

    assert code(answer) == (401, "bad_credentials")
    assert is_empty_handed(answer)
    assert (await street.ask(held)).json()["session"]["auth_time"] == before["auth_time"]


# ------------------------------------------------------------------------------------------------ what came before

SID = "A" * 22


def _genuine(house: House, carrier: Carrier, sid: str, n: int) -> str:
    """Return a session token that our own key has made, for a session that may never have been."""
    key = house.auth.keyring.mac(Purpose.SESSION, now=house.clock.now())
    return make_session_token(carrier, sid, n, key=key)


@pytest.mark.parametrize("n", [1, 2, 10**17])
@BOTH
async def test_a_made_up_session(street: Street, carrier: Carrier, n: int) -> None:
    """A session that the server did not begin is never taken up, even if a cookie for it bears a right MAC."""
    token = _genuine(street.house, carrier, SID, n)
    made_up = Held(carrier=carrier, cookie=token, access_token=token, refresh_token=token)

    assert code(await street.ask(made_up)) == (401, "invalid_token")
    assert code(await street.refresh(made_up)) == (401, "invalid_grant")
    new = taken(await street.send("POST", "/auth/login", json=RIGHT, headers={**BROWSER, **made_up.headers()}))

    assert SID not in (new.session_id, new.cookie.split(".")[1])
    assert code(await street.ask(made_up)) == (401, "invalid_token")
    async with street.house.store.read() as tx:
        assert await tx.sessions.get(SID) is None


async def test_a_cookie_of_tomorrow(street: Street) -> None:
    """A number that the session has not reached is refused, and does not become good by a step-up meanwhile."""
    held = await street.login(Carrier.COOKIE)
    tomorrows = replace(held, cookie=_genuine(street.house, Carrier.COOKIE, held.session_id, 3))

    assert code(await street.ask(tomorrows)) == (401, "invalid_token")
    taken(await street.send("POST", "/auth/step-up", held=held, json={"password": PASSWORD}), held)

    assert code(await street.ask(tomorrows)) == (401, "invalid_token")


async def test_a_token_from_before(street: Street) -> None:
    """A CSRF token of one session shows nothing for the next, not even of the same user."""
    first = await street.send("POST", "/auth/login", json=RIGHT)
    second = taken(await street.send("POST", "/auth/login", json=RIGHT))
    cookie = {"cookie": f"__Host-ostiary={second.cookie}"}
    key = street.house.auth.keyring.mac(Purpose.CSRF, now=street.house.clock.now())
    tokens = [first.json()["csrf_token"], make_csrf_token(SID, key=key), make_csrf_token("", key=key), ""]

    answers = [await street.send("POST", "/auth/logout", headers={**cookie, "x-csrf-token": t}) for t in tokens]

    assert [code(answer) for answer in answers] == [(403, "cross_site")] * len(tokens)
    assert (await street.ask(second)).is_success


# ------------------------------------------------------------------------------------------------ who comes next


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
@pytest.mark.parametrize("email", ["ada@example.com", "eve@example.com"])
async def test_a_login_ends_the_old_cookie(street: Street, path: str, email: str) -> None:
    """Who logs in where somebody is logged in takes the cookie's place: the old session and its tokens are dead."""
    if path == "/auth/login" and email != "ada@example.com":
        await street.house.user(email)
    if path == "/auth/register":
        email = f"new.{email}"
    old = await street.login(Carrier.COOKIE)
    traded = await street.trade(old)

    new = taken(await street.send("POST", path, held=old, json=RIGHT | {"email": email}))

    assert new.session_id != old.session_id
    assert [code(await street.ask(held)) for held in (old, traded)] == [(401, "invalid_token")] * 2
    assert (await street.ask(new)).json()["user"]["email"] == email


async def test_what_does_not_end_the_old_cookie(street: Street) -> None:
    """A login that fails, and one for tokens, leave the cookie and its session as they are."""
    old = await street.login(Carrier.COOKIE)

    failed = await street.send("POST", "/auth/login", held=old, json=RIGHT | {"password": "another lantern"})
    bearer = await street.send("POST", "/auth/login", held=old, json=RIGHT | {"carrier": "bearer"})

    assert code(failed) == (401, "bad_credentials")
    assert bearer.is_success
    assert not any("set-cookie" in answer.headers for answer in (failed, bearer))
    assert (await street.ask(old)).is_success


async def test_nobody_elses_cookie(street: Street) -> None:
    """A login with a forged cookie for somebody's session does not end that session."""
    hers = await street.login(Carrier.COOKIE)
    forged = replace(hers, cookie=f"os1c.{hers.session_id}.1.{'A' * 22}")

    assert (await street.send("POST", "/auth/login", held=forged, json=RIGHT)).is_success

    assert (await street.ask(hers)).is_success
