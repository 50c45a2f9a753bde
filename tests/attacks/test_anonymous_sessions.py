"""Visitors without an account fill the store with sessions (CVE-2015-5963)."""

from itertools import cycle, islice
from typing import Any

import httpx

from ostiary.asgi import Door
from ostiary.core.session import Carrier
from ostiary.web.endpoints import TABLE
from tests.conftest import ISSUER, PASSWORD, House


async def state(house: House) -> object:
    """Return everything that a visit could have added."""
    async with house.store.read() as tx:
        users = await tx.users.page(after="", limit=100)
        sessions = [await tx.sessions.of(user.id) for user in users]
        return users, sessions, await tx.feed.head(), await tx.events.of(users[0].id, limit=100)


async def test_a_thousand_visits(house: House) -> None:
    """A thousand requests of nobody, to the application and to every route of ours, leave no row and set no cookie."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await house.user()
    await house.login(Carrier.COOKIE)
    before = await state(house)
    routes = [(route.method, route.path.replace("{id}", "x" * 22)) for route in TABLE]
    carriers = [
        {},
        {"cookie": "__Host-ostiary=os1c.AAAAAAAAAAAAAAAAAAAAAA.1.AAAAAAAAAAAAAAAAAAAAAA"},
        {"cookie": "__Host-ostiary=anything; sessionid=1"},
        {"authorization": "Bearer e30.e30.e30"},
        {"authorization": f"Basic {PASSWORD}"},
    ]

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Door(app, house.auth, service=True)), base_url=ISSUER
    ) as client:
        for (method, path), headers in islice(
            ((route, headers) for route in cycle([("GET", "/"), *routes]) for headers in carriers), 1000
        ):
            answer = await client.request(method, path, headers=headers)

            assert not answer.headers.get("set-cookie") or "Max-Age=0" in answer.headers["set-cookie"]

    assert await state(house) == before
    assert len(house.auth.guard) == 0
