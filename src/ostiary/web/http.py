"""A request and a response as plain values, so that the endpoints know no framework and no server."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from ostiary.core import network
from ostiary.core.site import Site

Header = tuple[bytes, bytes]
"""A lower-case name and a value, as ASGI gives them."""

LARGEST_BODY = 64 * 1024
"""In bytes. Nothing that is sent here on purpose comes near it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent, read to its end. `client` is the address of whoever holds the other end of the connection."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[Header, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    client: str = ""

    def header(self, name: bytes) -> str | None:
        """Return the header of this name, or `None` when it is missing or stands there more than once."""
        values = [value for key, value in self.headers if key == name]
        return values[0].decode("latin-1") if len(values) == 1 else None

    def from_behind_proxies(self, site: Site) -> "Request":
        """Return the request with the address that the site's own proxies say it came from."""
        if not site.proxies:
            return self
        forwarded = [value.decode("latin-1") for name, value in self.headers if name == b"x-forwarded-for"]
        return replace(self, client=network.client(self.client, forwarded, trusted=site.proxies))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the client receives. A `stream` takes the place of the body: it goes on until it ends or the client goes."""

    status: int
    headers: tuple[Header, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    stream: AsyncGenerator[bytes] | None = field(default=None, repr=False)
