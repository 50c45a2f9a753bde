"""A WSGI application without a framework, behind Ostiary.

granian --interface wsgi --factory examples.wsgi_app:create_app
"""

import json
import os
from collections.abc import Iterable
from http import HTTPStatus

from ostiary.sync import Auth
from ostiary.wsgi import App, Environ, Requires, StartResponse, current, install, optional


def create_app() -> App:
    """Make the application as the environment says."""
    database, issuer = os.environ.get("DATABASE", "app.db"), os.environ.get("ISSUER", "http://localhost:8000")
    return make_app(Auth.embedded(database, issuer=issuer, roles={"editor": ["posts:write"]}))


def make_app(auth: Auth) -> App:
    """Make the application. Only the front page and what is public are open."""

    def promotion(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Make the caller an editor: what an administrator would do for them."""
        who = current(environ)
        auth.accounts.set_roles(who.user_id, ["editor"], actor=who.user_id)
        return answer(start_response, 204)

    routes: dict[tuple[str, str], App] = {
        ("GET", "/"): front,
        ("GET", "/public/hours"): hours,
        ("GET", "/me"): me,
        ("GET", "/editors"): Requires(ok, role="editor"),
        ("GET", "/drafts"): Requires(ok, permission="posts:write"),
        ("GET", "/vault"): Requires(ok, aal=2),
        ("POST", "/promotion"): promotion,
    }

    def route(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]), nothing)(environ, start_response)

    return install(route, auth, open=["/", "/public/*"])


def front(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Greet who is there, if anybody is."""
    who = optional(environ)
    return answer(start_response, 200, {"hello": "visitor" if who is None else who.user_id})


def hours(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Say what everybody may know."""
    return answer(start_response, 200, {"open": "always"})


def me(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tell the caller who they are."""
    who = current(environ)
    return answer(start_response, 200, {"user_id": who.user_id, "roles": list(who.roles)})


def ok(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Say that the caller may be here."""
    return answer(start_response, 200, {"may": "enter"})


def nothing(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Say that there is nothing here."""
    return answer(start_response, 404)


def answer(start_response: StartResponse, status: int, body: object = None) -> Iterable[bytes]:
    """Answer with JSON, or with nothing."""
    start_response(f"{status} {HTTPStatus(status).phrase}", [("content-type", "application/json")])
    return [] if body is None else [json.dumps(body).encode()]
