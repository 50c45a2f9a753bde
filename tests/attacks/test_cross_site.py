"""A page of another site makes a user's browser do what the user did not mean.

The matrix is made from the table of routes: every route, times what the browser says of where the request comes
from, times how the session is held. What may pass is written down once, in `expected`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.stores.memory import MemoryStore
from ostiary.web.endpoints import TABLE, Needs, Part, Route
from tests.conftest import ISSUER, PASSWORD, House, make_house

TRUSTED = "https://app.example"
EVIL = "https://evil.example"
FETCH_SITES = (None, "same-origin", "none", "same-site", "cross-site", "Same-Origin", "")
ORIGINS = (None, ISSUER, TRUSTED, EVIL, "null", "https://id.example.evil.example", "http://id.example", "")
CARRIERS = ("nothing", "cookie", "cookie and token", "cookie and wrong token", "bearer")

ROUTES = [route for route in TABLE if route.part is Part.AUTH]
BODIES: dict[str, dict[str, str]] = {
    "/auth/register": {"email": "new@example.com", "password": PASSWORD, "carrier": "cookie"},
    "/auth/login": {"email": "ada@example.com", "password": PASSWORD, "carrier": "cookie"},
    "/auth/step-up": {"password": PASSWORD},
    "/auth/password/change": {"current": PASSWORD, "new": "another lantern, far away"},
    "/auth/sessions/{id}": {"name": "renamed"},
}


def expected(route: Route, fetch_site: str | None, origin: str | None, carrier: str) -> bool:
    """Say whether a request counts as meant."""
    carries_cookie = route.needs is not Needs.NOTHING and carrier.startswith("cookie")
    if route.method == "GET" or not (carries_cookie or route.sets_cookie or route.guarded):
        return True
    if fetch_site in ("same-origin", "none"):
        return True
    if origin is not None:
        return origin in (ISSUER, TRUSTED)
    if fetch_site is not None:
        return False
    return not carries_cookie or carrier == "cookie and token"


@dataclass
class Scene:
    """One user with a session by each carrier, and a door."""

    house: House
    door: Door
    user_id: str

    async def fire(self, route: Route, carrier: str, headers: dict[str, str]) -> httpx.Response:
        """Send one request, from a new session, and put everything back as it was."""
        issued = await self.house.login(Carrier.BEARER if carrier == "bearer" else Carrier.COOKIE)
        sent = dict(headers)
        if carrier.startswith("cookie"):
            sent["cookie"] = f"__Host-ostiary={issued.session_token}"
        if carrier == "cookie and token":
            sent["x-csrf-token"] = issued.csrf_token
        if carrier == "cookie and wrong token":
            other = await self.house.login(Carrier.COOKIE)
            sent["x-csrf-token"] = other.csrf_token
        if carrier == "bearer":
            sent["authorization"] = f"Bearer {issued.access_token}"
        body: Any = BODIES.get(route.path)
        if route.path == "/auth/refresh":
            body = {"refresh_token": (await self.house.login(Carrier.BEARER)).session_token}
        path = route.path.replace("{id}", issued.session.id)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.door), base_url=ISSUER) as client:
            return await client.request(route.method, path, headers=sent, json=body if route.takes else None)

    async def state(self) -> object:
        """Return everything that a request could have changed."""
        async with self.house.store.read() as tx:
            user = await tx.users.get(self.user_id)
            return (
                user,
                await tx.credentials.of(self.user_id, "password"),
                await tx.sessions.of(self.user_id),
                await tx.identifiers.get("email", "new@example.com"),
                await tx.feed.head(),
                len(await tx.events.of(self.user_id, limit=100_000)),
            )

    async def restore(self) -> None:
        """Forget what the last request has done."""
        await self.house.auth.accounts.set_password(self.user_id, new=PASSWORD, actor="test")
        new = await self.house.auth.accounts.find("new@example.com")
        if new is not None:
            await self.house.auth.accounts.delete(new.user.id, actor="test")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A door whose site trusts one other origin."""
    house = make_house(MemoryStore(), tmp_path)
    house.auth.site = house.auth.guard._site = Site.of(ISSUER, trusted=(TRUSTED,))
    async with house.auth.running():
        account = await house.user()
        yield Scene(house, Door(_nothing, house.auth), account.user.id)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no route of ours may reach the application")


def said(fetch_site: str | None, origin: str | None) -> dict[str, str]:
    """Return what the browser says of where the request comes from."""
    given = {"sec-fetch-site": fetch_site, "origin": origin}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_the_matrix(scene: Scene, route: Route, carrier: str) -> None:
    """A request that was not meant is refused, and one that was meant is never called cross-site."""
    for fetch_site, origin in product(FETCH_SITES, ORIGINS):
        answer = await scene.fire(route, carrier, said(fetch_site, origin))

        refused = answer.status_code == 403 and answer.json()["code"] == "cross_site"
        assert refused is not expected(route, fetch_site, origin, carrier), (fetch_site, origin, answer.text)
        if refused:
            assert "set-cookie" not in answer.headers
        elif answer.is_success and route.method != "GET":
            await scene.restore()
            scene.house.clock.advance(scene.house.auth.policy.lease / 100)


GUARDED = [route for route in ROUTES if not expected(route, "cross-site", EVIL, "cookie")]


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
async def test_a_refusal_changes_nothing(scene: Scene, route: Route) -> None:
    """What is refused as cross-site leaves the store as it was: no session, no audit record, no floor."""
    issued = await scene.house.login(Carrier.COOKIE)
    before = await scene.state()
    headers = said("cross-site", EVIL) | {"cookie": f"__Host-ostiary={issued.session_token}"}
    path = route.path.replace("{id}", issued.session.id)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(scene.door), base_url=ISSUER) as client:
        answer = await client.request(route.method, path, headers=headers, json=BODIES.get(route.path))

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert await scene.state() == before


def test_what_is_guarded() -> None:
    """Every route that changes something is guarded; but for the refresh, whose body carries its own secret."""
    changes = {(route.method, route.path) for route in ROUTES if route.method != "GET"}

    assert {(route.method, route.path) for route in GUARDED} == changes - {("POST", "/auth/refresh")}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
async def test_looking_changes_nothing(scene: Scene, method: str, path: str) -> None:
    """No GET changes anything, sets a cookie or gives a credential, whatever it carries (CVE-2021-21241)."""
    issued = await scene.house.login(Carrier.COOKIE)
    before = await scene.state()
    query = "?email=ada@example.com&password=x&carrier=cookie&all=true&name=x"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(scene.door), base_url=ISSUER) as client:
        anybodys = (await client.request(method, path)).text
        for suffix, headers in product(
            ("", query), (said(None, None), said("cross-site", EVIL), said("same-origin", None))
        ):
            cookie = {"cookie": f"__Host-ostiary={issued.session_token}"}
            answer = await client.request(
                method, path.replace("{id}", issued.session.id) + suffix, headers=headers | cookie
            )

            assert "set-cookie" not in answer.headers
            for word in ("os1c.", "os1r.", "access_token", "refresh_token", "csrf_token"):
                assert word not in answer.text or answer.text == anybodys
    assert await scene.state() == before
