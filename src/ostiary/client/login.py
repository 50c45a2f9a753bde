"""A login that a program holds by tokens: attaches the access token, and exchanges the refresh token when it must.

| a request finds                         | then                                                                      |
|-----------------------------------------|---------------------------------------------------------------------------|
| no access token, or one about to expire | the first refreshes, all others wait for it                               |
| 401 with the token it carried           | refreshed once, unless somebody did meanwhile; the request is sent again  |
| an address that is not in `reaches`     | the request goes as it is: a token is for nobody else                     |

A refresh whose answer is lost is asked again with the same token: the service then gives the same successor. The new
refresh token is kept before it is used, so that a program that is killed at any moment is still signed in.
"""

import asyncio
import platform
import threading
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar, cast
from weakref import WeakKeyDictionary

import httpx

from ostiary.client.place import MemoryPlace, Place
from ostiary.core.mount import PREFIX, Mount
from ostiary.core.site import Site
from ostiary.errors import Misconfigured, OstiaryError, Unavailable

Result = TypeVar("Result")
Talk = Generator[httpx.Request, httpx.Response, Result]
"""A conversation: what it yields is sent, and it goes on with the answer, or with the error that came instead of one.

Who leads it decides whether to wait or to await.
"""
Answered = Talk[httpx.Response]

_TRIES: Final = 3
_EARLY: Final = 30.0
"""Seconds before its end at which an access token is exchanged: no answer should come too late."""
_PATIENCE: Final = 10.0


class NotSignedIn(OstiaryError):
    """Nobody has signed in here yet."""


class SignedOut(OstiaryError):
    """The session is over: it was ended, or it expired. Sign in again."""


