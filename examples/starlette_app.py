"""A Starlette application behind Ostiary.

granian --interface asgi --factory examples.starlette_app:create_app
"""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from ostiary import Auth
from ostiary.starlette import current_principal, install, optional_principal, requires


def create_app() -> Starlette:
    """Make the application as the environment says."""
    database, issuer = os.environ.get("DATABASE", "app.db"), os.environ.get("ISSUER", "http://localhost:8000")
    return make_app(Auth.embedded(database, issuer=issuer, roles={"editor": ["posts:write"]}))


def make_app(auth: Auth) -> Starlette:
    """Make the application. Only the front page and what is public are open."""

    async def promotion(request: Request) -> Response:
        """Make the caller an editor: what an administrator would do for them."""
        who = current_principal(request)
        await auth.accounts.set_roles(who.user_id, ["editor"], actor=who.user_id)
        return Response(status_code=204)

    app = Starlette(
        routes=[
            Route("/", front),
            Route("/public/hours", hours),
            Route("/me", me),
            Route("/editors", requires(role="editor")(ok)),
            Route("/drafts", requires(permission="posts:write")(ok)),
            Route("/vault", requires(aal=2)(ok)),
            Route("/promotion", promotion, methods=["POST"]),
            WebSocketRoute("/talk", talk),
        ]
    )
    install(app, auth, open=["/", "/public/*"])
    return app


async def front(request: Request) -> Response:
    """Greet who is there, if anybody is."""
    who = optional_principal(request)
    return JSONResponse({"hello": "visitor" if who is None else who.user_id})


async def hours(_: Request) -> Response:
    """Say what everybody may know."""
    return JSONResponse({"open": "always"})


async def me(request: Request) -> Response:
    """Tell the caller who they are."""
    who = current_principal(request)
    return JSONResponse({"user_id": who.user_id, "roles": who.roles})


async def ok(_: Request) -> Response:
    """Say that the caller may be here."""
    return JSONResponse({"may": "enter"})


async def talk(socket: WebSocket) -> None:
    """Say what is heard, until the client goes or the session is over."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)
