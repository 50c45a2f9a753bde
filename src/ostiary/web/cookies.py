"""The session's cookie: how it is set, and how it is cleared (RFC 6265bis).

It has no `Domain`, so no other host receives it, and no `Max-Age`, so a browser forgets it when it is closed; the
session ends by its own times. On https its name begins with `__Host-`, so that no sibling and no plain http can set it.
"""

from ostiary.core.site import Site
from ostiary.web.http import Header


def set_cookie(site: Site, value: str) -> Header:
    """Return the header that gives a browser its session."""
    return b"set-cookie", f"{site.cookie_name}={value}; {_attributes(site)}".encode("ascii")


def clear_cookie(site: Site) -> Header:
    """Return the header that makes a browser forget its session."""
    return b"set-cookie", f"{site.cookie_name}=; Max-Age=0; {_attributes(site)}".encode("ascii")


def _attributes(site: Site) -> str:
    return ("Secure; " if site.secure else "") + "HttpOnly; SameSite=Lax; Path=/"
