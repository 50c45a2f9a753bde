"""The door for Starlette.

install(app, auth, open=["/", "/public/*"])

@requires(role="editor")
async def page(request: Request) -> Response:
    who = current_principal(request)
"""

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar, cast

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from ostiary.asgi import ANYBODY, Door, Protected, current, optional, refused, require, respond
from ostiary.auth import Auth
from ostiary.core.access import Principal, Requirement
from ostiary.errors import Misconfigured, OstiaryError
from ostiary.web import http
from ostiary.web.opening import Default, opened
from ostiary.web.pages import Look

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def install(
    app: Starlette,
    auth: Auth,
    *,
    default: Default = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
    pages: bool | Look = False,
    routes: Callable[[], Iterable[str]] | None = None,
) -> None:
    """Put a door in front of an application: `/auth/*`, the key set, and who is asking. Once, before it starts.

    Everything asks for a session but the paths in `open`; with `default="open"` nothing does that does not say so
    itself. Which are open is logged at the start, and a name that is of no route is an error then.

    With `pages`, people can sign in and look after their account there, too. What is refused, by the door or by a verb
    of `auth` in an endpoint, is answered as a problem. `routes` are the application's, where it has other ones than
    Starlette knows of.

    Raises:
        Misconfigured: `open` names what is no path, or anything where everything is open already.
    """
    allowed = opened(default, open)
    if allowed is not None:
        app.add_middleware(Protected, opened=allowed, routes=routes or (lambda: paths(app.routes)))
    app.add_middleware(Door, auth=auth, pages=pages)
    app.add_exception_handler(OstiaryError, refuse)


def current_principal(connection: HTTPConnection) -> Principal:
    """Return who is asking. Otherwise the request is refused."""
    return current(connection.scope)


def optional_principal(connection: HTTPConnection) -> Principal | None:
    """Return who is asking, or `None` for a visitor: who shows no session, or one that is over."""
    return optional(connection.scope)


def paths(routes: Iterable[BaseRoute], *, under: str = "") -> Iterator[str]:
    """Yield the paths that routes lead from, those of mounted applications included."""
    for route in routes:
        path = under + getattr(route, "path", "")
        inner: Iterable[BaseRoute] = getattr(route, "routes", None) or ()
        if inner:
            yield from paths(inner, under=path)
        else:
            yield f"{path}/{{path:path}}" if isinstance(route, Mount) else path


def requires(
    *,
    role: str | None = None,
    permission: str | None = None,
    scope: str | None = None,
    aal: int | None = None,
    fresh: timedelta | None = None,
) -> Callable[[Endpoint], Endpoint]:
    """Let only who meets a requirement reach an endpoint, be it a function or a method, `async` or not.

    Raises:
        ValueError: nothing is required. `current_principal` asks for a session alone.
    """
    requirement = named(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)

    def decorate(endpoint: Endpoint) -> Endpoint:
        async def awaited(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the endpoint takes and gives
            require(_scope_of((*args, *kwargs.values())), requirement)
            return await endpoint(*args, **kwargs)

        def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - same
            require(_scope_of((*args, *kwargs.values())), requirement)
            return endpoint(*args, **kwargs)

        guarded = awaited if inspect.iscoroutinefunction(endpoint) else called
        return cast("Endpoint", functools.update_wrapper(guarded, endpoint))

    return decorate


def named(
    *,
    role: str | None = None,
    permission: str | None = None,
    scope: str | None = None,
    aal: int | None = None,
    fresh: timedelta | None = None,
) -> Requirement:
    """Make a requirement that names something.

    Raises:
        ValueError: it would not. A forgotten word must not read as consent.
    """
    requirement = Requirement(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)
    if requirement == ANYBODY:
        raise ValueError("nothing is required: name a role, a permission, a scope, an assurance level or a freshness")
    return requirement


async def refuse(connection: HTTPConnection, error: Exception) -> Response:
    """Answer a refusal as a problem. What is not one is raised again."""
    if isinstance(error, Misconfigured) or not isinstance(error, OstiaryError):
        raise error
    return _Refusal(refused(error, connection.scope))


class _Refusal(Response):
    """A problem, over HTTP or in answer to the handshake of a WebSocket."""

    def __init__(self, answer: http.Response) -> None:
        self._answer = answer
        super().__init__(answer.body, answer.status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the shape of ASGI
        await respond(self._answer, scope, send)


def _scope_of(arguments: tuple[object, ...]) -> Scope:
    for argument in arguments:
        if isinstance(argument, HTTPConnection):
            return argument.scope
    raise Misconfigured("an endpoint with `requires` must take the request or the WebSocket")
