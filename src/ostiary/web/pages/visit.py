"""One request on its way through a page, and what the page says to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ostiary import languages
from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Reason
from ostiary.core.keys import Purpose
from ostiary.core.network import address
from ostiary.core.session import Device
from ostiary.core.token import make_csrf_token
from ostiary.core.user import Account
from ostiary.errors import Barred
from ostiary.languages import Language
from ostiary.web import cookies, device
from ostiary.web.http import Header, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request whose caller, query and form have been checked against the table."""

    auth: Auth
    at: Callable[[str], str]
    """Says where a route is served, by its name in the table."""
    request: Request
    caller: Principal | None
    account: Account | None = None
    """The caller's. `None` where there is no caller."""
    query: dict[str, str] = field(default_factory=dict[str, str])
    form: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def who(self) -> Principal:
        """The caller. Only on a page that needs one."""
        if self.caller is None:
            raise Barred(Reason.NO_CARRIER)
        return self.caller

    @property
    def own(self) -> Account:
        """The caller's account. Only on a page that needs one."""
        if self.account is None:
            raise Barred(Reason.NO_CARRIER)
        return self.account

    @property
    def spoken(self) -> Language:
        """The language of the page: the account's, or what the browser asks for."""
        chosen = self.account.user.language if self.account is not None else ""
        return languages.of(self.request.header(b"accept-language"), chosen)

    @property
    def language(self) -> str:
        """The tag of that language, or nothing where nobody asks for one."""
        asks = self.request.header(b"accept-language") is not None or self.account is not None
        return self.spoken.tag if asks else ""

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

    @property
    def device_token(self) -> str:
        """By what this browser may be known from a login before, unread."""
        return cookies.device_token(self.auth.site, self.request)

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
