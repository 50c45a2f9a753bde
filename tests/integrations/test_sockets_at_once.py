"""A WebSocket is closed when something is heard of its session, not when somebody next looks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ostiary.asgi import Door, current
from ostiary.core.keys import Purpose
from ostiary.core.session import Carrier
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST
from tests.conftest import House, headers_of, make_house

SLOW = replace(CHEAPEST, lease=timedelta(minutes=1))
"""With this nobody looks by themself before a test has failed."""
SOON = 20.0


@dataclass
class Talk:
    """An open WebSocket."""

    user: str
    sid: str
    task: "asyncio.Task[None]"
    waiting: list[int]
    """How many wait for what comes, at each thing that was said."""
    said: list[dict[str, Any]]

    async def closed(self) -> int:
        """Wait until the door closes it. Returns the code."""
        async with asyncio.timeout(SOON):
            await asyncio.shield(self.task)
        code: int = self.said[-1]["code"]
        return code


async def talk(scope: Any, receive: Any, send: Any) -> None:
    """Listen until the client goes."""
    current(scope)
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@asynccontextmanager
async def talking(house: House, carrier: Carrier, *, roles: list[str] | None = None) -> AsyncGenerator[Talk]:
    """Open a WebSocket, and let the client go at the end."""
    account = await house.user()
    if roles:
        await house.auth.accounts.set_roles(account.user.id, roles, actor="test")
    issued = await house.login(carrier)
    said: list[dict[str, Any]] = []
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    receiving, waiting = 0, list[int]()
    opened = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        said.append(message)
        waiting.append(receiving)
        opened.set()

    async def receive() -> dict[str, Any]:
        nonlocal receiving
        receiving += 1
        try:
            return await incoming.get()
        finally:
            receiving -= 1

    headers = [*headers_of(house.auth, issued), (b"origin", house.auth.site.issuer.encode())]
    scope = {"type": "websocket", "path": "/talk", "headers": headers}
    task = asyncio.create_task(Door(talk, house.auth)(scope, receive, send))  # type: ignore[arg-type]
    await opened.wait()
    try:
        yield Talk(account.user.id, issued.session.id, task, waiting, said)
    finally:
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await task


@dataclass
class Town:
    """A house where the WebSocket is, and another one of the same service."""

    here: House
    there: House


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Two houses on one store."""
    store = MemoryStore()
    here, there = make_house(store, tmp_path, policy=SLOW), make_house(store, tmp_path, policy=SLOW)
    async with here.auth.running(), there.auth.running():
        yield Town(here, there)


Ends = Callable[[House, Talk], Awaitable[object]]
ENDS: dict[str, Ends] = {
    "revoked": lambda house, talk: house.auth.revoke(talk.sid, actor="test"),
    "all revoked": lambda house, talk: house.auth.revoke_all(talk.user, actor="test"),
    "disabled": lambda house, talk: house.auth.accounts.disable(talk.user, actor="test"),
    "given a role": lambda house, talk: house.auth.accounts.set_roles(talk.user, ["author"], actor="test"),
    "role redefined": lambda house, talk: house.auth.accounts.define_roles({"editor": ["read"]}, actor="test"),
}


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("end", ENDS)
async def test_every_end(town: Town, carrier: Carrier, where: str, end: str) -> None:
    """Whatever ends a session or changes what it may do, in this process or another, closes its WebSocket by itself."""
    await town.here.auth.accounts.define_roles({"editor": ["read", "write"]}, actor="test")

    async with talking(town.here, carrier, roles=["editor"]) as talk:
        assert town.here.auth.floors.watched == 1
        await ENDS[end](getattr(town, where), talk)
        code = await talk.closed()

    assert code == 4401
    assert town.here.auth.floors.watched == 0


async def test_a_server_that_holds_back(town: Town) -> None:
    """Nobody waits for what comes any more when the end is said: a server may hold it back until then."""
    async with talking(town.here, Carrier.COOKIE) as talk:
        await town.here.auth.revoke(talk.sid, actor="test")
        code = await talk.closed()

    assert (code, talk.waiting) == (4401, [0, 0])


async def test_what_is_nothing_to_it(town: Town) -> None:
    """The end of another session, new keys and a role that it has not leave a WebSocket open."""
    async with talking(town.here, Carrier.COOKIE) as talk:
        other = await town.here.login(Carrier.COOKIE)
        await town.there.auth.revoke(other.session.id, actor="test")
        await town.there.auth.accounts.define_roles({"author": ["write"]}, actor="test")
        await town.there.auth.keys.rotate(Purpose.ACCESS, actor="test")
        async with asyncio.timeout(SOON):
            while town.here.auth.floors.head != town.there.auth.floors.head:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # all that was heard has been looked at
        still_open = not talk.task.done()

    assert still_open
    assert [message["type"] for message in talk.said] == ["websocket.accept"]


async def test_nothing_is_left(town: Town) -> None:
    """Of a WebSocket that the client has closed nothing is left, and of two with one session the other's stays."""
    async with talking(town.here, Carrier.BEARER):
        watched = town.here.auth.floors.watched
        with town.here.auth.floors.watching("another"):
            both = town.here.auth.floors.watched

    assert (watched, both, town.here.auth.floors.watched) == (1, 2, 0)
