"""An ASGI application without a framework, behind Ostiary.

granian --interface asgi --factory examples.asgi_app:create_app
"""

import json
import os

from ostiary import Auth
from ostiary.asgi import App, Receive, Requires, Scope, Send, current, install, optional


def create_app() -> App:
    """Make the application as the environment says."""
    database, issuer = os.environ.get("DATABASE", "app.db"), os.environ.get("ISSUER", "http://localhost:8000")
    return make_app(Auth.embedded(database, issuer=issuer, roles={"editor": ["posts:write"]}))


def make_app(auth: Auth) -> App:
    """Make the application. Only the front page and what is public are open."""

    async def promotion(scope: Scope, _: Receive, send: Send) -> None:
        """Make the caller an editor: what an administrator would do for them."""
        who = current(scope)
        await auth.accounts.set_roles(who.user_id, ["editor"], actor=who.user_id)
        await answer(send, 204)

    routes: dict[tuple[str, str], App] = {
        ("GET", "/"): front,
        ("GET", "/public/hours"): hours,
        ("GET", "/me"): me,
        ("GET", "/editors"): Requires(ok, role="editor"),
        ("GET", "/drafts"): Requires(ok, permission="posts:write"),
        ("GET", "/vault"): Requires(ok, aal=2),
        ("POST", "/promotion"): promotion,
    }

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await talk(scope, receive, send)
        elif scope["type"] == "http":
            await routes.get((scope["method"], scope["path"]), nothing)(scope, receive, send)

    return install(route, auth, open=["/", "/public/*"])


async def front(scope: Scope, _: Receive, send: Send) -> None:
    """Greet who is there, if anybody is."""
    who = optional(scope)
    await answer(send, 200, {"hello": "visitor" if who is None else who.user_id})


async def hours(_: Scope, __: Receive, send: Send) -> None:
    """Say what everybody may know."""
    await answer(send, 200, {"open": "always"})


async def me(scope: Scope, _: Receive, send: Send) -> None:
    """Tell the caller who they are."""
    who = current(scope)
    await answer(send, 200, {"user_id": who.user_id, "roles": list(who.roles)})


async def ok(_: Scope, __: Receive, send: Send) -> None:
    """Say that the caller may be here."""
    await answer(send, 200, {"may": "enter"})


async def nothing(_: Scope, __: Receive, send: Send) -> None:
    """Say that there is nothing here."""
    await answer(send, 404)


async def talk(scope: Scope, receive: Receive, send: Send) -> None:
    """Say what is heard, until the client goes or the session is over."""
    current(scope)
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def answer(send: Send, status: int, body: object = None) -> None:
    """Answer with JSON, or with nothing."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"" if body is None else json.dumps(body).encode()})
