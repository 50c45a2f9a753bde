"""A worker that is cut off from the feed: it may answer from memory until its lease ends, and not a moment longer."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ostiary import Carrier, Issued
from ostiary.asgi import Door, Requires
from ostiary.core.access import Principal
from ostiary.core.floor import News
from ostiary.core.policy import CHEAPEST
from ostiary.errors import Unavailable
from ostiary.ports import Counters, Store, Transaction
from tests.conftest import House, make_house, sqlite_store

LEASE = CHEAPEST.lease


@dataclass
class Cut:
    """A store behind a line that can be cut: then it fails at once (`raises`), or never answers (`hangs`)."""

    store: Store
    how: str
    whole: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        self.whole.set()
        await self.store.open()

    async def close(self) -> None:
        await self.store.close()

    async def _line(self) -> None:
        if not self.whole.is_set() and self.how == "raises":
            raise Unavailable("the line is cut")
        await self.whole.wait()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Transaction]:
        await self._line()
        async with self.store.read() as tx:
            yield tx

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Transaction]:
        await self._line()
        async with self.store.write() as tx:
            yield tx

    @asynccontextmanager
    async def counting(self) -> AsyncGenerator[Counters]:
        await self._line()
        async with self.store.counting() as counters:
            yield counters

    async def changed(self, *, wait: float) -> bool:
        await self._line()
        return await self.store.changed(wait=wait)

    async def news(self, seq: int, *, limit: int) -> News:
        await self._line()
        return await self.store.news(seq, limit=limit)


@dataclass
class Workers:
    """Two workers on one store and one clock. `far` can be cut off; it answers `GET /` for whoever has a session."""

    near: House
    far: House
    cut: Cut
    client: httpx.AsyncClient

    async def ask(self, issued: Issued) -> int:
        """Ask the far worker, and return the status."""
        answer = await self.client.get("/", headers={"authorization": f"Bearer {issued.access_token}"})
        return answer.status_code

    async def until(self, issued: Issued, status: int) -> None:
        """Wait until the far worker answers with a status, while no time passes on its own clock."""
        end = time.monotonic() + 20
        while await self.ask(issued) != status:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer whoever was let through."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture(params=["raises", "hangs"])
async def workers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Workers]:
    """Both workers, once for each way in which a line can fail."""
    near = make_house(sqlite_store(tmp_path), tmp_path)
    cut = Cut(sqlite_store(tmp_path), request.param)
    far = make_house(cut, tmp_path, clock=near.clock)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(near.auth.running())
        await stack.enter_async_context(far.auth.running())
        transport = httpx.ASGITransport(Door(Requires(hello), far.auth))
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="https://id.example"))
        yield Workers(near, far, cut, client)
        cut.whole.set()


async def test_feed_cut(workers: Workers) -> None:
    """Cut off, a worker refuses with 503 once its lease is over; it never accepts who was logged out a lease ago.

    When the line is whole again it recovers by itself: who is in comes in, who was logged out does not.
    """
    await workers.near.user()
    leaves = await workers.near.login(Carrier.BEARER)
    stays = await workers.near.login(Carrier.BEARER)
    await workers.until(leaves, 200)
    await workers.until(stays, 200)
    principal = await workers.near.check(leaves)
    assert isinstance(principal, Principal)

    workers.cut.whole.clear()
    await workers.near.auth.logout(principal)
    elsewhere = await workers.near.check(leaves)
    steps = []
    for _ in range(5):
        steps.append((await workers.ask(leaves), await workers.ask(stays)))
        workers.near.clock.advance(LEASE / 4)
    workers.near.clock.advance(timedelta(minutes=1))
    much_later = await workers.ask(leaves)
    workers.cut.whole.set()
    await workers.until(stays, 200)
    await workers.until(leaves, 401)

    assert not elsewhere
    assert steps == [(200, 200)] * 4 + [(503, 503)]
    assert much_later == 503
