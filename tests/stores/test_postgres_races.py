"""Two processes on one PostgreSQL that do things to one account, or to the keys, at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ostiary import Auth, Issued
from ostiary.core.access import Principal
from ostiary.core.decision import Denied
from ostiary.core.keys import Purpose
from ostiary.core.session import Carrier
from ostiary.errors import Refused
from ostiary.testing import CHEAPEST
from tests.conftest import ISSUER, PASSWORD
from tests.servers.postgres import Postgres
from tests.stores.living import EMAIL, LEASE, POLICY, Living, living

ROUNDS = 6
Pair = tuple[Living, Living]


@pytest.fixture
async def pair(postgres_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two processes' worth of `Auth`, each with connections of its own. Their lease outlasts a busy machine."""
    running = partial(living, postgres_url, tmp_path, policy=CHEAPEST)
    async with running() as near, running(registers=False) as far:
        yield near, far


@pytest.fixture
def deadlocks(postgres: Postgres, postgres_url: str) -> Callable[[], int]:
    """How often PostgreSQL had to end a transaction because two waited for each other."""
    name = urlsplit(postgres_url).path[1:]
    return lambda: int(postgres.query(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{name}'"))  # noqa: S608


async def user_id(house: Living) -> str:
    """Return who the user is."""
    account = await house.auth.accounts.find(EMAIL)
    assert account is not None
    return account.user.id


async def during_logins(pair: Pair, act: Callable[[], Awaitable[int]]) -> tuple[list[Issued], int]:
    """Do something while a proof becomes eight sessions at both processes. Return them, and what it answered."""
    near, far = pair
    proof = await near.auth.prove(EMAIL, PASSWORD)
    logins = [house.auth.login(proof, carrier=carrier) for house in (far, near, far, near) for carrier in Carrier]
    *answers, acted = await asyncio.gather(*logins, act(), return_exceptions=True)
    assert [answer for answer in answers if not isinstance(answer, Issued | Refused)] == []
    assert isinstance(acted, int)
    return [answer for answer in answers if isinstance(answer, Issued)], acted


async def are_out(pair: Pair, issued: list[Issued]) -> bool:
    """Tell whether all these are refused: by the first process at once, by the other when it has asked."""
    near, far = pair
    here = [await near.ask(each) for each in issued]
    await asyncio.sleep(LEASE / 4 + 0.1)
    return all(isinstance(answer, Denied) for answer in [*here, *[await far.ask(each) for each in issued]])


class TestLoginAgainst:
    async def test_disable(self, pair: Pair) -> None:
        """No session survives that the account was disabled, however close the login was."""
        near, _ = pair
        ada = await user_id(near)
        for _ in range(ROUNDS):
            issued, _ = await during_logins(pair, lambda: near.auth.accounts.disable(ada, actor="test"))

            assert await near.auth.sessions(ada) == []
            assert await are_out(pair, issued)
            await near.auth.accounts.enable(ada, actor="test")
            assert await near.auth.sessions(ada) == []

    async def test_password(self, pair: Pair) -> None:
        """No session survives the change of the password that it was begun with."""
        near, _ = pair
        ada = await user_id(near)
        for n in range(ROUNDS):
            issued, _ = await during_logins(
                pair,
                lambda n=n: near.auth.accounts.set_password(ada, new=f"{n} lanterns in the fog", actor="test"),  # type: ignore[misc]
            )

            assert await near.auth.sessions(ada) == []
            assert await are_out(pair, issued)
            await near.auth.accounts.set_password(ada, new=PASSWORD, actor="test")

    async def test_revoke_all(self, pair: Pair) -> None:
        """Each session is either among those that were ended, or began afterwards; none is counted twice or missed."""
        near, _ = pair
        ada = await user_id(near)
        for _ in range(ROUNDS):
            issued, ended = await during_logins(pair, lambda: near.auth.revoke_all(ada, actor="test"))
            live = {session.id for session in await near.auth.sessions(ada)}

            assert len(issued) == 8
            assert ended + len(live) == 8
            assert await are_out(pair, [each for each in issued if each.session.id not in live])
            assert all([isinstance(await near.ask(each), Principal) for each in issued if each.session.id in live])
            await near.auth.revoke_all(ada, actor="test")


class TestAtOnce:
    async def test_fifty_refreshes(self, pair: Pair) -> None:
        """Fifty presentations of one refresh token to two processes get one successor, and one chain lives."""
        near, far = pair
        issued = await near.login()

        answers = await asyncio.gather(
            *(house.auth.refresh(issued.session_token) for house, _ in zip(cycle(pair), range(50), strict=False))
        )

        assert len({answer.session_token for answer in answers}) == 1
        assert {answer.session.issued for answer in answers} == {issued.session.issued + 1}
        assert isinstance(await far.ask(await far.auth.refresh(answers[0].session_token)), Principal)

    async def test_everything(self, pair: Pair, deadlocks: Callable[[], int]) -> None:
        """Whatever two processes do at once, refreshes to rotations to upkeep: nobody waits in a circle."""
        before = deadlocks()
        near, far = pair
        ada = await user_id(near)
        sessions = [await near.login() for _ in range(4)]

        async def refresh(house: Living, issued: Issued) -> None:
            for _ in range(20):
                issued = await house.auth.refresh(issued.session_token)

        async def give_roles(house: Living) -> None:
            for n in range(15):
                await house.auth.accounts.set_roles(ada, [f"role-{n}"], actor="test")

        async def come_and_go(house: Living) -> None:
            for _ in range(10):
                await house.logout(await house.login(Carrier.COOKIE))

        async def keep_up(house: Living) -> None:
            for n in range(6):
                house.auth.guard.seen = {issued.session.id: 4e9 + n for issued in sessions}
                await house.auth.upkeep.write_seen()
                await house.auth.upkeep.purge()
                await house.auth.keys.rotate(Purpose.CSRF, actor="test")
                await house.auth.accounts.define_roles({f"role-{n}": ["read"]}, actor="test")

        await asyncio.gather(
            *(refresh(house, issued) for house, issued in zip(cycle(pair), sessions, strict=False)),
            *(act(house) for house in pair for act in (give_roles, come_and_go, keep_up)),
        )

        assert deadlocks() == before
        account = await near.auth.accounts.get(ada)
        assert account is not None
        assert account.user.roles == ("role-14",)
        assert len(await far.auth.sessions(ada)) == 4

    async def test_rotations(self, pair: Pair) -> None:
        """Keys rotated in two processes at once leave one that will sign, and both processes know all of them."""
        near, _ = pair
        before = await near.login()
        for _ in range(4):
            await asyncio.gather(*(house.auth.keys.rotate(Purpose.ACCESS, actor="test") for house in pair))
        keys = [key for key in await near.auth.keys.all() if key.purpose is Purpose.ACCESS]

        assert len(keys) == 1 + 2 * 4
        assert [key.verifies_until for key in keys].count(None) == 1
        for house in pair:
            await house.who(before)
            await house.auth.guard._catch_up()
            assert {key.id for key in keys} <= {
                each["kid"] for each in house.auth.keyring.jwks(now=house.auth.clock.now())["keys"]
            }

    async def test_first_start(self, database: str, tmp_path: Path) -> None:
        """Two services that start at once on an empty database make one set of keys, and know each other's sessions."""
        near, far = (
            Auth.at(database, key_file=tmp_path / "master.key", issuer=ISSUER, policy=POLICY) for _ in range(2)
        )
        await asyncio.gather(near.start(), far.start())
        try:
            await near.accounts.register(email=EMAIL, password=PASSWORD)
            issued = await Living(far).login()
            keys = await near.keys.all()

            await Living(near).who(issued)
            assert sorted(key.purpose for key in keys) == sorted(Purpose)
        finally:
            await asyncio.gather(near.stop(), far.stop())
