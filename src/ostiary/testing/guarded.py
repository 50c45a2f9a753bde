"""`assert_guarded`: every route of an application refuses who has no session, but those that are meant to be open."""

import asyncio
import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any
from wsgiref.util import setup_testing_defaults

from ostiary.auth import Auth
from ostiary.sync import Auth as SyncAuth
from ostiary.testing.behind import auth_behind
from ostiary.testing.routes import WEBSOCKET, Route, routes_of

_REFUSED = (401, 403)
_ANSWERS_WITHIN = 10.0
"""Seconds until a route that says nothing counts as open: it has let somebody in to wait."""


def assert_guarded(app: Any, *, open: Collection[str] = ()) -> None:  # noqa: A002, ANN401 - the word for it; of any framework
    """Ask every route for an answer with no session, and report those that do not refuse, with file and line.

    It knocks: what is open and is not listed is *called*, with nothing in the request. Let it do so where a test may.
    A route is refused that answers 401 or 403, or that closes a WebSocket before it is accepted.

    Args:
        app: An application of Starlette, FastAPI, Litestar or Flask, with its door.
        open: What is meant to be open, as the application writes its paths: `"/health"`, or `"POST /login"` for one
            method of it. These are not asked.

    Raises:
        AssertionError: some routes are open, `open` names one that is not there, or there is none at all.
        Misconfigured: the application has no door.
    """
    routes = list(routes_of(app))
    if not routes:
        raise AssertionError("this application has no routes: nothing was looked at")
    names = {name for route in routes for name in (route.path, str(route))}
    unknown = sorted(set(open) - names)
    if unknown:
        raise AssertionError(f"there is no such route, so it need not be open: {', '.join(unknown)}")
    asked = [route for route in routes if route.path not in open and str(route) not in open]
    auth = auth_behind(app)
    answers = _ask_at_once(app, auth, asked) if isinstance(auth, SyncAuth) else _ask(app, auth, asked)
    wrong = [f"  {route}  answered {said}  {route.place}" for route, said in answers if said not in _REFUSED]
    if wrong:
        raise AssertionError("open to everybody:\n" + "\n".join(wrong))


Answers = list[tuple[Route, int | str]]

# ------------------------------------------------------------------------------------------------ ASGI


def _ask(app: Any, auth: Auth, routes: Iterable[Route]) -> Answers:  # noqa: ANN401 - of any framework
    """Ask in an event loop of our own: who has no session is refused from memory, which belongs to no loop."""
    answers: Answers = []

    async def ask() -> None:
        started_here = not auth.started
        if started_here:
            await auth.start()
        try:
            answers.extend([(route, await _answer(app, route)) for route in routes])
        finally:
            if started_here:
                await auth.stop()

    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(ask())
        except BaseException as error:  # noqa: BLE001 - it is raised where it was waited for
            failed.append(error)

    thread = threading.Thread(target=run)  # the test may be in an event loop itself
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return answers


async def _answer(app: Any, route: Route) -> int | str:  # noqa: ANN401 - of any framework
    """Return what a route begins to answer, and leave it there."""
    said: asyncio.Future[int | str] = asyncio.get_running_loop().create_future()
    is_socket = route.method == WEBSOCKET
    given = [{"type": "websocket.connect"} if is_socket else {"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if given:
            return given.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        kind = message["type"]
        if not said.done() and (kind.endswith((".response.start", "websocket.close", "websocket.accept"))):
            said.set_result(401 if kind == "websocket.close" else message.get("status", "by accepting"))

    task = asyncio.ensure_future(app(_scope(route), receive, send))
    await asyncio.wait([task, said], timeout=_ANSWERS_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    if said.done():
        answer = said.result()
    elif task.done():
        error = task.exception()
        answer = "nothing" if error is None else f"with {type(error).__name__}"
    else:
        answer = "nothing"
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
    return answer


def _scope(route: Route) -> dict[str, Any]:
    is_socket = route.method == WEBSOCKET
    scope: dict[str, Any] = {
        "type": "websocket" if is_socket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "wss" if is_socket else "https",
        "path": route.filled,
        "raw_path": route.filled.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 443),
        "state": {},
    }
    more: dict[str, Any] = {"subprotocols": []} if is_socket else {"method": route.method}
    return scope | more


# ------------------------------------------------------------------------------------------------ WSGI


def _ask_at_once(app: Any, auth: SyncAuth, routes: Iterable[Route]) -> Answers:  # noqa: ANN401 - of any framework
    started_here = not auth.started
    if started_here:
        auth.start()
    try:
        return [(route, _answer_at_once(app, route)) for route in routes]
    finally:
        if started_here:
            auth.stop()


def _answer_at_once(app: Any, route: Route) -> int | str:  # noqa: ANN401 - of any framework
    environ: dict[str, Any] = {"REQUEST_METHOD": route.method, "PATH_INFO": route.filled}
    setup_testing_defaults(environ)
    statuses: list[int] = []

    def start_response(status: str, *_: object) -> None:
        statuses.append(int(status[:3]))

    try:
        body = app(environ, start_response)
    except Exception as error:  # noqa: BLE001 - the handler was reached, and so it is open
        return f"with {type(error).__name__}"
    if hasattr(body, "close"):
        body.close()
    return statuses[-1] if statuses else "nothing"
