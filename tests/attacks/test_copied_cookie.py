"""Threat: a thief who has copied a cookie or a token goes on after its owner has logged out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ostiary.core.session import Carrier
from tests.attacks.visits import Street, code, open_street, street_of, taken
from tests.conftest import STORES


@pytest.fixture(params=STORES)
async def street(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada lives, on each store."""
    async with open_street(tmp_path, STORES[request.param](request, tmp_path)) as street:
        yield street


def elsewhere(street: Street) -> Street:
    """Return the same door as somebody at another address knocks at it."""
    other = street_of(street.house)
    return Street(other.house, street.door, address="198.51.100.66")


async def test_a_copied_cookie(street: Street) -> None:
    """A logout ends the cookie and every token it was traded for, whoever holds a copy and whenever it was made."""
    thief = elsewhere(street)
    mine = await street.login(Carrier.COOKIE)
    copies = [mine, await street.trade(mine), await thief.trade(mine)]
    for who in (street, thief):
        for copy in copies:
            assert (await who.ask(copy)).is_success

    assert (await street.send("POST", "/auth/logout", held=mine)).status_code == 204

    for who in (street, thief):
        for copy in copies:
            assert code(await who.ask(copy)) == (401, "invalid_token")
        assert code(await who.send("POST", "/auth/token", held=mine)) == (401, "invalid_token")
        assert code(await who.send("POST", "/auth/step-up", held=mine, json={"password": "x"})) == (
            401,
            "invalid_token",
        )


async def test_copied_tokens(street: Street) -> None:
    """A logout ends every access token and every refresh token of the session, the older ones too."""
    thief = elsewhere(street)
    mine = await street.login(Carrier.BEARER)
    newer = taken(await street.refresh(mine), mine)
    for who in (street, thief):
        for copy in (mine, newer):
            assert (await who.ask(copy)).is_success

    assert (await street.send("POST", "/auth/logout", held=newer)).status_code == 204

    for who in (street, thief):
        for copy in (mine, newer):
            assert code(await who.ask(copy)) == (401, "invalid_token")
            assert code(await who.refresh(copy)) == (401, "invalid_grant")


async def test_a_thief_logs_out(street: Street) -> None:
    """A token that the cookie was traded for ends the session too: whoever logs out, all copies are dead."""
    mine = await street.login(Carrier.COOKIE)
    traded = await elsewhere(street).trade(mine)

    assert (await elsewhere(street).send("POST", "/auth/logout", held=traded)).status_code == 204

    assert code(await street.ask(mine)) == code(await street.ask(traded)) == (401, "invalid_token")


async def test_only_that_session(street: Street) -> None:
    """A logout ends one session: the user's other device stays in, and so does another user."""
    await street.house.user("eve@example.com")
    mine, phone = await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER)
    hers = await street.login(Carrier.COOKIE, "eve@example.com")

    await street.send("POST", "/auth/logout", held=mine)

    assert [(await street.ask(held)).status_code for held in (mine, phone, hers)] == [401, 200, 200]
