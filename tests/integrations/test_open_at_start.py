"""What is said at the start of what is open, and that a misspelt name ends it."""

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from litestar import Litestar, asgi, get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import ostiary.asgi
import ostiary.fastapi
import ostiary.litestar
import ostiary.starlette
from ostiary.errors import Misconfigured
from tests.conftest import House

hello = PlainTextResponse("hello")
Make = Callable[[House, list[str]], Any]


def _hello(*_: object) -> PlainTextResponse:
    return hello


def starlette(house: House, names: list[str]) -> Any:
    """Routes, two of which are mounted, and files."""
    mounted = Mount("/public", routes=[Route("/hours", _hello), Mount("/files", app=hello)])
    app = Starlette(routes=[Route("/", _hello), Route("/posts/{id:int}", _hello), Route("/me", _hello), mounted])
    ostiary.starlette.install(app, house.auth, open=names)
    return app


def fastapi(house: House, names: list[str]) -> Any:
    """The same, brought by routers of routers."""
    app, inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), APIRouter()
    outer = APIRouter(routes=[Route("/", _hello), Route("/posts/{id:int}", _hello), Route("/me", _hello)])
    inner.add_route("/hours", _hello)
    inner.mount("/files", hello)
    outer.include_router(inner, prefix="/public")
    app.include_router(outer)
    ostiary.fastapi.install(app, house.auth, open=names)
    return app


def litestar(house: House, names: list[str]) -> Any:
    """The same, in the words of Litestar."""

    @get(["/", "/posts/{number:int}", "/me", "/public/hours"], sync_to_thread=False)
    def answer() -> str:
        return "hello"

    @asgi("/public/files", is_mount=True, copy_scope=True)
    async def files(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)

    app = Litestar([answer, files], plugins=[ostiary.litestar.Ostiary()], openapi_config=None, logging_config=None)
    return ostiary.litestar.install(app, house.auth, open=names)


EACH = pytest.mark.parametrize("make", [starlette, fastapi, litestar])


async def start(app: Any) -> list[tuple[str, str]]:
    """Start and stop an application. Returns what it said."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said: list[tuple[str, str]] = []

    async def receive() -> dict[str, str]:
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append((message["type"], message.get("message", "")))

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return said


@EACH
async def test_what_is_open(house: House, caplog: pytest.LogCaptureFixture, make: Make) -> None:
    """The log says which routes are open, those within others included."""
    caplog.set_level(logging.INFO, "ostiary.asgi")

    said = await start(make(house, ["/", "/posts/{id}", "/public/*"]))

    [line] = [record.getMessage() for record in caplog.records if record.name == "ostiary.asgi"]
    number = "/posts/{number:int}" if make is litestar else "/posts/{id:int}"
    assert line == f"open to everybody: /, {number}, /public/files/{{path:path}}, /public/hours"
    assert [kind for kind, _ in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@EACH
@pytest.mark.parametrize("name", ["/publik/*", "/posts", "/about", "/ME", "/me/"])
async def test_a_name_of_no_route(house: House, make: Make, name: str) -> None:
    """A name that opens nothing ends the start, with a sentence that says which it is."""
    app = make(house, ["/", name])

    assert await start(app) == [
        ("lifespan.startup.failed", f"`open` names what is no route of this application: {name}")
    ]
    assert not house.auth.started


@EACH
async def test_without_a_lifespan(house: House, make: Make) -> None:
    """Where the server knows no lifespan, no request is answered with a name that opens nothing."""
    app = make(house, ["/", "/abuot"])
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "raw_path": b"/"}

    async def nothing(*_: object) -> Any: ...

    async with house.auth.running():
        with pytest.raises(Misconfigured, match="/abuot"):
            await app({**scope, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"}, nothing, nothing)


async def test_an_unknown_application(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Where the routes are not known, the log says what was named."""
    caplog.set_level(logging.INFO, "ostiary.asgi")

    await start(ostiary.asgi.install(hello, house.auth, open=["/about", "/public/*"]))

    assert "open to everybody: /about, /public/*" in caplog.text
