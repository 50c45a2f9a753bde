"""The plain ASGI door: put it around any ASGI application.

    app = Door(app, auth)

It starts and stops the `Auth` with the application, answers `/auth/*` and the key set, and says of every other request
who is asking: `current(scope)`. Saying is all it does; `Requires` refuses.

A WebSocket that was opened with a session is closed with code 4401 when that is over. A long response may ask
`await alive(scope)`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from datetime import timedelta

from ostiary import languages
from ostiary.asgi.sockets import SESSION_OVER, attend
from ostiary.asgi.types import App, Message, Receive, Scope, Send
from ostiary.auth import Auth
from ostiary.core.access import Principal, Requirement
from ostiary.core.decision import Denied, Reason
from ostiary.errors import Barred, OstiaryError
from ostiary.guard import Headers, Unsure
from ostiary.languages import Language
from ostiary.web import problem
from ostiary.web.http import LARGEST_BODY, Request, Response
from ostiary.web.metrics import Metrics
from ostiary.web.pages import Look, Pages
from ostiary.web.router import Router
from ostiary.web.standing import ANYBODY, WHO, current, require

__all__ = [
    "ANYBODY",
    "SESSION_OVER",
    "App",
    "Door",
    "Message",
    "Receive",
    "Requires",
    "Scope",
    "Send",
    "alive",
    "current",
    "language",
    "require",
    "respond",
]


log = logging.getLogger("ostiary.asgi")

_UNAVAILABLE = Denied(Reason.UNAVAILABLE)

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
        look = pages if isinstance(pages, Look) else Look() if pages else None
        shown = Pages(auth, look, service=service) if look is not None else None
        self._router = Router(auth, service=service, metrics=metrics, pages=shown)
        self._knows = self._router.knows
        self._ours = self._router.starts
        self._closed = False

    @property
    def auth(self) -> Auth:
        """Whom it asks."""
        return self._auth

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
            await self._attend(scope, receive, send)
            return
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
        scope[WHO] = (answer, self._auth)
        await self._app(scope, receive, send)

    # -------------------------------------------------------------------------------------------- a request

    async def _attend(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say who opens a WebSocket, and stay with it for as long as it is open."""
        await self._is_started()
        who = await self._auth.authenticate(scope["headers"], _HANDSHAKE) if self._auth.started else _UNAVAILABLE
        scope[WHO] = (who, self._auth)
        if isinstance(who, Principal):
            await attend(self._app, scope, receive, send, auth=self._auth, who=who)
        else:
            await self._app(scope, receive, send)

    async def _start_and_check(self, headers: Headers, method: str) -> Principal | Denied | Unsure:
        return self._check(headers, method) if await self._is_started() else _UNAVAILABLE

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
        scope: str | None = None,
        aal: int | None = None,
        fresh: timedelta | None = None,
    ) -> None:
        self._app = app
        requirement = Requirement(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)
        self._requirement = ANYBODY if requirement == ANYBODY else requirement

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Refuse with a problem, or let the request through. No coroutine of its own stands in the way of a yes."""
        if scope["type"] in ("http", "websocket"):
            try:
                require(scope, self._requirement)
            except Barred as barred:
                return respond(problem.of(barred).response(language(scope)), scope, send)
        return self._app(scope, receive, send)


async def alive(scope: Scope) -> bool:
    """Tell whether the session that a request came with is still good: what a long response asks between its parts.

    It is answered from memory while the lease holds. A session that may do other things than before is not the same.

    Raises:
        Barred: the request came with no session that is good.
        Misconfigured: no `Door` stands in front of this application.
    """
    who = current(scope)
    auth: Auth = scope[WHO][1]
    return await auth.guard.still(who)


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
