"""A Litestar application behind Ostiary.

granian --interface asgi --factory examples.litestar_app:create_app
"""

import os
from typing import Any

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.exceptions import WebSocketDisconnect

from ostiary import Auth
from ostiary.litestar import CurrentPrincipal, Door, OptionalPrincipal, Ostiary, install, requires


def create_app() -> Door:
    """Make the application as the environment says."""
    database, issuer = os.environ.get("DATABASE", "app.db"), os.environ.get("ISSUER", "http://localhost:8000")
    return make_app(Auth.embedded(database, issuer=issuer, roles={"editor": ["posts:write"]}))


def make_app(auth: Auth) -> Door:
    """Make the application. Only the front page and what is public are open."""

    @post("/promotion", status_code=204)
    async def promotion(who: CurrentPrincipal) -> None:
        """Make the caller an editor: what an administrator would do for them."""
        await auth.accounts.set_roles(who.user_id, ["editor"], actor=who.user_id)

    app = Litestar([front, hours, me, editors, drafts, vault, promotion, talk], plugins=[Ostiary()])
    return install(app, auth, open=["/", "/public/*"])


@get("/")
async def front(visitor: OptionalPrincipal) -> dict[str, str]:
    """Greet who is there, if anybody is."""
    return {"hello": "visitor" if visitor is None else visitor.user_id}


@get("/public/hours")
async def hours() -> dict[str, str]:
    """Say what everybody may know."""
    return {"open": "always"}


@get("/me")
async def me(who: CurrentPrincipal) -> dict[str, str | tuple[str, ...]]:
    """Tell the caller who they are."""
    return {"user_id": who.user_id, "roles": who.roles}


@get("/editors", guards=[requires(role="editor")])
async def editors() -> dict[str, str]:
    """Say that the caller may be here."""
    return {"may": "enter"}


@get("/drafts", guards=[requires(permission="posts:write")])
async def drafts() -> dict[str, str]:
    """Say that the caller may be here."""
    return {"may": "enter"}


@get("/vault", guards=[requires(aal=2)])
async def vault() -> dict[str, str]:
    """Say that the caller may be here."""
    return {"may": "enter"}


@websocket("/talk")
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    """Say what is heard, until the client goes or the session is over."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return
