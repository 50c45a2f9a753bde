"""What stands between a door and an application, and refuses who may not go through."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from ostiary.asgi.answers import refused, respond
from ostiary.asgi.types import App, Message, Receive, Scope, Send
from ostiary.core.access import Requirement
from ostiary.errors import Barred, Misconfigured, OstiaryError
from ostiary.web.opening import Opened, said
from ostiary.web.standing import ANYBODY, require

log = logging.getLogger("ostiary.asgi")


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
                return respond(refused(barred, scope), scope, send)
        return self._app(scope, receive, send)


class Protected:
    """Lets through only who has a session, but for what is open. It needs a `Door` in front of it.

    `routes` are the application's own, asked for when it starts: then it is said which of them are open.
    """

    def __init__(self, app: App, *, opened: Opened, routes: Callable[[], Iterable[str]] | None = None) -> None:
        self._app = app
        self._opened = opened
        self._routes = routes
        self._told = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Refuse with a problem, or let through. No coroutine of its own stands in the way of a yes."""
        kind = scope["type"]
        if kind in ("http", "websocket"):
            if not self._told:
                self._tell()
            if _path(scope) not in self._opened:
                try:
                    require(scope, ANYBODY)
                except Barred as barred:
                    return respond(refused(barred, scope), scope, send)
        elif kind == "lifespan":
            try:
                self._tell()
            except Misconfigured as error:
                return _fail(str(error), receive, send)
        return self._app(scope, receive, send)

    def _tell(self) -> None:
        """Say what is open.

        Raises:
            Misconfigured: what is named is no route. Then every request fails, too.
        """
        log.info(said(self._opened.names if self._routes is None else self._opened.among(self._routes())))
        self._told = True


class AsProblems:
    """Answers as a problem what an application lets through: `current`, `require` and the verbs of `auth` raise it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer. What it has begun to answer is not answered again."""
        begun = False

        async def overhear(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, overhear)
        except OstiaryError as error:
            if begun or isinstance(error, Misconfigured) or scope["type"] == "lifespan":
                raise
            await respond(refused(error, scope), scope, send)


def _path(scope: Scope) -> str:
    """Return the path that the application's routes see. One outside of where it is mounted is nobody's: not open."""
    path: str = scope["path"]
    root = scope.get("root_path")
    if not root:
        return path
    return path.removeprefix(root) if path.startswith(root + "/") else ""


async def _fail(why: str, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": why})
