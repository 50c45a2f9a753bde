"""Threat: a revoked credential that one endpoint still takes (CVE-2026-9097, GHSA-64w3-5q9m-68xf).

What is over is offered to every route of the table, by every carrier. A policy that was made stricter is a revocation
too: it holds for the sessions that are there.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.session import Carrier
from ostiary.testing import CHEAPEST, FakeClock
from ostiary.web.endpoints import TABLE, Needs, Part, Route
from tests.attacks.visits import Held, Street, code, is_empty_handed, open_street, street_of, taken
from tests.conftest import make_house, sqlite_store

ROUTES = [route for route in TABLE if route.part is Part.AUTH]
EVERY = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
HOUR = timedelta(hours=1)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada lives."""
    async with open_street(tmp_path) as street:
        yield street


async def rows(street: Street, *held: Held) -> object:
    """Return the sessions that clients hold, and how many their user has."""
    async with street.house.store.read() as tx:
        return [await tx.sessions.get(each.session_id) for each in held], await tx.sessions.of(held[0].user_id)


@EVERY
async def test_revoked(street: Street, route: Route) -> None:
    """A revoked cookie, token, traded token or refresh token is refused by each route, or worth nothing to it."""
    cookie, bearer = await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER)
    traded = await street.trade(cookie)
    for held in (cookie, bearer, traded):
        assert (await street.ask(held)).is_success
    await street.house.auth.revoke_all(cookie.user_id, actor="test")
    before = await rows(street, cookie, bearer)

    answers = [await street.take(route, held=held) for held in (cookie, bearer, traded)]

    if route.path == "/auth/refresh":
        assert code(answers[1]) == (401, "invalid_grant")
        assert not any(answer.is_success for answer in answers)
    elif route.needs is Needs.NOTHING:
        street.house.clock.advance(timedelta(days=1))  # so that it is not told to wait for those before it
        nobodys = await street.take(route)
        assert {answer.status_code for answer in answers} == {nobodys.status_code}
    elif route.needs is Needs.VERIFIER:
        assert [code(answer)[1] for answer in answers] == ["verifier_required", "invalid_verifier", "invalid_verifier"]
        assert {answer.status_code for answer in answers} == {401}
    else:
        assert [code(answer) for answer in answers] == [(401, "invalid_token")] * 3
        assert all("error=" in answer.headers["www-authenticate"] for answer in answers)
    if route.path != "/auth/login":
        assert all(is_empty_handed(answer) for answer in answers)
        assert await rows(street, cookie, bearer) == before


@EVERY
async def test_as_the_wrong_carrier(street: Street, route: Route) -> None:
    """A value offered where another belongs opens no route either, revoked or not."""
    if route.needs in (Needs.NOTHING, Needs.VERIFIER):
        return
    cookie, bearer = await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER)
    swapped = [
        replace(bearer, access_token=bearer.refresh_token),
        replace(bearer, access_token=cookie.cookie),
        replace(cookie, cookie=bearer.refresh_token),
        replace(cookie, cookie=bearer.access_token),
    ]
    for _ in range(2):
        answers = [await street.take(route, held=held) for held in swapped]

        assert [code(answer) for answer in answers] == [(401, "invalid_token")] * 4
        assert all(is_empty_handed(answer) for answer in answers)
        await street.house.auth.revoke_all(cookie.user_id, actor="test")


@pytest.mark.parametrize("route", [route for route in ROUTES if "{id}" in route.path], ids=lambda route: route.method)
async def test_an_ended_session_as_a_target(street: Street, route: Route) -> None:
    """A session that is over cannot be named by a live one either: it looks like one that never was."""
    ended, live = await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER)
    await street.house.auth.revoke(ended.session_id, actor="test")

    answer = await street.take(route, held=replace(live, session_id=ended.session_id))

    assert code(answer) == (404, "not_found")


STRICTER = {
    "idle_life": replace(CHEAPEST, idle_life=HOUR),
    "session_life": replace(CHEAPEST, session_life=2 * HOUR, idle_life=HOUR),
}


@pytest.mark.parametrize("what", STRICTER)
async def test_a_stricter_policy(tmp_path: Path, what: str) -> None:
    """After a restart with a shorter life, a session that has lived longer, or idled longer, is over."""
    clock = FakeClock()
    before = make_house(sqlite_store(tmp_path), tmp_path, clock=clock)
    async with before.auth.running():
        await before.user()
        street = street_of(before)
        cookie, bearer = await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER)
        clock.advance(HOUR * 2.5)
        if what == "session_life":  # it has not idled
            assert (await street.ask(cookie)).is_success
            bearer = taken(await street.refresh(bearer), bearer)
    clock.advance(HOUR / 2)

    after = make_house(sqlite_store(tmp_path), tmp_path, clock=clock, policy=STRICTER[what])
    async with after.auth.running():
        street = street_of(after)

        assert code(await street.ask(cookie)) == (401, "invalid_token")
        assert code(await street.refresh(bearer)) == (401, "invalid_grant")
