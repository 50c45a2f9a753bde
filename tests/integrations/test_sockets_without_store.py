"""A WebSocket where the store answers no more: it is open for as long as memory may be believed, and no longer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.floor import News
from ostiary.core.session import Carrier
from ostiary.errors import Unavailable
from ostiary.stores.memory import MemoryStore, MemoryTransaction
from ostiary.testing import CHEAPEST
from tests.conftest import House, make_house
from tests.integrations.test_sockets_at_once import SOON, talking

LEASE = CHEAPEST.lease.total_seconds()
TICK = 0.02


class Lost(MemoryStore):
    """A store that can be lost: then it refuses, or says nothing at all."""

    how = ""

    async def reached(self) -> None:
        """Refuse or hang, if it is lost."""
        if self.how == "away":
            raise Unavailable("on purpose")
        if self.how == "silent":
            await asyncio.Event().wait()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[MemoryTransaction]:
        """Read, if it can be reached."""
        await self.reached()
        async with super().read() as tx:
            yield tx

    async def news(self, seq: int, *, limit: int) -> News:
        """Return the news, if it can be reached."""
        await self.reached()
        return await super().news(seq, limit=limit)


@asynccontextmanager
async def passing(house: House) -> AsyncGenerator[None]:
    """Let time pass meanwhile. A machine that stands still makes it pass slower, never faster."""

    async def pass_on() -> None:
        while True:
            await asyncio.sleep(TICK)
            house.clock.advance(timedelta(seconds=TICK))

    ticking = asyncio.create_task(pass_on())
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.wait([ticking])


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("how", ["away", "silent"])
async def test_the_lease_is_lost(tmp_path: Path, how: str, carrier: Carrier) -> None:
    """When the lease has run out and the store cannot answer, it is closed with 4401: not before, and not later."""
    store = Lost()
    house = make_house(store, tmp_path)
    async with house.auth.running(), talking(house, carrier) as talk, passing(house):
        store.how = how
        code = await talk.closed()
        over_for = house.clock.elapsed() - house.auth.floors.fresh_until
        store.how = ""

    assert code == 4401
    assert 0 <= over_for < LEASE / 4  # a question that begins only then takes half a lease


@pytest.mark.parametrize("how", ["away", "silent"])
async def test_back_in_time(tmp_path: Path, how: str) -> None:
    """A store that is back before the lease has run out closes nothing."""
    store = Lost()
    house = make_house(store, tmp_path)
    async with house.auth.running(), talking(house, Carrier.COOKIE) as talk, passing(house):
        begun = house.clock.elapsed()
        store.how = how
        async with asyncio.timeout(SOON):
            while house.auth.floors.fresh_until - house.clock.elapsed() > LEASE / 4:
                await asyncio.sleep(TICK)
            store.how = ""
            while house.clock.elapsed() < begun + 2 * LEASE:
                await asyncio.sleep(TICK)
        still_open = not talk.task.done()

    assert still_open
