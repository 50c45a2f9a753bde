"""The plain ASGI door: put it around any ASGI application.

    app = install(app, auth, open=["/", "/public/*"])

It starts and stops the `Auth` with the application, answers `/auth/*` and the key set, and says of every other request
who is asking: `current(scope)`, `optional(scope)`. Saying is all that the `Door` itself does; `Protected` and
`Requires` refuse.

A WebSocket that was opened with a session is closed with code 4401 when that is over. A long response may ask
`await alive(scope)`.
"""

import logging
from collections.abc import Collection

from ostiary.asgi.answers import flow, language, refused, respond
from ostiary.asgi.refusing import AsProblems, Protected, Requires
from ostiary.asgi.sockets import SESSION_OVER, Attended
from ostiary.asgi.types import App, Message, Receive, Scope, Send
from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.errors import OstiaryError
from ostiary.guard import Headers, Unsure
from ostiary.web.http import LARGEST_BODY, Request
from ostiary.web.metrics import Metrics
from ostiary.web.opening import Default, opened
from ostiary.web.pages import Look, Pages
from ostiary.web.router import Router
from ostiary.web.standing import ANYBODY, WHO, current, optional, require

__all__ = [
    "ANYBODY",
    "SESSION_OVER",
    "App",
    "AsProblems",
    "Door",
    "Message",
    "Protected",
    "Receive",
    "Requires",
    "Scope",
    "Send",
    "alive",
    "current",
    "install",
    "language",
    "optional",
    "refused",
    "require",
    "respond",
]


log = logging.getLogger("ostiary.asgi")

_UNAVAILABLE = Denied(Reason.UNAVAILABLE)

_HANDSHAKE = "CONNECT"
"""The method a WebSocket's handshake is judged as: a page of another site can open one, so it must have been meant."""


class Door:
    """Stands in front of an application, and answers everything under the prefix of its `Auth`.

    `service` adds the routes of the stand-alone service, `pages` its pages: `True`, or the `Look` that they shall have.
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
            await Attended(receive, send, auth=self._auth, who=who).run(self._app, scope)
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
            await flow(response, response.stream, scope, receive, send)

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


def install(
    app: App,
    auth: Auth,
    *,
    default: Default = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
    pages: bool | Look = False,
) -> Door:
    """Put a door in front of an application, and return what is to be served in its place.

    Everything asks for a session but the paths in `open`; with `default="open"` nothing does that does not say so
    itself. Which are open is logged at the start. What the application lets through, raised by `current`,
    `require` or a verb of `auth`, is answered as a problem.

    Raises:
        Misconfigured: `open` names what is no path, or anything where everything is open already.
    """
    allowed = opened(default, open)
    answered = AsProblems(app)
    inside = answered if allowed is None else Protected(answered, opened=allowed)
    return Door(inside, auth, pages=pages)


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
