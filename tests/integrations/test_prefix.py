"""Through every door, what is refused leads to where the routes are. No door is told: its `Auth` knows."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ostiary import Auth, asgi, fastapi, flask, litestar, starlette, sync, wsgi
from ostiary.asgi import Receive, Scope, Send
from ostiary.errors import Misconfigured
from ostiary.web.opening import Default
from ostiary.wsgi import Environ, StartResponse
from tests.conftest import ISSUER

PREFIX = "/api/people"


def by_fastapi(auth: Auth, default: Default) -> Any:
    """Make an application whose `/me` asks who is there."""
    app = FastAPI()
    fastapi.install(app, auth, default=default)

    @app.get("/me")
    async def me(who: fastapi.CurrentPrincipal) -> str:
        return who.user_id

    return app


def by_starlette(auth: Auth, default: Default) -> Any:
    """Make the same."""

    async def me(request: Request) -> Response:
        return PlainTextResponse(starlette.current_principal(request).user_id)

    app = Starlette(routes=[Route("/me", me)])
    starlette.install(app, auth, default=default)
    return app


def by_litestar(auth: Auth, default: Default) -> Any:
    """Make the same."""

    @get("/me")
    async def me(who: litestar.CurrentPrincipal) -> str:
        return who.user_id

    return litestar.install(Litestar([me], plugins=[litestar.Ostiary()]), auth, default=default)


def by_asgi(auth: Auth, default: Default) -> Any:
    """Make the same."""

    async def me(scope: Scope, _: Receive, __: Send) -> None:
        asgi.current(scope)

    return asgi.install(me, auth, default=default)


def by_flask(auth: sync.Auth, default: Default) -> Any:
    """Make the same."""
    app = Flask(__name__)
    flask.install(app, auth, default=default)

    @app.get("/me")
    def me() -> str:
        return flask.current_principal.user_id

    return app


def by_wsgi(auth: sync.Auth, default: Default) -> Any:
    """Make the same."""

    def me(environ: Environ, _: StartResponse) -> Iterable[bytes]:
        return [wsgi.current(environ).user_id.encode()]

    return wsgi.install(me, auth, default=default)


def sees(answer: httpx.Response) -> tuple[int, list[str]]:
    """Return what a client can do about a refusal: its status, and where its steps lead."""
    return answer.status_code, [step["route"] for step in answer.json()["next"]]


@pytest.mark.parametrize("default", ["protected", "open"])
@pytest.mark.parametrize("make", [by_fastapi, by_starlette, by_litestar, by_asgi])
async def test_a_refusal(tmp_path: Path, make: Callable[[Auth, Default], Any], default: Default) -> None:
    """Who must log in is told where, be it the door that refuses or the application."""
    auth = Auth.embedded(tmp_path / "app.db", issuer=ISSUER, prefix=PREFIX)
    try:
        transport = httpx.ASGITransport(make(auth, default))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            refused, there = await client.get("/me"), await client.post(f"{PREFIX}/login")
    finally:
        await auth.stop()

    assert sees(refused) == (401, [f"{PREFIX}/login"])
    assert there.status_code == 415


@pytest.mark.parametrize("default", ["protected", "open"])
@pytest.mark.parametrize("make", [by_flask, by_wsgi])
def test_a_refusal_without_an_event_loop(
    tmp_path: Path, make: Callable[[sync.Auth, Default], Any], default: Default
) -> None:
    """The same through the doors of WSGI."""
    auth = sync.Auth.embedded(tmp_path / "app.db", issuer=ISSUER, prefix=PREFIX)
    try:
        with httpx.Client(transport=httpx.WSGITransport(make(auth, default)), base_url=ISSUER) as client:
            refused, there = client.get("/me"), client.post(f"{PREFIX}/login")
    finally:
        auth.stop()

    assert sees(refused) == (401, [f"{PREFIX}/login"])
    assert there.status_code == 415


def test_no_prefix(tmp_path: Path) -> None:
    """A prefix that is no path is refused when it is written."""
    for kind in (Auth, sync.Auth):
        with pytest.raises(Misconfigured, match="must be a path such as /auth"):
            kind.embedded(tmp_path / "app.db", issuer=ISSUER, prefix="people/")
