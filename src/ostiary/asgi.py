"""The plain ASGI door: put it around any ASGI application.

    app = Door(app, auth)

It starts and stops the `Auth` with the application, answers `/auth/*` and the key set, and says of every other request
who is asking: `current(scope)`. Saying is all it does; `Requires` refuses.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from ostiary import languages
from ostiary.auth import Auth
from ostiary.core.access import Principal, Requirement, meets
from ostiary.core.decision import Denied, Reason
from ostiary.errors import Barred, Misconfigured, OstiaryError
from ostiary.guard import Headers, Unsure
from ostiary.languages import Language
from ostiary.ports import Clock
from ostiary.web import problem
from ostiary.web.http import LARGEST_BODY, Request, Response
from ostiary.web.metrics import Metrics
from ostiary.web.pages import Look, Pages
from ostiary.web.router import Router

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("ostiary.asgi")

_WHO = "ostiary"
"""The one key we add: who is asking, and the clock that freshness is judged by. Two would make the table grow."""
ANYBODY = Requirement()
"""A session, and nothing more."""

_TAKEN_IN_WITHIN = 5.0
"""Seconds that a client may take for one chunk of a stream. Who is slower comes again and goes on where it was."""

_HANDSHAKE = "CONNECT"
"""The method a WebSocket's handshake is judged as: a page of another site can open one, so it must have been meant."""


class Door:
    """Stands in front of an application. `service` adds the routes of the stand-alone service, `pages` its pages.

    `pages` is `True`, or the `Look` that they shall have.
    """

    def __init__(
        self,
        app: App,
        auth: Auth,
        *,
        service: bool = False,
        metrics: Metrics | None = None,
        pages: bool | Look = False,
    ) -> None:
        self._app = app
        self._auth = auth
        self._check = auth.guard.check
        self._clock = auth.clock
        look = pages if isinstance(pages, Look) else Look() if pages else None
        shown = Pages(auth, look, service=service) if look is not None else None
        self._router = Router(auth, service=service, metrics=metrics, pages=shown)
        self._knows = self._router.knows
        self._ours = self._router.starts
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is ours; else say who is asking and let the application answer."""
        kind = scope["type"]
        if kind == "http":
            method = scope["method"]
            path = scope["path"]
            root = scope.get("root_path")
            if root:
                path = path.removeprefix(root)
            if path.startswith(self._ours) and self._knows(path):
                await self._answer(path, scope, receive, send)
                return
        elif kind == "websocket":
            method = _HANDSHAKE
        elif kind == "lifespan":
            await self._live(scope, receive, send)
            return
        else:
            await self._app(scope, receive, send)
            return
        headers = scope["headers"]
        answer = self._check(headers, method) if self._auth.started else await self._start_and_check(headers, method)
        if isinstance(answer, Unsure):
            answer = await self._auth.guard.ask(answer, headers, method)
        scope[_WHO] = (answer, self._clock)
        await self._app(scope, receive, send)

    # -------------------------------------------------------------------------------------------- a request

    async def _start_and_check(self, headers: Headers, method: str) -> Principal | Denied | Unsure:
        return self._check(headers, method) if await self._is_started() else Denied(Reason.UNAVAILABLE)

    async def _is_started(self) -> bool:
        """Start at the first request where the server knows no lifespan. What was stopped is not started again."""
        if not self._auth.started and not self._closed:
            try:
                await self._auth.start()
            except OstiaryError as error:
                log.error("ostiary cannot start: %s", error)  # noqa: TRY400 - the message is for the operator; no traceback
        return self._auth.started

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        body = b""
        if self._router.reads_body(method, path):
            read = await _read(receive)
            if read is None:
                return
            body = read
        await self._is_started()
        client = scope.get("client")
        response = await self._router.answer(
            Request(
                method=method,
                path=path,
                query=scope.get("query_string", b""),
                headers=tuple((name, value) for name, value in scope["headers"]),
                body=body,
                client=client[0] if client else "",
            )
        )
        if response.stream is None:
            await respond(response, scope, send)
        else:
            await _flow(response, response.stream, scope, receive, send)

    # -------------------------------------------------------------------------------------------- life

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start before the application says that it is ready, and stop after it says that it is done.

        An application without a lifespan raises or returns before it has said anything: then the door says it.
        """
        message = await receive()
        try:
            await self._auth.start()
        except Exception as error:  # noqa: BLE001 - the server must hear of it, whatever it is
            why = str(error) if isinstance(error, OstiaryError) else f"{type(error).__name__}: {error}"
            await send({"type": "lifespan.startup.failed", "message": why.replace("\n", " ")})
            return
        self._closed = False
        first = [message]
        said: set[str] = set()

        async def replay() -> Message:
            return first.pop() if first else await receive()

        async def overhear(message: Message) -> None:
            said.add(message["type"])
            if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._close()
            await send(message)

        try:
            await self._app(scope, replay, overhear)
        except Exception:
            if said:
                await self._close()
                raise
        if not said:
            await send({"type": "lifespan.startup.complete"})
            while (await receive())["type"] != "lifespan.shutdown":
                pass
            await self._close()
            await send({"type": "lifespan.shutdown.complete"})

    async def _close(self) -> None:
        self._closed = True
        await self._auth.stop()


