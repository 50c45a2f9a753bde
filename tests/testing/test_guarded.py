"""`assert_guarded`: a route that somebody forgot to guard is found, and named with its place."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import fastapi
import flask
import litestar
import pytest
from litestar import Litestar, WebSocket
from litestar.params import FromPath
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

import ostiary.fastapi
import ostiary.flask
import ostiary.litestar
import ostiary.starlette
from ostiary.errors import Misconfigured
from ostiary.testing import assert_guarded, in_memory
from tests.testing.applications import fastapi_app, flask_app, litestar_app, starlette_app, sync_auth

DOCS = ["/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"]
SCHEMA = [
    "/schema",
    "/schema/{path:str}",
    *(f"/schema/openapi.{form}" for form in ("json", "yaml", "yml")),
    *(f"/schema/{page}" for page in ("elements", "rapidoc", "redoc", "swagger", "oauth2-redirect.html")),
]


def in_starlette(folder: Path, called: list[str]) -> Any:
    """Return an application of Starlette in which much is open."""

    async def ping(request: Any) -> PlainTextResponse:
        called.append("ping")
        return PlainTextResponse("pong")

    async def stream(request: Any) -> StreamingResponse:
        async def forever() -> AsyncIterator[bytes]:
            while True:
                yield b"."
                await asyncio.sleep(0)

        return StreamingResponse(forever())

    def fails(request: Any) -> None:
        raise ZeroDivisionError

    class Method(HTTPEndpoint):
        async def delete(self, request: Any) -> PlainTextResponse:
            return PlainTextResponse("gone")

    async def talk(socket: Any) -> None:
        await socket.accept()

    async def guarded_talk(socket: Any) -> None:
        ostiary.starlette.current_principal(socket)
        await socket.accept()

    app = starlette_app(in_memory(folder), default="open")
    app.routes.extend(
        [
            Route("/ping/{id:int}/{key:uuid}", ping, methods=["GET", "POST"]),
            Mount("/below/{place}", routes=[Route("/stream", stream), Route("/method", Method)]),
            Route("/fails", fails),
            WebSocketRoute("/talk", talk),
            WebSocketRoute("/guarded-talk", guarded_talk),
            Mount("/files", StaticFiles(directory=folder)),
        ]
    )
    return app


def in_fastapi(folder: Path, called: list[str]) -> Any:
    """Return an application of FastAPI in which something is open."""
    app = fastapi_app(in_memory(folder), default="open")
    below = fastapi.APIRouter(prefix="/below")

    @below.post("/ping/{id}")
    async def ping(id: int) -> None:  # noqa: A002
        called.append("ping")

    @below.get("/guarded/{id}/{size}")
    async def guarded(id: int, size: float, who: ostiary.fastapi.CurrentPrincipal) -> None: ...  # noqa: A002

    @app.websocket("/talk")
    async def talk(socket: fastapi.WebSocket) -> None:
        await socket.accept()

    app.include_router(below)
    return app


def in_litestar(folder: Path, called: list[str]) -> Any:
    """Return an application of Litestar in which something is open."""

    @litestar.get("/ping/{id:int}/{key:uuid}")
    async def ping(id: FromPath[int], key: FromPath[UUID]) -> None:  # noqa: A002
        called.append("ping")

    @litestar.delete("/guarded/{id:int}", guards=[ostiary.litestar.requires()])
    async def guarded(id: FromPath[int]) -> None: ...  # noqa: A002

    @litestar.websocket("/talk")
    async def talk(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()

    @litestar.websocket("/guarded-talk")
    async def guarded_talk(socket: WebSocket[Any, Any, Any], who: ostiary.litestar.CurrentPrincipal) -> None: ...

    within: Any = Litestar([ping, guarded, talk, guarded_talk], plugins=[ostiary.litestar.Ostiary()])
    return ostiary.litestar.Door(within, in_memory(folder))


def in_flask(folder: Path, called: list[str]) -> Any:
    """Return an application of Flask in which something is open."""
    app = flask.Flask(__name__, static_folder=None)

    @app.get("/ping/<int:id>/<uuid:key>/<any(left, right):side>")
    def ping(**_: Any) -> str:
        called.append("ping")
        return "pong"

    @app.get("/guarded/<path:where>")
    def guarded(where: str) -> str:
        return where

    ostiary.flask.install(app, sync_auth(folder), open=["ping"])
    return app


@pytest.mark.parametrize(
    ("make", "meant", "found"),
    [
        (
            in_starlette,
            [],
            [
                ("GET /ping/{id:int}/{key:uuid}", "200", "ping"),
                ("POST /ping/{id:int}/{key:uuid}", "200", "ping"),
                ("GET /below/{place}/stream", "200", "stream"),
                ("DELETE /below/{place}/method", "200", "Method"),
                ("GET /fails", "500", "fails"),
                ("WEBSOCKET /talk", "by accepting", "talk"),
                ("GET /files/*", "404", "StaticFiles"),
            ],
        ),
        (in_fastapi, DOCS, [("WEBSOCKET /talk", "by accepting", "talk"), ("POST /below/ping/{id}", "200", "ping")]),
        (in_litestar, SCHEMA, [("GET /ping/{id:int}/{key:uuid}", "200", "ping"), ("WEBSOCKET /talk", "by", "talk")]),
        (in_flask, [], [("GET /ping/<int:id>/<uuid:key>/<any(left, right):side>", "200", "ping")]),
    ],
    ids=["starlette", "fastapi", "litestar", "flask"],
)
def test_open_routes_are_found(
    tmp_path: Path, make: Callable[[Path, list[str]], Any], meant: list[str], found: list[tuple[str, str, str]]
) -> None:
    """An open route is reported with its answer and its place, and no other is; one that is meant to be open rests."""
    called: list[str] = []
    app = make(tmp_path, called)

    with pytest.raises(AssertionError) as failed:
        assert_guarded(app, open=meant)
    lines = str(failed.value).splitlines()[1:]
    reached = list(called)
    called.clear()
    assert_guarded(app, open=[*meant, *(name for name, _, _ in found)])

    assert [line.split("  ")[1] for line in lines] == [name for name, _, _ in found]
    for line, (_, answer, name) in zip(lines, found, strict=True):
        assert f"answered {answer}" in line
        assert name in line.rpartition(" ")[2]
        assert f"{Path(__file__).name}:" in line or name == "StaticFiles"
    assert reached
    assert called == []


@pytest.mark.parametrize(
    ("app", "meant"),
    [
        (lambda folder: starlette_app(in_memory(folder)), []),
        (lambda folder: fastapi_app(in_memory(folder)), DOCS),
        (lambda folder: litestar_app(in_memory(folder)), SCHEMA),
        (lambda folder: flask_app(sync_auth(folder)), []),
    ],
    ids=["starlette", "fastapi", "litestar", "flask"],
)
def test_what_is_guarded_passes(tmp_path: Path, app: Callable[[Path], Any], meant: list[str]) -> None:
    """An application that guards everything but what it says passes, and nothing is left running."""
    made = app(tmp_path)
    before = threading.active_count()

    assert_guarded(made, open=meant)
    assert_guarded(made, open=meant)

    assert threading.active_count() <= before


async def test_within_an_event_loop(tmp_path: Path) -> None:
    """It may be asked within an asynchronous test, beside an `Auth` that runs there, which goes on running."""
    auth = in_memory(tmp_path)
    app = starlette_app(auth)
    async with auth.running():
        assert_guarded(app)

        assert auth.started


def test_lists_that_are_wrong(tmp_path: Path) -> None:
    """A list that names a route which is not there is wrong, and so is an application that has none to look at."""
    app = starlette_app(in_memory(tmp_path))
    empty = Starlette()
    ostiary.starlette.install(empty, in_memory(tmp_path))

    with pytest.raises(AssertionError, match=r"no such route.*: /gone"):
        assert_guarded(app, open=["/gone"])
    with pytest.raises(AssertionError, match=r"no such route.*: GET /edit"):
        assert_guarded(app, open=["GET /edit"])
    with pytest.raises(AssertionError, match="no routes"):
        assert_guarded(empty)
    with pytest.raises(Misconfigured, match="no ostiary door"):
        assert_guarded(Starlette(routes=[Route("/", lambda _: PlainTextResponse(""))]))
    with pytest.raises(TypeError, match="no routes that can be read"):
        assert_guarded(print)
