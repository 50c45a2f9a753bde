"""A page of another origin reads what we answer to its visitor's browser (CORS).

The matrix is made from the table of routes, times who asks. What may be read is written down once, in `expected`.
"""

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.server.app import not_found
from ostiary.stores.memory import MemoryStore
from ostiary.web.endpoints import TABLE, Needs, Part, Route
from tests.attacks.visits import Held, Street
from tests.conftest import ISSUER, make_house

TRUSTED = "https://app.id.example"
FETCH_SITES = (None, "same-origin", "same-site", "cross-site", "none", "SAME-SITE")
ORIGINS = (
    None,
    ISSUER,
    TRUSTED,
    "https://evil.example",
    "null",
    "*",
    "",
    "http://app.id.example",
    "https://app.id.example:8443",
    "https://app.id.example.evil.example",
    "https://APP.id.example",
    "https://app.id.example/",
    f"{TRUSTED}, https://evil.example",
)
WITH_COOKIE = {"access-control-allow-origin": TRUSTED, "access-control-allow-credentials": "true"}
EVERY = pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")


def expected(route: Route, fetch_site: str | None, origin: str | None) -> dict[str, str]:
    """Say which leave a page is given."""
    if route.part is not Part.AUTH or route.needs is Needs.VERIFIER or origin != TRUSTED:
        return {}
    return WITH_COOKIE if fetch_site in (None, "same-site") else {"access-control-allow-origin": TRUSTED}


def leave(answer: httpx.Response) -> dict[str, str]:
    """Return which leave an answer gives: whether it may be read, and with a cookie."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-allow-")}


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada lives, at a site with one more origin."""
    house = make_house(MemoryStore(), tmp_path, site=Site.of(ISSUER, trusted=[TRUSTED]))
    async with house.auth.running():
        await house.user()
        yield Street(house, Door(not_found, house.auth, service=True, pages=True))


@EVERY
async def test_answers(shared: Street, route: Route) -> None:
    """Only a page of a listed origin reads an answer, be it a refusal; with its cookie only within the site."""
    path = route.path.replace("{id}", "x" * 22)
    for fetch_site, origin in product(FETCH_SITES, ORIGINS):
        said = {"sec-fetch-site": fetch_site, "origin": origin}

        answer = await shared.send(route.method, path, headers={k: v for k, v in said.items() if v is not None})

        assert leave(answer) == expected(route, fetch_site, origin), (fetch_site, origin)
        is_for_pages = bool(expected(route, None, TRUSTED))
        assert answer.headers.get("vary") == ("Origin, Sec-Fetch-Site" if is_for_pages else None)


@EVERY
async def test_preflights(shared: Street, route: Route) -> None:
    """A page of a listed origin may ask before it sends; it is told what the path takes, not what it asked."""
    path = route.path.replace("{id}", "x" * 22)
    methods = {each.method for each in TABLE if each.path == route.path}
    for fetch_site, origin in product(FETCH_SITES, ORIGINS):
        said = {
            "sec-fetch-site": fetch_site,
            "origin": origin,
            "access-control-request-method": "BREW",
            "access-control-request-headers": "x-evil",
        }

        answer = await shared.send("OPTIONS", path, headers={k: v for k, v in said.items() if v is not None})

        allowed, given = expected(route, fetch_site, origin), leave(answer)
        assert (answer.status_code, answer.content) == (204, b"")
        assert set(given.pop("access-control-allow-methods", "").split(", ")) == (methods if allowed else {""})
        assert given.pop("access-control-allow-headers", "") == ("authorization, content-type" if allowed else "")
        assert given == allowed


@EVERY
async def test_closed_by_default(street: Street, route: Route) -> None:
    """Where no origin is listed nobody is given leave, and no answer differs by who asks."""
    path = route.path.replace("{id}", "x" * 22)
    for method in (route.method, "OPTIONS"):
        for origin in (ISSUER, TRUSTED, "null"):
            headers = {"origin": origin, "sec-fetch-site": "same-site", "access-control-request-method": route.method}

            answer = await street.send(method, path, headers=headers)

            assert not [name for name in answer.headers if name.startswith("access-control-") or name == "vary"]


async def test_pages_are_read_by_nobody(shared: Street) -> None:
    """A page that a person sees holds a token against forgery: no other origin reads it."""
    for path in ("/auth/sign-in", "/auth/account", "/"):
        for method in ("GET", "POST"):
            answer = await shared.send(method, path, headers={"origin": TRUSTED, "sec-fetch-site": "same-site"})

            assert leave(answer) == {}


async def test_a_refusal_is_read(shared: Street) -> None:
    """A page of a listed origin reads why it is refused, and for how long it must wait."""
    headers = {"origin": TRUSTED, "sec-fetch-site": "same-site"}
    body = {"email": "ada@example.com", "password": "wrong", "carrier": "cookie"}
    for _ in range(5):
        assert (await shared.send("POST", "/auth/login", json=body, headers=headers)).status_code == 401

    answer = await shared.send("POST", "/auth/login", json=body, headers=headers)

    assert answer.status_code == 429
    assert leave(answer) == WITH_COOKIE
    assert "retry-after" in answer.headers["access-control-expose-headers"]


async def test_a_cookie_of_another_origin(shared: Street) -> None:
    """A page of a listed origin acts with the user's cookie as our own pages do; that of another one does not."""
    cookie = await shared.login(Carrier.COOKIE)

    trusted, evil = [
        await shared.send(
            "PATCH",
            f"/auth/sessions/{cookie.session_id}",
            json={"name": "renamed"},
            headers={**carried(cookie), "origin": origin, "sec-fetch-site": "same-site"},
        )
        for origin in (TRUSTED, "https://evil.id.example")
    ]

    assert (trusted.status_code, leave(trusted)) == (200, WITH_COOKIE)
    assert (evil.status_code, leave(evil)) == (403, {})


def carried(cookie: Held) -> dict[str, str]:
    """Return the cookie's header alone."""
    return {"cookie": cookie.headers()["cookie"]}
