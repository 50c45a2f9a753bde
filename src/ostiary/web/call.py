"""One request on its way through a route, and what the route says to it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from ostiary import languages
from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Reason
from ostiary.core.floor import Head
from ostiary.core.network import address
from ostiary.core.session import Device
from ostiary.errors import Barred
from ostiary.ports import VerifierRecord
from ostiary.web import cookies, device
from ostiary.web.bodies import In, LoginIn
from ostiary.web.http import Header, Request
from ostiary.web.metrics import Metrics

B = TypeVar("B", bound=In)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose caller, query and body have been checked against the table."""

    auth: Auth
    metrics: Metrics
    document: Callable[[], bytes]
    """Makes the OpenAPI document."""
    request: Request
    caller: Principal | None = None
    verifier: VerifierRecord | None = None
    after: Head | None = None
    id: str = ""
    query: dict[str, str] = field(default_factory=dict[str, str])
    sent: In | None = None

    @property
    def who(self) -> Principal:
        """The caller. Only on a route that needs one."""
        if self.caller is None:
            raise Barred(Reason.NO_CARRIER)
        return self.caller

    @property
    def resumed(self) -> tuple[Head, VerifierRecord]:
        """Which event was read last, and by which verifier. Only on a route that is resumed."""
        if self.after is None or self.verifier is None:
            raise TypeError("the table does not say that this route is resumed")
        return self.after, self.verifier

    def body(self, kind: type[B]) -> B:
        """Return the body, which the table says is of this kind."""
        if not isinstance(self.sent, kind):
            raise TypeError(f"the table gives this route no {kind.__name__}")
        return self.sent

    @property
    def language(self) -> str:
        """The tag of the language that the client asks for, or nothing."""
        header = self.request.header(b"accept-language")
        return languages.of(header).tag if header else ""

    @property
    def address(self) -> str:
        """The client's address, canonical."""
        return address(self.request.client)

    @property
    def device_token(self) -> str:
        """By what this device may be known from a login before, unread: the body's, or the cookie's."""
        sent = self.sent.device_token if isinstance(self.sent, LoginIn) else None
        return sent or cookies.device_token(self.auth.site, self.request)

    async def device(self, named: str | None = None) -> Device:
        """Return what the client says of itself. In a thread: the first look at a user agent loads many patterns."""
        agent = self.request.header(b"user-agent") or ""
        return await asyncio.to_thread(device.describe, agent, client=self.request.client, named=named or "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A record to be written as JSON, or bytes as they are, or as they come, or nothing; and headers of its own."""

    content: msgspec.Struct | bytes | AsyncGenerator[bytes] | None = None
    headers: tuple[Header, ...] = ()
    status: int | None = None
    """If it is not the route's."""


Does = Callable[[Call], Awaitable[Answer]]
