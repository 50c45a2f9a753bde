"""The door for Litestar.

@get("/me")
async def me(who: CurrentPrincipal) -> dict[str, str]: ...

@delete("/posts/{id:int}", guards=[requires(role="editor", fresh=timedelta(minutes=5))])
async def delete_post(id: int) -> None: ...

app = install(Litestar([me, delete_post], plugins=[Ostiary()]), auth, open=["/", "/public/*"])

The door stands around the whole application, so that it answers `/auth/*`, which Litestar does not route. `who` and
`visitor` are dependencies that the plugin provides; their names count.
"""

from collections.abc import Callable, Collection, Iterator, MutableMapping
from datetime import timedelta
from typing import Any, TypeAlias, cast

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection, Request
from litestar.di import NamedDependency, Provide
from litestar.exceptions import WebSocketException
from litestar.handlers import BaseRouteHandler
from litestar.plugins import InitPlugin
from litestar.response import Response
from litestar.routes import ASGIRoute
from litestar.types import Scope

from ostiary.asgi import ANYBODY, SESSION_OVER, App, Door, Protected, optional, refused, require
from ostiary.auth import Auth
from ostiary.core.access import Principal, Requirement
from ostiary.errors import Barred, Misconfigured, OstiaryError
from ostiary.web import problem
from ostiary.web.opening import Default, opened
from ostiary.web.pages import Look

__all__ = ["CurrentPrincipal", "Door", "OptionalPrincipal", "Ostiary", "install", "requires"]

CurrentPrincipal = NamedDependency[Principal]
"""Who is asking, by cookie or by token: the dependency `who`. Nobody else gets in."""

OptionalPrincipal = NamedDependency[Principal | None]
"""Who is asking, or `None` for who shows no session, or one that is over: the dependency `visitor`."""

_Connection: TypeAlias = "ASGIConnection[Any, Any, Any, Any]"


def install(
    app: Litestar,
    auth: Auth,
    *,
    default: Default = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
    pages: bool | Look = False,
) -> Door:
    """Put a door in front of an application, and return what is to be served in its place.

    Everything asks for a session but the paths in `open`; with `default="open"` nothing does that does not say so
    itself. Which are open is logged at the start, and a name that is of no route is an error then.

    Raises:
        Misconfigured: `open` names what is no path, or anything where everything is open already.
    """
    allowed = opened(default, open)
    asgi = cast("App", app)
    inside = asgi if allowed is None else Protected(asgi, opened=allowed, routes=lambda: _paths(app))
    return Door(inside, auth, pages=pages)


def _paths(app: Litestar) -> Iterator[str]:
    for route in app.routes:
        is_mount = isinstance(route, ASGIRoute) and route.route_handler.is_mount
        yield f"{route.path.rstrip('/')}/{{path:path}}" if is_mount else route.path


class Ostiary(InitPlugin):
    """Provides `who` and `visitor` to handlers, and answers refusals as problems."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add to an application what it needs. What it names itself is left as it is."""
        app_config.dependencies.setdefault("who", Provide(_who, sync_to_thread=False))
        app_config.dependencies.setdefault("visitor", Provide(_visitor, sync_to_thread=False))
        handlers = cast("MutableMapping[Any, Any]", app_config.exception_handlers)  # type: ignore[redundant-cast,unused-ignore]
        handlers.setdefault(OstiaryError, _refuse)
        return app_config


def requires(
    *,
    role: str | None = None,
    permission: str | None = None,
    scope: str | None = None,
    aal: int | None = None,
    fresh: timedelta | None = None,
) -> Callable[[_Connection, BaseRouteHandler], None]:
    """Make a guard that lets through only who meets a requirement. With nothing named it asks for a session alone."""
    requirement = Requirement(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)

    def guard(connection: _Connection, _: BaseRouteHandler) -> None:
        _require(connection.scope, requirement)

    return guard


def _who(scope: Scope) -> Principal:
    return _require(scope, ANYBODY)


def _visitor(scope: Scope) -> Principal | None:
    return optional(_mapping(scope))


def _require(scope: Scope, requirement: Requirement) -> Principal:
    """Return who is asking if they meet a requirement. A handshake is refused in Litestar's own way."""
    connection = _mapping(scope)
    try:
        return require(connection, requirement)
    except Barred as barred:
        if connection["type"] == "websocket":
            raise WebSocketException(detail=problem.of(barred).row.code, code=SESSION_OVER) from None
        raise


def _refuse(request: "Request[Any, Any, Any]", error: OstiaryError) -> Response[bytes]:
    if isinstance(error, Misconfigured):
        raise error
    answer = refused(error, _mapping(request.scope))
    headers = {name.decode(): value.decode() for name, value in answer.headers if name != b"content-type"}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=problem.MEDIA_TYPE)


def _mapping(scope: Scope) -> MutableMapping[str, Any]:
    return cast("MutableMapping[str, Any]", scope)
