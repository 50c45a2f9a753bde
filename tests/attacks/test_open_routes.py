"""Paths that are written so that the list of what is open and the application read two different things."""

import io
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from litestar import Litestar, asgi, get, websocket
from litestar import WebSocket as Socket
from litestar.params import FromPath
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

import ostiary.asgi
import ostiary.fastapi
import ostiary.flask
import ostiary.litestar
import ostiary.starlette
import ostiary.wsgi
from ostiary import Auth
from ostiary.stores.memory import MemoryStore
from ostiary.sync import Auth as SyncAuth
from tests.conftest import make_house
from tests.sync.conftest import make_auth

OPEN = ["/", "/about", "/public/*"]
reached: list[str] = []
"""What of the application was reached."""


def _note(path: str) -> str:
    reached.append(path)
    return "reached"


# ------------------------------------------------------------------------------------------------ the applications


def plain(auth: Auth, names: list[str]) -> Any:
    """An application that answers everything."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            _note(scope["path"])
            await PlainTextResponse("reached")(scope, receive, send)
        else:
            await _talk(WebSocket(scope, receive, send))

    return ostiary.asgi.install(app, auth, open=names)


async def _answer(request: Request) -> Response:
    return PlainTextResponse(_note(request.scope["path"]))


async def _talk(socket: WebSocket) -> None:
    _note(socket.scope["path"])
    await socket.accept()
    await socket.close()


EVERY = ["GET", "HEAD", "POST", "OPTIONS"]


def starlette(auth: Auth, names: list[str]) -> Any:
    """Routes, some of which are mounted, and one that takes what nobody else does."""
    below = Mount("/below", routes=[Route("/admin", _answer, methods=EVERY), Route("/{rest:path}", _answer)])
    app = Starlette(
        routes=[
            Route("/", _answer),
            Route("/about", _answer),
            Route("/public/{name}", _answer),
            Route("/admin", _answer, methods=EVERY),
            WebSocketRoute("/socket", _talk),
            below,
            Mount("/public", app=Starlette(routes=[Route("/{rest:path}", _answer)])),
            Route("/{rest:path}", _answer, methods=EVERY),
        ]
    )
    ostiary.starlette.install(app, auth, open=names)
    return app


def fastapi(auth: Auth, names: list[str]) -> Any:
    """Routes, some of which were brought by a router."""
    app, router = FastAPI(), APIRouter(prefix="/public")
    for path in ("/", "/about", "/admin", "/{rest:path}"):
        app.add_route(path, _answer, methods=EVERY)
    router.add_api_route("/{name}", _note)
    app.router.routes.insert(0, WebSocketRoute("/socket", _talk))
    app.include_router(router)
    app.mount("/below", Starlette(routes=[Route("/admin", _answer)]))
    ostiary.fastapi.install(app, auth, open=names)
    return app


def litestar(auth: Auth, names: list[str]) -> Any:
    """Routes whose paths Litestar tidies before it looks for them."""

    @get(["/", "/about", "/admin", "/public"], sync_to_thread=False)
    def answer() -> str:
        return _note("?")

    @get("/public/{name:str}", sync_to_thread=False)
    def public(name: FromPath[str]) -> str:
        return _note(name)

    @asgi("/below", is_mount=True, copy_scope=True)
    async def below(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(_note("below"))(scope, receive, send)

    @websocket("/socket")
    async def socket(socket: Socket[Any, Any, Any]) -> None:
        await socket.accept(_note("socket"))

    app = Litestar(
        [answer, public, below, socket], plugins=[ostiary.litestar.Ostiary()], openapi_config=None, logging_config=None
    )
    return ostiary.litestar.install(app, auth, open=names)


def wsgi(auth: SyncAuth, names: list[str]) -> Any:
    """An application that answers everything."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [_note(environ["PATH_INFO"]).encode()]

    return ostiary.wsgi.install(app, auth, open=names)


def flask(auth: SyncAuth, names: list[str]) -> Any:
    """Routes, and one that takes what nobody else does."""
    app = Flask("attacked", static_folder=None)
    for number, rule in enumerate(["/", "/about", "/admin", "/public/<name>", "/<path:rest>"]):
        app.add_url_rule(rule, f"view{number}", lambda **_: _note("?"), methods=EVERY)
    ostiary.flask.install(app, auth, open=names)
    return app


ASGI = pytest.mark.parametrize("make", [plain, starlette, fastapi, litestar])
WSGI = pytest.mark.parametrize("make", [wsgi, flask])
Make = Callable[[Any, list[str]], Any]

