"""`sign_in`: a client of a test has a session, made in the store of the application that it speaks to."""

import atexit
import inspect
from collections.abc import Callable, Collection, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, overload

from ostiary.auth import Auth, Issued
from ostiary.core.session import Carrier
from ostiary.core.user import Account
from ostiary.sync import Auth as SyncAuth
from ostiary.sync.testing.sessions import begin as begin_at_once
from ostiary.testing.behind import auth_behind
from ostiary.testing.carriers import carry
from ostiary.testing.loops import in_loop_of
from ostiary.testing.sessions import begin


class AsyncClient(Protocol):
    """A client whose requests are awaited: `httpx.AsyncClient`, Litestar's and Django's."""

    def get(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401 - whatever it takes
        """Send a request."""
        ...


@overload
def sign_in(  # type: ignore[overload-overlap]
    client: AsyncClient,
    user: str | Account,
    *,
    auth: Auth | SyncAuth | None = None,
    carrier: Carrier = Carrier.COOKIE,
    amr: Collection[str] = ("pwd",),
    age: timedelta = timedelta(0),
    roles: Collection[str] | None = None,
) -> Coroutine[Any, Any, Issued]: ...


@overload
def sign_in(
    client: object,
    user: str | Account,
    *,
    auth: Auth | SyncAuth | None = None,
    carrier: Carrier = Carrier.COOKIE,
    amr: Collection[str] = ("pwd",),
    age: timedelta = timedelta(0),
    roles: Collection[str] | None = None,
) -> Issued: ...


def sign_in(
    client: Any,
    user: str | Account,
    *,
    auth: Auth | SyncAuth | None = None,
    carrier: Carrier = Carrier.COOKIE,
    amr: Collection[str] = ("pwd",),
    age: timedelta = timedelta(0),
    roles: Collection[str] | None = None,
) -> Issued | Coroutine[Any, Any, Issued]:
    """Give a client of a test a real session: no password, no mail. An asynchronous client's is awaited.

    It is put on the client in the place of one that it holds. A cookie comes as to a page of the application's own
    site, so what the client sends is meant; a request of your own says otherwise with `sec-fetch-site: cross-site`.

    Args:
        client: A test client of httpx, Starlette, FastAPI, Litestar, Flask or Django.
        user: Who it is: an account, its id, or an address. An address that belongs to nobody gets an account.
        auth: Where the session is made, if it is not found behind the client.
        carrier: By cookie or by tokens.
        amr: How the user has proved themself (RFC 8176): `("pwd", "otp")` reaches `aal2`.
        age: How long ago that was.
        roles: Which roles the user has from now on. If not given, those that they have.

    Raises:
        Misconfigured: no door, no session or no event loop is to be had there; the message says what to do.
        Invalid: there is no such user, or it is no address.
    """
    auth = auth or auth_behind(client)
    who = user.user.id if isinstance(user, Account) else user
    if isinstance(auth, SyncAuth):
        issued = _at_once(auth, partial(begin_at_once, auth, who, carrier=carrier, amr=amr, age=age, roles=roles))
    else:
        begun = partial(begin, auth, who, carrier=carrier, amr=amr, age=age, roles=roles)
        if inspect.iscoroutinefunction(client.get):
            return _awaited(client, auth, begun)
        issued = in_loop_of(auth, begun)
    carry(client, issued, auth.site)
    return issued


def _at_once(auth: SyncAuth, begun: Callable[[], Issued]) -> Issued:
    if not auth.started:
        auth.start()
        atexit.register(auth.stop)
    return begun()


async def _awaited(client: object, auth: Auth, begun: Callable[[], Coroutine[Any, Any, Issued]]) -> Issued:
    await auth.start()  # as a door does, where nobody runs a lifespan
    issued = await begun()
    carry(client, issued, auth.site)
    return issued
