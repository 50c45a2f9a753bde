"""The first administrator, on every store: a link that makes one, once, while there is none."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.auth.beginning import LIFE
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.site import Site
from ostiary.core.ticket import Link
from ostiary.core.user import Account
from ostiary.errors import Refused, Taken
from ostiary.stores.memory import MemoryStore
from tests.conftest import PASSWORD, STORES, House, make_house

HERE = "127.0.0.1"
ADA, EVE = "ada@example.com", "eve@example.com"


@pytest.fixture(params=STORES)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A started `Auth` whose users are on this machine, once on each store."""
    site = Site.of("http://localhost:8000")
    made = make_house(STORES[request.param](request, tmp_path), tmp_path, site=site)
    async with made.auth.running():
        yield made


async def made_link(house: House) -> Link:
    """Make a link, and return what it holds."""
    link = await house.auth.beginning.link()
    assert link is not None
    assert link.startswith("http://localhost:8000/auth/administrator?token=")
    return Link(parse_qs(urlsplit(link).query)["token"][0])


async def finish(house: House, link: Link, email: str = ADA, ip: str = HERE) -> Account | Reason:
    """Come with a link. Returns the account, or why there is none."""
    try:
        return await house.auth.beginning.finish(link, email=email, password=PASSWORD, ip=ip)
    except Refused as refused:
        return refused.reason


async def test_once(house: House) -> None:
    """A link makes one administrator. Then neither it nor any other does anything, and none is made."""
    link, other = await made_link(house), await made_link(house)
    account = await finish(house, link)
    again = [await finish(house, each, EVE) for each in (link, other)]

    assert isinstance(account, Account)
    assert account.user.roles == ("admin",)
    assert again == [Reason.VOID, Reason.VOID]
    assert await house.auth.accounts.find(EVE) is None
    assert await house.auth.beginning.link() is None
    assert {Kind.REGISTERED, Kind.ROLES_CHANGED} <= {event.kind for event in house.recorder.events}


async def test_two_at_once(house: House) -> None:
    """Of those who come at once, by one link or by two, one is the administrator, and nobody else has an account."""
    one, two = await made_link(house), await made_link(house)
    comers = {f"{n}@example.com": link for n, link in enumerate([one, two] * 4)}
    came = await asyncio.gather(*(finish(house, link, email) for email, link in comers.items()))

    assert sorted(isinstance(each, Account) for each in came) == [False] * 7 + [True]
    assert len(await house.auth.accounts.page()) == 1


async def test_what_is_wrong_with_a_form(house: House) -> None:
    """Who is refused for their address tries again by the same link."""
    await house.user()
    link = await made_link(house)
    with pytest.raises(Taken):
        await finish(house, link)

    assert isinstance(await finish(house, link, EVE), Account)


@pytest.mark.parametrize("ip", ["192.0.2.7", "::ffff:192.0.2.7", "", "localhost.example"])
async def test_from_elsewhere(house: House, ip: str) -> None:
    """A link is good on the machine itself only."""
    link = await made_link(house)

    assert await finish(house, link, ip=ip) is Reason.VOID
    assert isinstance(await finish(house, link, ip="::1"), Account)


async def test_too_late(house: House) -> None:
    """A link is good for an hour."""
    link = await made_link(house)
    house.clock.advance(LIFE + timedelta(seconds=1))

    assert await finish(house, link) is Reason.VOID
    assert await finish(house, Link("x" * 43)) is Reason.VOID
    assert await finish(house, Link("")) is Reason.VOID


async def test_users_elsewhere(tmp_path: Path) -> None:
    """Where users come from other machines no link is made: whoever runs that gives the role by the command line."""
    house = make_house(MemoryStore(), tmp_path)
    async with house.auth.running():
        assert await house.auth.beginning.link() is None
