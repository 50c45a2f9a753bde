"""The same small application behind each door, and the test client that its framework brings."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import fastapi
import flask
import litestar.testing
from fastapi.testclient import TestClient as FastApiClient
from litestar import Litestar
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

import ostiary.fastapi
import ostiary.flask
import ostiary.litestar
import ostiary.starlette
from ostiary import Auth, Principal
from ostiary import sync as twin
from ostiary.testing import CHEAPEST, in_memory

ISSUER = "https://id.example"
ROLES = {"editor": ["write"]}
HOUR = timedelta(hours=1)


def said(who: Principal) -> dict[str, Any]:
    """Return what `/me` answers."""
    return {"user": who.user_id, "carrier": who.carrier, "acr": who.acr, "roles": list(who.roles)}


def starlette_app(auth: Auth, **door: Any) -> Starlette:
    """Return an application of Starlette."""

    async def me(request: Request) -> Response:
        return JSONResponse(said(ostiary.starlette.current_principal(request)))

    @ostiary.starlette.requires(permission="write")
    async def edit(request: Request) -> Response:
        return JSONResponse({})

    @ostiary.starlette.requires(fresh=HOUR / 2)
    async def fresh(request: Request) -> Response:
        return JSONResponse({})

    app = Starlette(routes=[Route("/me", me), Route("/edit", edit, methods=["POST"]), Route("/fresh", fresh)])
    ostiary.starlette.install(app, auth, **door)
    return app


def fastapi_app(auth: Auth, **door: Any) -> fastapi.FastAPI:
    """Return an application of FastAPI."""
    app = fastapi.FastAPI()
    ostiary.fastapi.install(app, auth, **door)

    @app.get("/me")
    async def me(who: ostiary.fastapi.CurrentPrincipal) -> dict[str, Any]:
        return said(who)

    @app.post("/edit", dependencies=[fastapi.Depends(ostiary.fastapi.Requires(permission="write"))])
    async def edit() -> None: ...

    @app.get("/fresh", dependencies=[fastapi.Depends(ostiary.fastapi.Fresh(minutes=30))])
    async def fresh() -> None: ...

    return app


def litestar_app(auth: Auth) -> Any:
    """Return an application of Litestar, with its door."""

    @litestar.get("/me")
    async def me(who: ostiary.litestar.CurrentPrincipal) -> dict[str, Any]:
        return said(who)

    @litestar.post("/edit", guards=[ostiary.litestar.requires(permission="write")], status_code=200)
    async def edit() -> None: ...

    @litestar.get("/fresh", guards=[ostiary.litestar.requires(fresh=HOUR / 2)])
    async def fresh() -> None: ...

    within: Any = Litestar([me, edit, fresh], plugins=[ostiary.litestar.Ostiary()])
    return ostiary.litestar.Door(within, auth)


def flask_app(auth: twin.Auth) -> flask.Flask:
    """Return an application of Flask."""
    app = flask.Flask(__name__)

    @app.get("/me")
    def me() -> dict[str, Any]:
        return said(ostiary.flask.current_principal)

    @app.post("/edit")
    @ostiary.flask.requires(permission="write")
    def edit() -> dict[str, Any]:
        return {}

    @app.get("/fresh")
    @ostiary.flask.requires(fresh=HOUR / 2)
    def fresh() -> dict[str, Any]:
        return {}

    ostiary.flask.install(app, auth)
    return app


def sync_auth(folder: Path) -> twin.Auth:
    """Return an `Auth` of the twin."""
    return twin.Auth.embedded(folder / "app.db", issuer=ISSUER, policy=CHEAPEST, roles=ROLES)


@contextmanager
def starlette_client(folder: Path) -> Generator[Any]:
    """A client of the application of Starlette, which runs."""
    with TestClient(starlette_app(in_memory(folder, issuer=ISSUER, roles=ROLES)), base_url=ISSUER) as client:
        yield client


@contextmanager
def fastapi_client(folder: Path) -> Generator[Any]:
    """A client of the application of FastAPI, which runs."""
    with FastApiClient(fastapi_app(in_memory(folder, issuer=ISSUER, roles=ROLES)), base_url=ISSUER) as client:
        yield client


@contextmanager
def litestar_client(folder: Path) -> Generator[Any]:
    """A client of the application of Litestar, which runs."""
    app = litestar_app(in_memory(folder, issuer=ISSUER, roles=ROLES))
    with litestar.testing.TestClient(app, base_url=ISSUER) as client:
        yield client


@contextmanager
def flask_client(folder: Path) -> Generator[Any]:
    """A client of the application of Flask, which runs."""
    with sync_auth(folder).running() as auth:
        yield flask_app(auth).test_client()


CLIENTS: dict[str, Callable[[Path], Any]] = {
    "starlette": starlette_client,
    "fastapi": fastapi_client,
    "litestar": litestar_client,
    "flask": flask_client,
}