class Requires:
    """Lets through to an application only who meets a requirement. It needs a `Door` in front of it.

    With nothing named it asks for a session and nothing more.
    """

    def __init__(
        self,
        app: App,
        *,
        role: str | None = None,
        permission: str | None = None,
        fresh: timedelta | None = None,
    ) -> None:
        self._app = app
        requirement = Requirement(role=role, permission=permission, fresh=fresh)
        self._requirement = ANYBODY if requirement == ANYBODY else requirement

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Refuse with a problem, or let the request through. No coroutine of its own stands in the way of a yes."""
        if scope["type"] in ("http", "websocket"):
            try:
                require(scope, self._requirement)
            except Barred as barred:
                return respond(problem.of(barred).response(language(scope)), scope, send)
        return self._app(scope, receive, send)


def current(scope: Scope) -> Principal:
    """Return who is asking.

    Raises:
        Barred: nobody is, or the session is not good. As a `Refused` it becomes a problem at the border.
        Misconfigured: no `Door` stands in front of this application.
    """
    answer, _ = scope.get(_WHO, (None, None))
    if isinstance(answer, Principal):
        return answer
    if isinstance(answer, Denied):
        raise Barred(answer.reason)
    raise Misconfigured("no ostiary door stands in front of this application: install it, or wrap the app in Door")


def require(scope: Scope, requirement: Requirement) -> Principal:
    """Return who is asking if they meet a requirement.

    Raises:
        Barred: nobody is asking, or they do not meet it.
        Misconfigured: no `Door` stands in front of this application.
    """
    principal = current(scope)
    if requirement is ANYBODY:
        return principal
    clock: Clock = scope[_WHO][1]
    unmet = meets(requirement, principal, now=clock.now())
    if unmet is not None:
        raise Barred(unmet.reason, within=requirement.fresh if unmet.reason is Reason.NOT_FRESH else None)
    return principal


def language(scope: Scope) -> Language:
    """Return the language that the client of a request asks for."""
    wished = [value for name, value in scope["headers"] if name == b"accept-language"]
    return languages.of(wished[0].decode("latin-1") if len(wished) == 1 else None)


async def respond(response: Response, scope: Scope, send: Send) -> None:
    """Send a response. To a WebSocket that is not open yet it is the answer to its handshake."""
    prefix = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http.response"
    headers = list(response.headers)
    if response.status != 204:
        headers.append((b"content-length", str(len(response.body)).encode()))
    body = b"" if scope.get("method") == "HEAD" else response.body
    with suppress(OSError):  # the client has gone
        await send({"type": f"{prefix}.start", "status": response.status, "headers": headers})
        await send({"type": f"{prefix}.body", "body": body})


async def _flow(response: Response, stream: AsyncGenerator[bytes], scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response that goes on until it ends, or until the client has gone or takes nothing in."""

    async def say(what: str, **more: object) -> None:
        async with asyncio.timeout(_TAKEN_IN_WITHIN):
            await send({"type": f"http.response.{what}", **more})

    async def sending() -> None:
        await say("start", status=response.status, headers=list(response.headers))
        if scope["method"] != "HEAD":
            async for chunk in stream:
                await say("body", body=chunk, more_body=True)
                await asyncio.sleep(0)  # a server that need not wait gives nobody else a turn
        await say("body")

    tasks = [asyncio.create_task(sending()), asyncio.create_task(_gone(receive))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        sent, _ = await asyncio.gather(*tasks, return_exceptions=True)
        await stream.aclose()
    if isinstance(sent, Exception) and not isinstance(sent, OSError):  # a time-out is an OSError, too
        raise sent


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes | None:
    """Read a body, one byte further than is allowed at most. `None` when the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return bytes(body[: LARGEST_BODY + 1])
        if not message.get("more_body", False):
            return bytes(body)
