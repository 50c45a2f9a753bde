"""Puts a session's carrier on a client, as a page of the application's own site or a program would hold it."""

from collections.abc import MutableMapping
from email.message import Message
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.request import Request

from ostiary.auth import Issued
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.errors import Misconfigured
from ostiary.web.cookies import clear_cookie, held_by_cookie


class Hands(Protocol):
    """What a client holds: headers that it sends each time, and cookies."""

    def send(self, name: str, value: str | None) -> None:
        """Send a header with every request from now on, or no more."""
        ...

    def receive(self, site: Site, cookie: str) -> None:
        """Take a `Set-Cookie`, as from an answer."""
        ...


def carry(client: Any, issued: Issued, site: Site) -> None:  # noqa: ANN401 - of any framework
    """Give a client a session in the place of the one that it holds."""
    hands = _hands_of(client)
    is_cookie = issued.session.carrier is Carrier.COOKIE
    hands.send("authorization", None if is_cookie else f"Bearer {issued.access_token}")
    hands.send("sec-fetch-site", "same-origin" if is_cookie else None)
    for _, cookie in held_by_cookie(site, issued) or (clear_cookie(site),):
        hands.receive(site, cookie.decode())


def _hands_of(client: Any) -> Hands:  # noqa: ANN401 - same
    if hasattr(client, "environ_base"):
        return _Werkzeug(client)
    if isinstance(getattr(client, "cookies", None), SimpleCookie):
        return _Django(client)
    if hasattr(getattr(client, "cookies", None), "jar"):
        return _Httpx(client)
    raise Misconfigured(f"a {type(client).__name__} is no client that a session can be put on")


class _Httpx:
    """A client of httpx, or one that is built on it: those of Starlette, FastAPI and Litestar."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - same
        self._client = client

    def send(self, name: str, value: str | None) -> None:
        self._client.headers.pop(name, None)
        if value is not None:
            self._client.headers[name] = value

    def receive(self, site: Site, cookie: str) -> None:
        url = str(self._client.base_url)
        if site.secure and not url.startswith("https:"):
            raise Misconfigured(
                f"the cookie of {site.issuer} is for https only, and this client asks {url}: "
                f"make it with base_url={site.issuer!r}"
            )
        headers = Message()
        headers["Set-Cookie"] = cookie
        answer: Any = SimpleNamespace(info=lambda: headers)
        self._client.cookies.jar.extract_cookies(answer, Request(url))  # noqa: S310 - nothing is opened


class _Werkzeug:
    """The test client of Flask."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - same
        self._client = client

    def send(self, name: str, value: str | None) -> None:
        _put(self._client.environ_base, name, value)

    def receive(self, site: Site, cookie: str) -> None:  # noqa: ARG002 - the shape of `Hands`
        name, value = _parsed(cookie)
        host = (self._client.application.config.get("SERVER_NAME") or "localhost").partition(":")[0]
        if value:
            self._client.set_cookie(name, value, domain=host)
        else:
            self._client.delete_cookie(name, domain=host)


class _Django:
    """The test client of Django."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - same
        self._client = client

    def send(self, name: str, value: str | None) -> None:
        _put(self._client.defaults, name, value)

    def receive(self, site: Site, cookie: str) -> None:  # noqa: ARG002 - the shape of `Hands`
        name, value = _parsed(cookie)
        self._client.cookies.pop(name, None)
        if value:
            self._client.cookies[name] = value


def _put(environ: MutableMapping[str, Any], name: str, value: str | None) -> None:
    key = f"HTTP_{name.upper().replace('-', '_')}"
    environ.pop(key, None)
    if value is not None:
        environ[key] = value


def _parsed(cookie: str) -> tuple[str, str]:
    name, _, value = cookie.partition(";")[0].partition("=")
    return name, value
