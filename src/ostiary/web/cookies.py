"""The cookies: how they are set, read and cleared (RFC 6265bis).

| cookie                   | holds               | is gone                                                    |
|--------------------------|---------------------|------------------------------------------------------------|
| `__Host-ostiary`         | the session token   | when the browser is closed, or with the logout             |
| `__Host-ostiary-device`  | the device token    | a year after the last login; a logout leaves it alone      |

They have no `Domain`, so no other host receives them; on https their names begin with `__Host-`, so that no sibling and
no plain http can set them. The session's has no `Max-Age`: the session ends by its own times.
"""

import re
from typing import Final

from ostiary.auth import Issued
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.core.token import DEVICE_LIFE
from ostiary.web.http import Header, Request

_LONGEST: Final = 512


def held_by_cookie(site: Site, issued: Issued) -> tuple[Header, ...]:
    """Return the headers that give a browser what it holds by cookies. None, if tokens carry its session."""
    if issued.session.carrier is not Carrier.COOKIE:
        return ()
    session = _set(site, site.cookie_name, issued.session_token)
    if not issued.device_token:
        return (session,)
    return session, _set(site, site.device_cookie_name, issued.device_token, age=int(DEVICE_LIFE.total_seconds()))


def clear_cookie(site: Site) -> Header:
    """Return the header that makes a browser forget its session."""
    return _set(site, site.cookie_name, "", age=0)


def device_token(site: Site, request: Request) -> str:
    """Return the device token of a request's cookie, unread. Empty without one, or with more than one."""
    cookies = b";".join(value for name, value in request.headers if name == b"cookie").decode("latin-1")
    found = re.findall(rf"(?:^|;)[ \t]*{re.escape(site.device_cookie_name)}=([^;]*)", cookies)
    return found[0] if len(found) == 1 and len(found[0]) <= _LONGEST else ""


def _set(site: Site, name: str, value: str, *, age: int | None = None) -> Header:
    kept = "" if age is None else f"Max-Age={age}; "
    secure = "Secure; " if site.secure else ""
    return b"set-cookie", f"{name}={value}; {kept}{secure}HttpOnly; SameSite=Lax; Path=/".encode("ascii")
