"""One database under two kinds of processes: with an event loop, and without one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.stores.sql import sqlite_url
from tests.servers.redis import Redis
from tests.stores.living import Living, living
from tests.sync.living import Living as SyncLiving
from tests.sync.living import living as sync_living

REVOKED = Denied(Reason.REVOKED)
WAYS = ["sqlite", "postgres", "postgres and redis"]


@pytest.fixture(params=WAYS)
async def worlds(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Living, SyncLiving]]:
    """Two processes on one database: the first waits as coroutines do, the second as threads do."""
    is_file = request.param == "sqlite"
    url = sqlite_url(tmp_path / "ostiary.db") if is_file else request.getfixturevalue("postgres_url")
    redis: str | None = None
    if "redis" in request.param:
        server: Redis = request.getfixturevalue("redis")
        server.flush()
        redis = server.url()
    async with living(url, tmp_path, redis=redis) as here:
        there = sync_living(url, tmp_path, redis=redis, registers=False)
        sync = await asyncio.to_thread(there.__enter__)
        yield here, sync
        await asyncio.to_thread(there.__exit__, None, None, None)


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_a_logout_in_one_world_is_dead_in_the_other(worlds: tuple[Living, SyncLiving], carrier: Carrier) -> None:
    """A session that began in one world is good in the other, and ends in both, whichever it was ended in."""
    here, there = worlds
    first, second = await here.login(carrier), await asyncio.to_thread(there.login, carrier)
    both = [await here.ask(first), await here.ask(second), there.ask(first), there.ask(second)]

    await asyncio.to_thread(there.logout, first)
    await here.logout(second)

    await here.refuses(first)
    async with asyncio.timeout(20):
        while there.remembered(second) != REVOKED:
            await asyncio.sleep(0.01)
    assert {type(each) for each in both} == {Principal}
    assert [await here.ask(second), there.ask(first)] == [REVOKED, REVOKED]


async def test_a_refresh_token_goes_back_and_forth(worlds: tuple[Living, SyncLiving]) -> None:
    """What one world hands out, the other takes."""
    here, there = worlds
    first = await here.login()
    second = await asyncio.to_thread(there.auth.refresh, first.session_token)
    third = await here.auth.refresh(second.session_token)
    fourth = await asyncio.to_thread(there.auth.refresh, third.session_token)

    assert isinstance(await here.ask(fourth), Principal)
    assert isinstance(there.ask(fourth), Principal)
