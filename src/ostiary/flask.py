"""The door for Flask.

install(app, auth, open=["/", "/public/*"])

@app.get("/me")
@authenticated
def me() -> dict[str, str]:
    return {"user": current_principal.user_id}

@app.delete("/posts/<int:id>")
@requires(role="editor", fresh=timedelta(minutes=5))
def delete_post(id: int) -> tuple[str, int]: ...

A refusal is an `OstiaryError`, and becomes a problem (RFC 9457). An application that answers in its own words puts an
error handler of its own for `Barred`.
"""

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import Flask, Response, request
from werkzeug.local import LocalProxy

from ostiary.core.access import Principal, Requirement
from ostiary.errors import Misconfigured, OstiaryError
from ostiary.sync import Auth
from ostiary.web.opening import Default, Opened, opened, said
from ostiary.wsgi import ANYBODY, Door, current, optional, path, refused, require

__all__ = ["authenticated", "current_principal", "install", "optional_principal", "requires"]

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("ostiary.flask")

current_principal = cast("Principal", LocalProxy(lambda: current(request.environ)))
"""Who is asking, by cookie or by token. To look at it is to ask for a session: without one it is refused."""


def install(
    app: Flask,
    auth: Auth,
    *,
    default: Default = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
) -> Door:
    """Put the door in front of an application.

    Everything asks for a session but what is in `open`: paths, and endpoints as `url_for` names them. With
    `default="open"` nothing does that does not say so itself. Which are open is logged at the first request, and a name
    that is of no route is an error then.

    Raises:
        Misconfigured: `open` names what is no path, or anything where everything is open already.
    """
    endpoints = frozenset(name for name in open if "/" not in name)
    allowed = opened(default, [*open] if default == "open" else [name for name in open if name not in endpoints])
    door = Door(app.wsgi_app, auth)
    app.wsgi_app = door  # type: ignore[method-assign]
    app.register_error_handler(OstiaryError, _refused)
    if allowed is not None:
        _protect(app, allowed, endpoints)
    return door


def _protect(app: Flask, allowed: Opened, endpoints: frozenset[str]) -> None:
    told: list[bool] = []

    @app.before_request
    def ask_for_a_session() -> None:  # pyright: ignore[reportUnusedFunction] - its decorator uses it
        if not told:
            _tell(app, allowed, endpoints)
            told.append(True)
        if request.endpoint not in endpoints and path(request.environ) not in allowed:
            require(request.environ, ANYBODY)


def _tell(app: Flask, allowed: Opened, endpoints: frozenset[str]) -> None:
    """Say which routes are open.

    Raises:
        Misconfigured: a name is of none. A view that was renamed is not open any more, and somebody must hear of it.
    """
    rules = list(app.url_map.iter_rules())
    unknown = endpoints - {rule.endpoint for rule in rules}
    if unknown:
        raise Misconfigured(f"`open` names what is no endpoint of this application: {', '.join(sorted(unknown))}")
    found = allowed.among(rule.rule for rule in rules)
    log.info(said(sorted({*found, *(rule.rule for rule in rules if rule.endpoint in endpoints)})))


def optional_principal() -> Principal | None:
    """Return who is asking, or `None` for a visitor: who shows no session, or one that is over.

    Raises:
        Barred: the request was not meant, or nobody can judge it now.
    """
    return optional(request.environ)


def authenticated(view: Callable[P, R]) -> Callable[P, R]:
    """Ask for a session before a view."""
    return _guarded(view, ANYBODY)


def requires(
    *,
    role: str | None = None,
    permission: str | None = None,
    scope: str | None = None,
    aal: int | None = None,
    fresh: timedelta | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Ask for a session that meets a requirement before a view. Everything named is required together.

    Raises:
        ValueError: nothing is named. `authenticated` asks for a session alone.
    """
    requirement = Requirement(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)
    if requirement == ANYBODY:
        raise ValueError("name a role, a permission, a scope, an assurance level or a freshness; or use @authenticated")
    return lambda view: _guarded(view, requirement)


def _guarded(view: Callable[P, R], requirement: Requirement) -> Callable[P, R]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        require(request.environ, requirement)
        return view(*args, **kwargs)

    return guarded


def _refused(error: OstiaryError) -> Response:
    if isinstance(error, Misconfigured):
        raise error
    response = refused(error, request.environ)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    return Response(response.body, response.status, headers)
