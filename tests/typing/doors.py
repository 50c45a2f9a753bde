"""What the two type checkers see through every door. A door that gives `Any` fails here, and so does a lost signature.

Nothing of this is run: `make check` reads it.
"""

from datetime import timedelta
from typing import Annotated, assert_type

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

import ostiary
import ostiary.testing
import ostiary.verify
from ostiary import Auth, Carrier, Issued, Principal, asgi, fastapi, flask, litestar, starlette, sync, wsgi
from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied
from ostiary.core.session import Session
from ostiary.core.user import Account
from ostiary.verify import Verifier


def names_that_load_late() -> None:
    """A package whose names load when they are asked for knows them all, and no others."""
    assert_type(ostiary.Auth, type[Auth])
    assert_type(Auth.embedded("app.db", issuer="https://id.example"), Auth)
    assert_type(Carrier("cookie"), Carrier)
    ostiary.Manager  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnusedExpression] # noqa: B018
    ostiary.verify.Manager  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnusedExpression] # noqa: B018
    ostiary.testing.Manager  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnusedExpression] # noqa: B018


async def verbs(auth: Auth, proof: Proof, who: Principal) -> None:
    """Each verb gives what it says."""
    assert_type(await auth.prove("ada@example.com", "…"), Proof)
    issued = await auth.login(proof, carrier=Carrier.BEARER)
    assert_type(issued, Issued)
    assert_type(issued.access_token, str | None)
    assert_type(issued.session, Session)
    assert_type(await auth.step_up(who, proof), Issued)
    assert_type(await auth.refresh(""), Issued)
    assert_type((await auth.mint(who)).access_token, str)
    assert_type(await auth.authenticate([], "GET"), Principal | Denied)
    assert_type(await auth.session(""), tuple[Session, Account])
    assert_type(await auth.accounts.register(email="", password=""), Account)
    async with auth.running() as started:
        assert_type(started, Auth)


def verbs_of_the_twin(auth: sync.Auth, proof: Proof, who: Principal) -> None:
    """The twin gives the same, at once."""
    assert_type(sync.Auth.embedded("app.db", issuer="https://id.example"), sync.Auth)
    assert_type(auth.prove("ada@example.com", "…"), Proof)
    assert_type(auth.login(proof, carrier=Carrier.BEARER), Issued)
    assert_type(auth.step_up(who, proof), Issued)
    assert_type(auth.authenticate([], "GET"), Principal | Denied)
    assert_type(auth.session(""), tuple[Session, Account])
    assert_type(auth.accounts.register(email="", password=""), Account)
    with auth.running() as started:
        assert_type(started, sync.Auth)


async def plain(auth: Auth, app: asgi.App, scope: asgi.Scope) -> None:
    """The door of ASGI."""
    assert_type(asgi.Door(app, auth).auth, Auth)
    assert_type(asgi.current(scope), Principal)
    assert_type(asgi.require(scope, asgi.ANYBODY), Principal)
    assert_type(await asgi.alive(scope), bool)


def plain_of_the_twin(auth: sync.Auth, app: wsgi.App, environ: wsgi.Environ) -> None:
    """The door of WSGI."""
    assert_type(wsgi.Door(app, auth).auth, sync.Auth)
    assert_type(wsgi.current(environ), Principal)
    assert_type(wsgi.require(environ, wsgi.ANYBODY), Principal)


async def _page(request: Request, *, size: int) -> Response:
    assert_type(starlette.current_principal(request), Principal)
    return Response(str(size))


async def in_starlette(request: Request) -> None:
    """The door of Starlette. A guarded endpoint keeps its signature."""
    guarded = starlette.requires(role="editor")(_page)
    assert_type(await guarded(request, size=1), Response)
    await guarded(request)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def in_fastapi() -> None:
    """The door of FastAPI: handlers are told who it is, or that it is nobody."""

    async def handler(
        who: fastapi.CurrentPrincipal,
        visitor: fastapi.OptionalPrincipal,
        editor: Annotated[Principal, Depends(fastapi.Requires(role="editor"))],
    ) -> None:
        assert_type(who, Principal)
        assert_type(visitor, Principal | None)
        assert_type(editor.roles, tuple[str, ...])


def in_litestar() -> None:
    """The door of Litestar."""

    async def handler(who: litestar.CurrentPrincipal, visitor: litestar.OptionalPrincipal) -> None:
        assert_type(who, Principal)
        assert_type(visitor, Principal | None)

    assert_type(litestar.Ostiary(), litestar.Ostiary)


@flask.authenticated
def _view(number: int) -> str:
    assert_type(flask.current_principal, Principal)
    assert_type(flask.current_principal.user_id, str)
    assert_type(flask.optional_principal(), Principal | None)
    return str(number)


@flask.requires(role="editor", fresh=timedelta(minutes=5))
def _edit(number: int, *, text: str) -> tuple[str, int]:
    return text, number


def in_flask() -> None:
    """The door of Flask. A guarded view keeps its signature."""
    assert_type(_view(1), str)
    assert_type(_edit(1, text=""), tuple[str, int])
    _view("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _edit(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def elsewhere(verifier: Verifier) -> None:
    """Another service, in an event loop and in threads."""
    assert_type(verifier.verify(""), Principal)
    async with verifier as followed:
        assert_type(followed, Verifier)
    with verifier as followed_by_thread:
        assert_type(followed_by_thread, Verifier)
