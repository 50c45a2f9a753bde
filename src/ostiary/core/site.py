"""Where we live, what our cookie is called, and whether a request was meant to come from it.

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

Whether a page of another origin may read what we answer (CORS):

| `Origin`              | `Sec-Fetch-Site`                      | may read        |
|-----------------------|---------------------------------------|-----------------|
| none, or ours         | any                                   | needs no leave  |
| trusted               | `same-site`, or no such header        | with its cookie |
| trusted               | anything else                         | without         |
| any other             | any                                   | no              |

The browser knows what is one site, and sends our cookie within that alone (`SameSite=Lax`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlencode, urlsplit

from ostiary.core.mount import PREFIX, Mount
from ostiary.core.network import Network, is_loopback, network

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"
"""The header in which a client that is no browser shows the session's token. Its case means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where we live: the issuer, which is our origin, where our routes are, whose pages are ours too, our proxies."""

    issuer: str
    secure: bool
    trusted: frozenset[str]
    proxies: tuple[Network, ...] = ()
    """Whose word is taken for where a request came from; see `core.network`."""
    mount: Mount = field(default_factory=Mount)

    @classmethod
    def of(
        cls, issuer: str, *, trusted: Sequence[str] = (), proxies: Sequence[str] = (), prefix: str = PREFIX
    ) -> "Site":
        """Make a site from its issuer.

        Raises:
            ValueError: the issuer is no plain origin, or is `http://` anywhere but on this machine; a trusted origin
                is not written exactly as a browser sends it; a proxy is no network; or the prefix is no plain path.
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
        return cls(
            issuer=issuer,
            secure=secure,
            trusted=frozenset(trusted),
            proxies=tuple(network(words) for words in proxies),
            mount=Mount(prefix),
        )

    @property
    def cookie_name(self) -> str:
        """The session cookie's name. `__Host-` keeps siblings and plain http from setting it (RFC 6265bis 4.1.3.2)."""
        return "__Host-ostiary" if self.secure else "ostiary"

    @property
    def device_cookie_name(self) -> str:
        """The name of the cookie by which a browser is known to have logged in before."""
        return f"{self.cookie_name}-device"

    @property
    def is_local(self) -> bool:
        """Whether users reach us on this machine only."""
        return is_loopback(urlsplit(self.issuer).hostname or "")

    def link(self, name: str, **query: str) -> str:
        """Return an absolute link to a page of ours, by its name. Every one that leaves the service is made here."""
        return f"{self.issuer}{self.mount.at(name)}" + (f"?{urlencode(query)}" if query else "")


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


class Reads(Enum):
    """Whether a page of another origin may read what we answer."""

    NO = "no"
    YES = "yes"
    WITH_COOKIE = "with_cookie"


def reads(*, fetch_site: str | None, origin: str | None, site: Site) -> Reads:
    """Say whether the page that sent a request may read the answer. A page of ours is never asked about."""
    if origin not in site.trusted:
        return Reads.NO
    return Reads.WITH_COOKIE if fetch_site in ("same-site", None) else Reads.YES


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
