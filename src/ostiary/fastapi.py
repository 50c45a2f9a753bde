"""The door for FastAPI.

install(app, auth)

@app.get("/me")
async def me(who: CurrentPrincipal) -> dict[str, str]: ...

@app.delete("/posts/{id}", dependencies=[Depends(Requires(role="editor")), Depends(Fresh(minutes=5))])
async def delete_post(id: int) -> None: ...
"""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from ostiary.asgi import current, require
from ostiary.core.access import Principal
from ostiary.errors import Barred
from ostiary.starlette import install, named
from ostiary.web.problem import refusal

__all__ = ["CurrentPrincipal", "Fresh", "OptionalPrincipal", "Requires", "install"]


class _Cookie(SecurityBase):
    """Shows in the OpenAPI document that a session may be held by its cookie. It lets everybody pass."""

    def __init__(self) -> None:
        self.model = APIKey.model_validate(
            {
                "in": APIKeyIn.cookie,
                "name": "__Host-ostiary",
                "description": "Set by `POST /auth/login`. On http://localhost it is called `ostiary`.",
            }
        )
        self.scheme_name = "ostiary-cookie"

    async def __call__(self) -> None:
        """Pass."""


_ByCookie = Annotated[None, Depends(_Cookie())]


class _Carried(SecurityBase):
    """Shows in the OpenAPI document that a session is held by an access token, or else by its cookie."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="The access token of `POST /auth/login`.")
        self.scheme_name = "ostiary-bearer"


class _Session(_Carried):
    async def __call__(self, connection: HTTPConnection, _: _ByCookie) -> Principal:
        """Return who is asking, or refuse."""
        return current(connection.scope)


class _Anybody(_Carried):
    async def __call__(self, connection: HTTPConnection, _: _ByCookie) -> Principal | None:
        """Return who is asking, or `None`. A request that was not meant, or that nobody can judge now, is refused."""
        try:
            return current(connection.scope)
        except Barred as barred:
            if refusal(barred.reason).row.status == 401:
                return None
            raise


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
    """Asks for a session whose user has proved themself within so many minutes. `POST /auth/step-up` renews a proof.

    It asks who is there, not what they may do: any user can be fresh.
    """

    def __init__(self, *, minutes: float) -> None:
        super().__init__(fresh=timedelta(minutes=minutes))


CurrentPrincipal = Annotated[Principal, Depends(_Session())]
"""Who is asking, by cookie or by token. Nobody else gets in."""

OptionalPrincipal = Annotated[Principal | None, Depends(_Anybody())]
"""Who is asking, or `None` for a visitor: who shows no session, or one that is over."""
