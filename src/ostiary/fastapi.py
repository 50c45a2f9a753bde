"""The door for FastAPI.

install(app, auth, open=["/", "/docs", "/openapi.json"])

@app.get("/me")
async def me(who: CurrentPrincipal) -> dict[str, str]: ...

@app.delete("/posts/{id}", dependencies=[Depends(Requires(role="editor")), Depends(Fresh(minutes=5))])
async def delete_post(id: int) -> None: ...
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, routing
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from ostiary import starlette
from ostiary.asgi import current, optional, require
from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.starlette import named, paths
from ostiary.web.opening import Default
from ostiary.web.pages import Look

__all__ = ["CurrentPrincipal", "Fresh", "OptionalPrincipal", "Requires", "install"]


def install(
    app: FastAPI,
    auth: Auth,
    *,
    default: Default = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
    pages: bool | Look = False,
) -> None:
    """Put a door in front of an application, as `ostiary.starlette.install` does.

    FastAPI's own `/docs` and `/openapi.json` are guarded, too, unless they are named.

    Raises:
        Misconfigured: `open` names what is no path, or anything where everything is open already.
    """
    starlette.install(app, auth, default=default, open=open, pages=pages, routes=lambda: _paths(app.routes))


def _paths(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """Yield the paths of an application. Newer releases keep what a router brings apart, and say where it is."""
    contexts: Any = getattr(routing, "iter_route_contexts", None)
    if contexts is None:
        yield from paths(routes)
        return
    for context in contexts(routes):
        route: BaseRoute = context.original_route
        own = getattr(route, "path", "") or ""
        yield from paths([route], under=(context.path or "").removesuffix(own))


class _Cookie(SecurityBase):
    """Shows in the OpenAPI document that a session may be held by its cookie. It lets everybody pass."""

    def __init__(self) -> None:
        self.model = APIKey.model_validate(
            {
                "in": APIKeyIn.cookie,
                "name": "__Host-ostiary",
                "description": "Set by a login with `carrier: cookie`. On http://localhost it is called `ostiary`.",
            }
        )
        self.scheme_name = "ostiary-cookie"

    async def __call__(self) -> None:
        """Pass."""


_ByCookie = Annotated[None, Depends(_Cookie())]


class _Carried(SecurityBase):
    """Shows in the OpenAPI document that a session is held by an access token, or else by its cookie."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="The access token of a login with `carrier: bearer`.")
        self.scheme_name = "ostiary-bearer"


class _Session(_Carried):
    async def __call__(self, connection: HTTPConnection, _: _ByCookie) -> Principal:
        """Return who is asking, or refuse."""
        return current(connection.scope)


class _Anybody(_Carried):
    async def __call__(self, connection: HTTPConnection, _: _ByCookie) -> Principal | None:
        """Return who is asking, or `None`. A request that was not meant, or that nobody can judge now, is refused."""
        return optional(connection.scope)


class Requires(_Carried):
    """Asks for a session that meets a requirement. Everything named is required together.

    Raises:
        ValueError: nothing is named. `CurrentPrincipal` asks for a session alone.
    """

    def __init__(
        self,
        *,
        role: str | None = None,
        permission: str | None = None,
        scope: str | None = None,
        aal: int | None = None,
        fresh: timedelta | None = None,
    ) -> None:
        super().__init__()
        self._requirement = named(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)

    async def __call__(self, connection: HTTPConnection, _: _ByCookie) -> Principal:
        """Return who is asking, or refuse."""
        return require(connection.scope, self._requirement)


class Fresh(Requires):
    """Asks for a session whose user has proved themself within so many minutes. A step-up renews a proof.

    It asks who is there, not what they may do: any user can be fresh.
    """

    def __init__(self, *, minutes: float) -> None:
        super().__init__(fresh=timedelta(minutes=minutes))


CurrentPrincipal = Annotated[Principal, Depends(_Session())]
"""Who is asking, by cookie or by token. Nobody else gets in."""

OptionalPrincipal = Annotated[Principal | None, Depends(_Anybody())]
"""Who is asking, or `None` for a visitor: who shows no session, or one that is over."""
