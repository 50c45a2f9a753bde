"""Which pages of other origins may read our answers, said in headers (CORS, in the Fetch standard).

`core.site` decides. An origin that is allowed is named, and was compared with the list first: there is no `*`, and what
a client sends never comes back unread. Where no origin is trusted nothing is said at all.
"""

from collections.abc import Sequence
from typing import Final

from ostiary.core.site import Reads, Site, reads
from ostiary.web.http import Header, Request

_VARY: Final = (b"vary", b"Origin, Sec-Fetch-Site")
_EXPOSED: Final = (b"access-control-expose-headers", b"retry-after, www-authenticate")
_ASKED: Final = (
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"600"),
)
"""What a page may send, and for how many seconds it need not ask again."""


def share(request: Request, methods: Sequence[str], site: Site) -> tuple[Header, ...]:
    """Return what the browser must be told. `methods` are those of the path that a page may use."""
    if not site.trusted or not methods:
        return ()
    origin = request.header(b"origin")
    answer = reads(fetch_site=request.header(b"sec-fetch-site"), origin=origin, site=site)
    if answer is Reads.NO or origin is None:
        return (_VARY,)
    allowed: list[Header] = [_VARY, (b"access-control-allow-origin", origin.encode("ascii"))]
    if answer is Reads.WITH_COOKIE:
        allowed.append((b"access-control-allow-credentials", b"true"))
    if request.method == "OPTIONS" and request.header(b"access-control-request-method") is not None:
        return (*allowed, (b"access-control-allow-methods", ", ".join(sorted(methods)).encode()), *_ASKED)
    return (*allowed, _EXPOSED)
