"""What holds for every route, whatever it does."""

import logging
from typing import Any

import pytest

from ostiary.asgi import Door
from ostiary.core.session import Carrier
from ostiary.stores.memory import MemoryStore
from ostiary.web.endpoints import TABLE, Part
from tests.conftest import PASSWORD
from tests.web.conftest import BROWSER, Place, echo, problem

SECRET = "what somebody has typed"
EVERY = pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")


def path_of(route: Any) -> str:
    """Return the path with an id that nobody has."""
    return route.path.replace("{id}", "x" * 22)  # type: ignore[no-any-return]


@EVERY
@pytest.mark.parametrize("holds", ["cookie", "bearer", "nothing"])
async def test_headers(place: Place, route: Any, holds: str) -> None:
    """Every answer, good or bad, says how it may be kept, shown and embedded; none opens us to other origins."""
    await place.user()
    if holds == "nothing":
        async with place.client() as client:
            answer = await client.request(route.method, path_of(route), headers=BROWSER)
    else:
        answer = await (await place.visitor(Carrier(holds))).send(route.method, path_of(route))

    headers = answer.headers
    assert answer.status_code < 500
    assert headers["cache-control"] == ("no-store" if answer.status_code >= 400 else route.cache)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", sorted({path_of(route) for route in TABLE}))
async def test_methods(place: Place, path: str) -> None:
    """Each path names its methods, refuses the others, and answers HEAD as GET without the body."""
    methods = {route.method for route in TABLE if path_of(route) == path}
    allow = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())

    async with place.client() as client:
        answers = {
            method: await client.request(method, path, headers=BROWSER)
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
        }

    for method, answer in answers.items():
        if method not in allow:
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == allow
        else:
            assert answer.status_code not in (404, 405) or "{id}" in path
    assert (answers["OPTIONS"].status_code, answers["OPTIONS"].content) == (204, b"")
    assert set(answers["OPTIONS"].headers["allow"].split(", ")) == allow


async def test_head(place: Place) -> None:
    """HEAD answers what GET does, without the body."""
    await place.user()
    visitor = await place.visitor(Carrier.COOKIE)

    got, head = [await visitor.send(method, "/auth/session") for method in ("GET", "HEAD")]

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers


@EVERY
async def test_queries(place: Place, route: Any) -> None:
    """A query that the route does not know, or that says a thing twice, is refused and not passed over."""
    await place.user()
    visitor = await place.visitor(Carrier.COOKIE)
    hostile = ["surprise=1", "all=true&all=false", "all=maybe", "all", "=", "%ff=1", "a=1;b=2", "&".join(["a=1"] * 99)]

    answers = [await visitor.send(route.method, f"{path_of(route)}?{query}") for query in hostile]

    assert {problem(answer) for answer in answers} == {(400, "invalid_query")}
    assert len(await place.auth.sessions(visitor.out["user"]["id"])) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/auth",
        "/auth/",
        "/auth/login/",
        "/auth//login",
        "/AUTH/LOGIN",
        "/auth/sessions/",
        "/auth/sessions/x/y",
        "/auth/sessions//",
        "/auth/session/..",
        "/healthz/",
        "/.well-known/",
        "//auth/login",
    ],
)
async def test_other_paths(place: Place, path: str) -> None:
    """What is not exactly in the table is the application's own."""
    async with place.client() as client:
        answer = await client.get(f"https://id.example{path}")

    assert answer.status_code == 418


async def test_the_service_is_asked_for(place: Place) -> None:
    """In an application of somebody else, only the routes of authentication are ours."""
    place.door = Door(echo, place.auth)

    async with place.client() as client:
        for route in TABLE:
            answer = await client.request(route.method, path_of(route), headers=BROWSER)

            assert (answer.status_code == 418) is (route.part is Part.SERVICE)


async def test_an_accident(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody expected is one sentence and a number; the log has the number and the place, and nothing typed."""
    await place.user()
    visitor = await place.visitor(Carrier.COOKIE)
    place.auth._store = Accident()
    cookie = visitor.client.cookies["__Host-ostiary"]

    with caplog.at_level(logging.DEBUG, logger="ostiary"):
        answer = await visitor.send("GET", "/auth/session")

    assert problem(answer) == (500, "internal_error")
    assert "Zero" not in answer.text
    assert answer.json()["id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "in read" in caplog.text
    for secret in (PASSWORD, cookie, SECRET):
        assert secret not in caplog.text


class Accident(MemoryStore):
    """A store with a bug."""

    def read(self) -> Any:
        raise ZeroDivisionError(SECRET)
