"""Connections to PostgreSQL that are lost under a running `Auth`: it says so, waits, and goes on by itself."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ostiary import Issued
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.errors import Unavailable
from tests.servers.postgres import GUARDED, PASSWORD, Postgres
from tests.stores.living import LEASE, Living, living, until

pytestmark = pytest.mark.xdist_group("timing")

UNAVAILABLE = Denied(Reason.UNAVAILABLE)


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server that these tests may break."""
    with Postgres() as server:
        yield server


def listeners(server: Postgres, url: str) -> int:
    """Count the connections that listen."""
    return int(server.query(f"SELECT count(*) {_OF_US.format(url.rpartition('/')[2])} AND query LIKE 'LISTEN%'"))


def end(server: Postgres, url: str, *, only: str = "true") -> int:
    """End the connections to a database, as an administrator or a broken network does. Returns how many there were."""
    ours = _OF_US.format(url.rpartition("/")[2])
    return int(server.query(f"SELECT count(pg_terminate_backend(pid)) {ours} AND {only}"))


_OF_US = "FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'ostiary'"


class Client:
    """A client that refreshes and is checked all the time. When the server cannot answer, it tries again."""

    def __init__(self, house: Living, issued: Issued) -> None:
        self._house = house
        self._issued = issued
        self.saw: Counter[str] = Counter()

    async def run(self) -> None:
        """Go on until cancelled. Whatever else is said than what a healthy or an ill server says ends it."""
        while True:
            match await self._house.ask(self._issued):
                case Principal():
                    self.saw["let in"] += 1
                case denied:
                    assert denied == UNAVAILABLE
                    self.saw["503"] += 1
            try:
                self._issued = await self._house.auth.refresh(self._issued.session_token)
                self.saw["refreshed"] += 1
            except Unavailable:
                self.saw["503"] += 1
                await asyncio.sleep(0.02)


async def test_killed_five_times(own: Postgres, tmp_path: Path) -> None:
    """A server killed and started again five times costs its users some 503, never a session; none stays out.

    What was logged out before stays out, and so does what was logged out in between.
    """
    url = own.database()
    async with living(url, tmp_path) as house:
        gone = [await house.login(Carrier.COOKIE)]
        await house.logout(gone[0])
        clients = [Client(house, await house.login()) for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(client.run()) for client in clients]
            for _ in range(5):
                await asyncio.to_thread(own.kill)
                await asyncio.sleep(0.05)
                before = [client.saw.total() for client in clients]
                await asyncio.to_thread(own.start)
                refreshed = [client.saw["refreshed"] for client in clients]
                await until(
                    lambda refreshed=refreshed: _all(  # type: ignore[misc]
                        client.saw["refreshed"] > count for client, count in zip(clients, refreshed, strict=True)
                    ),
                )
                assert [client.saw.total() for client in clients] > before
                gone.append(await house.login())
                await house.logout(gone[-1])
            for task in running:
                task.cancel()

        assert all(client.saw["503"] for client in clients)
        assert all(client.saw["let in"] for client in clients)
        assert [await house.ask(issued) for issued in gone] == [Denied(Reason.REVOKED)] * 6
        await until(lambda: _all([listeners(own, url) == 1]))


async def _all(of_it: Iterable[bool]) -> bool:
    return all(of_it)


async def test_paused_longer_than_the_lease(own: Postgres, tmp_path: Path) -> None:
    """While the server stands still memory answers until the lease ends; then each ask is short, and refused."""
    async with living(own.database(), tmp_path) as house:
        token, cookie = await house.login(), await house.login(Carrier.COOKIE)
        await house.who(token)
        await house.who(cookie)
        await asyncio.to_thread(own.pause)
        paused_at = time.monotonic()
        try:
            at_first = house.remembers(token), house.remembers(cookie)
            remembered_until = now = paused_at
            while house.remembers(token) or house.remembers(cookie):
                remembered_until = now
                await asyncio.sleep(0.005)
                now = time.monotonic()  # before the look: what it sees is as late as this at least
            asked_at = time.monotonic()
            answers = await asyncio.gather(*(house.ask(issued) for issued in [token, cookie] * 10))
            asked_for = time.monotonic() - asked_at
        finally:
            await asyncio.to_thread(own.resume)
        await until(lambda: _all([house.remembers(token), house.remembers(cookie)]))

        assert at_first == (True, True)
        assert remembered_until - paused_at <= LEASE
        assert answers == [UNAVAILABLE] * 20
        assert asked_for < 10 * LEASE / 2  # one after the other: twenty
        await house.logout(token)
        assert await house.ask(token) == Denied(Reason.REVOKED)


async def test_bell_lost(own: Postgres, tmp_path: Path) -> None:
    """While nobody can listen a logout arrives with the next question, a quarter of a lease later; then at once again.

    The server lets nobody in for a while, so that those who have lost their bell do not get another.
    """
    url = own.database(role=GUARDED, password=PASSWORD)
    async with living(url, tmp_path) as near, living(url, tmp_path, registers=False) as far:
        sessions = [await near.login() for _ in range(13)]
        for issued in sessions:
            await far.who(issued)
        await near.auth.sessions(sessions[0].session.user_id)
        own.query(f"ALTER ROLE {GUARDED} NOLOGIN")
        ended = end(own, url, only="query LIKE 'LISTEN%'")
        deaf = [await _delay(near, far, issued) for issued in sessions[:6]]
        still_deaf = listeners(own, url)
        own.query(f"ALTER ROLE {GUARDED} LOGIN")
        await until(lambda: _all([listeners(own, url) == 2]))
        hearing = sorted([await _delay(near, far, issued) for issued in sessions[6:]])

    assert (ended, still_deaf) == (2, 0)
    assert max(deaf) < LEASE
    assert hearing[len(hearing) // 2] < max(deaf)


async def _delay(near: Living, far: Living, issued: Issued) -> float:
    await near.logout(issued)
    return await far.refuses(issued)


async def test_all_ended_at_once(own: Postgres, tmp_path: Path) -> None:
    """When every connection is ended at once, what is under way is a 503 at worst, and the next is answered."""
    url = own.database()
    async with living(url, tmp_path) as house:
        sessions = [await house.login() for _ in range(10)]

        async def refreshed() -> list[Issued | BaseException]:
            return await asyncio.gather(
                *(house.auth.refresh(issued.session_token) for issued in sessions), return_exceptions=True
            )

        for _ in range(5):
            await refreshed()
            under_way = asyncio.create_task(refreshed())
            ended = await asyncio.to_thread(end, own, url)
            answers = await under_way + await refreshed()
            afterwards = await refreshed()

            assert ended > 2
            assert [answer for answer in answers if not isinstance(answer, Issued | Unavailable)] == []
            assert [answer for answer in afterwards if not isinstance(answer, Issued)] == []
        await until(lambda: _all([listeners(own, url) == 1]))


async def test_shut_out(own: Postgres, tmp_path: Path) -> None:
    """A server that accepts our password no longer is one that cannot answer, not a fault of ours; until it does."""
    url = own.database(role=GUARDED, password=PASSWORD)
    async with living(url, tmp_path) as house:
        issued = await house.login()
        own.query(f"ALTER ROLE {GUARDED} NOLOGIN")
        end(own, url)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await house.auth.refresh(issued.session_token)
        own.query(f"ALTER ROLE {GUARDED} LOGIN")
        await house.auth.refresh(issued.session_token)
        await house.logout(issued)