TRICKS = (
    *("", "//", "//admin", "/admin", "/admin/", "/Admin", "/./admin", "/admin/.", "/below/admin", "/below", "/nowhere"),
    *("/about/", "/ABOUT", "//about", "/about//", "/about/x", "/about/../admin", "/about\x00", "/about\n", "/about "),
    *("/public", "/public/", "/Public/x", "//public/x", "/public//", "/public//admin", "/public//../admin"),
    *(
        "/public/..",
        "/public/../admin",
        "/public/./x",
        "/public/./../admin",
        "/public/x/../../admin",
        "/public/..//admin",
    ),
    *(
        "/public/%2e%2e/admin",
        "/public/%2e%2e%2fadmin",
        "/public/%252e%252e/admin",
        "/public/x%00",
        "/public/x%2f..%2f",
    ),
    *("/public\\..\\admin", "/public/..\\admin", "/public/x\\..\\..\\admin", "/public/..;/admin", "/public;/../admin"),
    *(
        "/public/\uff0e\uff0e/admin",
        "/public/\u2025/admin",
        "/public/x\x00",
        "/public/x\n",
        "/public/x\r\n",
        "/publicx",
    ),
    *("/public/\u2024\u2024/admin", "/public/x\u2215..\u2215admin", "/below/../public/x", "/below//public/x"),
)
MOUNTED = (
    *("/public/v1/admin", "/public/v1", "/public/x", "/v1", "/v1public/x", "/v1/admin", "/v1//public/x", "/about", "/"),
    *("/v1/v1/public/x", "/x/v1/public/x", "/V1/public/x", "/v1/../public/x"),
)
"""Where a server says that it is mounted at `/v1`."""
THROUGH = ("/", "/about", "/public/x")


async def ask(app: Any, path: str, *, method: str = "GET", root: str = "", kind: str = "http") -> int:
    """Ask, with a path as a server hands it on. Returns the status, or 0 where a WebSocket was opened."""
    said: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"} if kind == "http" else {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    raw = path.encode("utf-8", "replace")
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https",
        "path": path,
    }
    scope |= {"raw_path": raw, "root_path": root, "query_string": b"", "headers": [(b"host", b"id.example")]}
    scope["method" if kind == "http" else "subprotocols"] = method if kind == "http" else []
    await app({**scope, "client": ("192.0.2.1", 1), "server": ("id.example", 443), "state": {}}, receive, send)
    status: int = said[0].get("status", 403 if said[0]["type"] == "websocket.close" else 0)
    return status


def ask_wsgi(app: Any, path: str, *, method: str = "GET") -> int:
    """Ask, with a path as a server hands it on."""
    said: list[str] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path.encode().decode("latin-1"), "SCRIPT_NAME": ""}
    environ |= {"SERVER_NAME": "id.example", "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1"}
    more = {"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "https"}
    for _ in app({**environ, **more}, lambda status, *_: said.append(status)):
        pass
    return int(said[0][:3])


@pytest.fixture(autouse=True)
def nothing_reached() -> None:
    """Begin with an application that nobody has reached."""
    reached.clear()


# ------------------------------------------------------------------------------------------------ the attacks


@ASGI
async def test_tricks(make: Make, tmp_path: Path) -> None:
    """No way of writing a path, no method and no WebSocket reaches what is guarded."""
    house = make_house(MemoryStore(), tmp_path)
    async with house.auth.running():
        app = make(house.auth, OPEN)
        through = {path: await ask(app, path) for path in THROUGH}
        let_through = len(reached)
        answers = {(path, method): await ask(app, path, method=method) for path in TRICKS for method in EVERY}
        mounted = {path: await ask(app, path, root="/v1") for path in MOUNTED}
        sockets = {path: await ask(app, path, kind="websocket") for path in (*TRICKS, "/socket")}

    assert (set(through.values()), let_through) == ({200}, len(THROUGH))
    assert {key: status for key, status in answers.items() if status != 401} == {}
    assert {key: status for key, status in mounted.items() if status != 401} == {}
    assert {key: status for key, status in sockets.items() if status != 403} == {}
    assert len(reached) == let_through


@WSGI
def test_tricks_without_an_event_loop(make: Make, tmp_path: Path) -> None:
    """The same, through the doors of WSGI."""
    auth = make_auth(tmp_path)
    app = make(auth, OPEN)
    try:
        through = {path: ask_wsgi(app, path) for path in THROUGH}
        let_through = len(reached)
        answers = {(path, method): ask_wsgi(app, path, method=method) for path in TRICKS for method in EVERY}
    finally:
        auth.stop()

    assert (set(through.values()), let_through) == ({200}, len(THROUGH))
    assert {key: status for key, status in answers.items() if status != 401} == {}
    assert len(reached) == let_through
