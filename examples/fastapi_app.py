"""A FastAPI application behind Ostiary.

granian --interface asgi --factory examples.fastapi_app:create_app
"""

import os

from fastapi import Depends, FastAPI, WebSocket

from ostiary import Auth
from ostiary.fastapi import CurrentPrincipal, OptionalPrincipal, Requires, install


def create_app() -> FastAPI:
    """Make the application as the environment says."""
    database, issuer = os.environ.get("DATABASE", "app.db"), os.environ.get("ISSUER", "http://localhost:8000")
    return make_app(Auth.embedded(database, issuer=issuer, roles={"editor": ["posts:write"]}))


def make_app(auth: Auth) -> FastAPI:
    """Make the application. Only the front page, what is public, and its own documentation are open."""
    app = FastAPI()
    install(app, auth, open=["/", "/public/*", "/docs", "/openapi.json"])

    @app.get("/")
    async def front(who: OptionalPrincipal) -> dict[str, str]:
        return {"hello": "visitor" if who is None else who.user_id}

    @app.get("/public/hours")
    async def hours() -> dict[str, str]:
        return {"open": "always"}

    @app.get("/me")
    async def me(who: CurrentPrincipal) -> dict[str, str | tuple[str, ...]]:
        return {"user_id": who.user_id, "roles": who.roles}

    @app.get("/editors", dependencies=[Depends(Requires(role="editor"))])
    async def editors() -> dict[str, str]:
        return {"may": "enter"}

    @app.get("/drafts", dependencies=[Depends(Requires(permission="posts:write"))])
    async def drafts() -> dict[str, str]:
        return {"may": "enter"}

    @app.get("/vault", dependencies=[Depends(Requires(aal=2))])
    async def vault() -> dict[str, str]:
        return {"may": "enter"}

    @app.post("/promotion", status_code=204)
    async def promotion(who: CurrentPrincipal) -> None:
        """Make the caller an editor: what an administrator would do for them."""
        await auth.accounts.set_roles(who.user_id, ["editor"], actor=who.user_id)

    @app.websocket("/talk")
    async def talk(socket: WebSocket, _: CurrentPrincipal) -> None:
        """Say what is heard, until the client goes or the session is over."""
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)

    return app
