"""Which origin is ours, what its cookie is called, and whether a request was meant to come from it.

Whether a request that carries a cookie, or would set one, may go on:

| method | `Sec-Fetch-Site`        | `Origin`        | token          | carries a cookie | would set one |
|--------|-------------------------|-----------------|----------------|------------------|---------------|
| safe   | any                     | any             | any            | yes              | yes           |
| unsafe | `same-origin` or `none` | any             | any            | yes              | yes           |
| unsafe | anything else, or none  | ours or trusted | any            | yes              | yes           |
| unsafe | anything else, or none  | any other       | any            | refused          | refused       |
| unsafe | anything else           | no such header  | any            | refused          | refused       |
| unsafe | no such header          | no such header  | right          | yes              | yes           |
| unsafe | no such header          | no such header  | missing, wrong | refused          | yes           |

Safe are GET, HEAD and OPTIONS. The token is the session's own. The last row is a client that is no browser: it may log
in, and shows the token with what it does later.
"""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlencode, urlsplit

from ostiary.core.network import is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"
"""The header in which a client that is no browser shows the session's token. Its case means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where we live: the issuer, which is our origin, and the other origins that may act for its users."""

    issuer: str
    secure: bool
    trusted: frozenset[str]

    @classmethod
    def of(cls, issuer: str, *, trusted: tuple[str, ...] = ()) -> "Site":
        """Make a site from its issuer.

        Raises:
            ValueError: the issuer is no plain origin, or is `http://` anywhere but on this machine; or a trusted origin
                is not written exactly as a browser sends it.
        """
        if _origin(issuer) != issuer:
            raise ValueError(
                f"the issuer {issuer!r} must be an origin such as https://id.example, with no path and no final slash"
            )
        secure = issuer.startswith("https://")
        if not secure and not is_loopback(urlsplit(issuer).hostname or ""):
            raise ValueError(f"the issuer {issuer!r} must be https://; http:// is for localhost only")
        for other in trusted:
            if _origin(other) != other:
                raise ValueError(
                    f"the trusted origin {other!r} must be written as a browser sends it: scheme://host[:port]"
                )
        return cls(issuer=issuer, secure=secure, trusted=frozenset(trusted))

    @property
    def cookie_name(self) -> str:
        """The session cookie's name. `__Host-` keeps siblings and plain http from setting it (RFC 6265bis 4.1.3.2)."""
        return "__Host-ostiary" if self.secure else "ostiary"

    def link(self, path: str, **query: str) -> str:
        """Return an absolute link to a path of ours. Every one that leaves the service is made here."""
        return f"{self.issuer}{path}" + (f"?{urlencode(query)}" if query else "")


class Meant(Enum):
    """Whether a request was meant by who sends it."""

    YES = "yes"
    NO = "no"
    SHOW_TOKEN = "show_token"  # noqa: S105 - the name of an answer, no secret


def meant(method: str, *, fetch_site: str | None, origin: str | None, site: Site) -> Meant:
    """Say whether a request was meant to come from our pages, or needs the session's token to show it."""
    if method in SAFE_METHODS or fetch_site in ("same-origin", "none"):
        return Meant.YES
    if origin is not None:
        return Meant.YES if origin == site.issuer or origin in site.trusted else Meant.NO
    return Meant.SHOW_TOKEN if fetch_site is None else Meant.NO


def _origin(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None and port != default else "")