class Refusal(OstiaryError):
    """The service said no. `code` is for the program, the text is for a person (RFC 9457)."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Access:
    token: str = field(repr=False)
    until: float

    def holds(self) -> bool:
        return time.monotonic() < self.until


class Login(httpx.Auth):
    """Holds one session, for any number of clients, threads and tasks.

    Args:
        issuer: The service, `https://id.example`.
        place: Where the refresh token is kept. In memory, if not said: then it ends with the program.
        reaches: The origins whose requests carry the access token. The issuer's own are always among them.
        prefix: Where the routes of the service are: what it was made with as `prefix`.
        device: What the list of devices shall call this one. The machine's name, if not said.
        transport: How the service is reached, if not over the network as it is.
        async_transport: The same, in an event loop.

    Raises:
        Misconfigured: the prefix or an origin cannot be used; only a loopback one may be without `https`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        place: Place | None = None,
        reaches: Sequence[str] = (),
        prefix: str = PREFIX,
        device: str | None = None,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            self._at = Mount(prefix).at
            self._origins = frozenset(Site.of(origin).issuer for origin in (issuer, *reaches))
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        self._issuer = Site.of(issuer).issuer
        self._place = place or MemoryPlace()
        self._device = (device or platform.node() or "a program")[:100]
        self._transport = transport
        self._async_transport = async_transport
        self._access: _Access | None = None
        self._turn = threading.Lock()
        self._loop_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    # -------------------------------------------------------------------------------------------- in and out

    def sign_in(self, email: str, password: str) -> None:
        """Log in by password, and keep the session.

        Raises:
            Refusal: the service says no.
            Unavailable: it does not answer.
        """
        self._talk(self._signing_in(email, password))

    async def sign_in_async(self, email: str, password: str) -> None:
        """Log in by password, in an event loop."""
        await self._talk_async(self._signing_in(email, password))

    def sign_out(self) -> None:
        """End the session, everywhere, and forget it here. What is forgotten is forgotten also when nobody answers.

        Raises:
            Unavailable: the service does not answer; the session lives until it expires.
        """
        with self._turn:
            self._talk(self._signing_out())

    async def sign_out_async(self) -> None:
        """End the session, in an event loop."""
        async with self._loop_turn():
            await self._talk_async(self._signing_out())

    # -------------------------------------------------------------------------------------------- requests

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Attach the access token. What httpx asks of an `Auth`."""
        if not self._reaches(request):
            yield request
            return
        carried = self._held() or self._fresh()
        response = yield _carrying(request, carried)
        if _may_go_again(response, request):
            yield _carrying(request, self._fresh(instead_of=carried))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Attach the access token, in an event loop."""
        if not self._reaches(request):
            yield request
            return
        carried = self._held() or await self._fresh_async()
        response = yield _carrying(request, carried)
        if _may_go_again(response, request):
            yield _carrying(request, await self._fresh_async(instead_of=carried))

    def _reaches(self, request: httpx.Request) -> bool:
        url = request.url
        port = f":{url.port}" if url.port is not None else ""
        return f"{url.scheme}://{url.host}{port}" in self._origins

    def _held(self, *, instead_of: _Access | None = None) -> _Access | None:
        access = self._access
        return access if access is not None and access is not instead_of and access.holds() else None

    def _fresh(self, *, instead_of: _Access | None = None) -> _Access:
        """Return an access token, exchanged by one of those who wait."""
        with self._turn:
            held = self._held(instead_of=instead_of)
            return held if held is not None else self._talk(self._refreshing())

    async def _fresh_async(self, *, instead_of: _Access | None = None) -> _Access:
        async with self._loop_turn():
            held = self._held(instead_of=instead_of)
            return held if held is not None else await self._talk_async(self._refreshing())

    def _loop_turn(self) -> asyncio.Lock:
        """Return the lock of the running loop. Two loops that refresh at once are two tabs: both stay in."""
        return self._loop_turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    # -------------------------------------------------------------------------------------------- conversations

    def _signing_in(self, email: str, password: str) -> Talk[None]:
        body = {"email": email, "password": password, "carrier": "bearer", "device": self._device}
        asked = time.monotonic()
        self._keep((yield from self._ask("/auth/login", json=body)), asked=asked)

    def _refreshing(self) -> Talk[_Access]:
        shown = self._place.read()
        if shown is None:
            raise NotSignedIn(f"not signed in to {self._issuer}")
        while True:
            asked = time.monotonic()
            response = yield from self._ask("/auth/refresh", repeats=True, json={"refresh_token": shown})
            if response.status_code not in (400, 401):
                return self._keep(response, asked=asked)
            # Another process may have exchanged the token long ago: what it has kept since is what counts.
            kept = self._place.read()
            if kept is None or kept == shown:
                self._forget()
                raise SignedOut(f"signed out of {self._issuer}")
            shown = kept

    def _signing_out(self) -> Talk[None]:
        try:
            access = self._held() or (yield from self._refreshing())
        except (NotSignedIn, SignedOut):
            return
        finally:
            self._forget()
        response = yield from self._ask("/auth/logout", repeats=True, access=access)
        if response.status_code not in (204, 401):  # 401: it was over already
            raise self._no(response)

    def _ask(self, path: str, *, repeats: bool = False, access: _Access | None = None, json: object = None) -> Answered:
        """Send a request to the service. One that `repeats` may be sent again when its answer was lost."""
        request = httpx.Request(
            "POST", self._issuer + self._at(path), headers={"accept": "application/json"}, json=json
        )
        if access is not None:
            _carrying(request, access)
        for left in reversed(range(_TRIES)):
            try:
                return (yield request)
            except httpx.TransportError as error:
                if not left or not (repeats or isinstance(error, httpx.ConnectError)):
                    raise Unavailable(f"{self._issuer} cannot be reached: {type(error).__name__}") from None
        raise AssertionError  # the last try returns or raises

    def _keep(self, response: httpx.Response, *, asked: float) -> _Access:
        """Keep what was answered. The refresh token first: what is used must be found again after a crash."""
        if response.status_code != 200:
            raise self._no(response)
        try:
            body = response.json()
            refresh, access, lives = str(body["refresh_token"]), str(body["access_token"]), float(body["expires_in"])
        except (ValueError, KeyError, TypeError):
            raise Unavailable(f"{self._issuer} answers something else than tokens") from None
        self._place.write(refresh)
        self._access = _Access(access, asked + max(lives - _EARLY, lives / 2))
        return self._access

    def _no(self, response: httpx.Response) -> OstiaryError:
        try:
            problem = response.json()
            code, sentence = str(problem["code"]), str(problem.get("detail") or problem["title"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return Unavailable(f"{self._issuer} answers {response.status_code}")
        return Unavailable(sentence) if response.status_code >= 500 else Refusal(code, sentence)

    def _forget(self) -> None:
        self._access = None
        self._place.clear()

    # -------------------------------------------------------------------------------------------- the line

    def _talk(self, talk: Talk[Result]) -> Result:
        with httpx.Client(transport=self._transport, timeout=_PATIENCE) as client:
            step = partial(next, talk)
            while True:
                try:
                    request = step()
                except StopIteration as end:
                    return cast("Result", end.value)
                try:
                    step = partial(talk.send, client.send(request))
                except httpx.TransportError as error:
                    step = partial(talk.throw, error)

    async def _talk_async(self, talk: Talk[Result]) -> Result:
        async with httpx.AsyncClient(transport=self._async_transport, timeout=_PATIENCE) as client:
            step = partial(next, talk)
            while True:
                try:
                    request = step()
                except StopIteration as end:
                    return cast("Result", end.value)
                try:
                    step = partial(talk.send, await client.send(request))
                except httpx.TransportError as error:
                    step = partial(talk.throw, error)


def _carrying(request: httpx.Request, access: _Access) -> httpx.Request:
    request.headers["authorization"] = f"Bearer {access.token}"
    return request


def _may_go_again(response: httpx.Response, request: httpx.Request) -> bool:
    """Say whether a refused request can be sent once more. A body that was a stream is gone."""
    return response.status_code == 401 and isinstance(request.stream, httpx.ByteStream)
