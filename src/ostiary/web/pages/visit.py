"""One request on its way through a page, and what the page says to it."""

import asyncio
from dataclasses import dataclass, field

from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Reason
from ostiary.core.keys import Purpose
from ostiary.core.network import address
from ostiary.core.session import Device
from ostiary.core.token import make_csrf_token
from ostiary.errors import Barred
from ostiary.web import device
from ostiary.web.http import Header, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request whose caller, query and form have been checked against the table."""

    auth: Auth
    request: Request
    caller: Principal | None
    query: dict[str, str]
    form: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def who(self) -> Principal:
        """The caller. Only on a page that needs one."""
        if self.caller is None:
            raise Barred(Reason.NO_CARRIER)
        return self.caller

    @property
    def address(self) -> str:
        """The client's address, canonical."""
        return address(self.request.client)

    @property
    def token(self) -> str:
        """What shows that a form of ours was meant, in a browser that sends neither `Sec-Fetch-Site` nor `Origin`."""
        if self.caller is None:
            return ""
        now = self.auth.clock.now()
        return make_csrf_token(self.caller.session_id, key=self.auth.keyring.mac(Purpose.CSRF, now=now))

    async def device(self) -> Device:
        """Return what the browser says of itself. In a thread: the first look at a user agent loads many patterns."""
        agent = self.request.header(b"user-agent") or ""
        return await asyncio.to_thread(device.describe, agent, client=self.request.client)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A template with its values, or, with `to`, the way to another page."""

    template: str = ""
    values: dict[str, object] = field(default_factory=dict[str, object])
    to: str = ""
    headers: tuple[Header, ...] = ()
