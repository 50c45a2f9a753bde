"""The door for Flask.

install(app, auth)

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
from typing import Literal, ParamSpec, TypeVar, cast

from flask import Flask, Response, request
from werkzeug.local import LocalProxy

from ostiary.core.access import Principal, Requirement
from ostiary.errors import Barred, Misconfigured, OstiaryError
from ostiary.sync import Auth
from ostiary.web import problem
from ostiary.wsgi import ANYBODY, Door, current, require

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
    default: Literal["open", "protected"] = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
) -> Door:
    """Put the door in front of an application.

    Everything asks for a session but the endpoints in `open`, which are named as `url_for` names them; with
    `default="open"` nothing does that does not say so itself. Which are open is logged at the first request.

    Raises:
        Misconfigured: `open` names endpoints, and everything is open already.
    """
    if default == "open" and open:
        raise Misconfigured('with default="open" every endpoint is open: name none')
    door = Door(app.wsgi_app, auth)
    app.wsgi_app = door  # type: ignore[method-assign]
    app.register_error_handler(OstiaryError, _refused)
    if default == "protected":
        _protect(app, frozenset(open))
    return door


def _protect(app: Flask, opened: frozenset[str]) -> None:
    told: list[bool] = []

    @app.before_request
    def ask_for_a_session() -> None:  # pyright: ignore[reportUnusedFunction] - its decorator uses it
        if not told:
            told.append(True)
            _tell(app, opened)
        if request.endpoint not in opened:
            require(request.environ, ANYBODY)


def _tell(app: Flask, opened: frozenset[str]) -> None:
    """Say which routes are open, and which names are of none: a route that was renamed is not open any more."""
    routes = sorted(rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in opened)
    log.info("open to everybody: %s", ", ".join(routes) or "nothing")
    unknown = opened - {rule.endpoint for rule in app.url_map.iter_rules()}
    if unknown:
        log.warning("no such endpoint, so nothing is open by it: %s", ", ".join(sorted(unknown)))


def optional_principal() -> Principal | None:
    """Return who is asking, or `None` for a visitor: who shows no session, or one that is over.

    Raises:
        Barred: the request was not meant, or nobody can judge it now.
    """
    try:
        return current(request.environ)
    except Barred as barred:
        if problem.refusal(barred.reason).row.status == 401:
            return None
        raise


def authenticated(view: Callable[P, R]) -> Callable[P, R]:
    """Ask for a session before a view."""
    return _guarded(view, ANYBODY)


def requires(
    *,
    role: str | None = None,
    permission: str | None = None,
    fresh: timedelta | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Ask for a session that meets a requirement before a view. Everything named is required together.

    Raises:
        ValueError: nothing is named. `authenticated` asks for a session alone.
    """
    requirement = Requirement(role=role, permission=permission, fresh=fresh)
    if requirement == ANYBODY:
        raise ValueError("name a role, a permission or a freshness; for a session alone use @authenticated")
    return lambda view: _guarded(view, requirement)


def _guarded(view: Callable[P, R], requirement: Requirement) -> Callable[P, R]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        require(request.environ, requirement)
        return view(*args, **kwargs)

    return guarded


def _refused(error: OstiaryError) -> Response:
    response = problem.of(error).response()
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    return Response(response.body, response.status, headers)
