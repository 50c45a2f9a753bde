"""Checks access tokens in another service, with no database.

verifier = Verifier("https://id.example", audience="orders", key="osv1…")

async with verifier:                       # or `with verifier:`, where there is no event loop
    who = verifier.verify(token)
"""

from ostiary.lazy import lazily

TYPE_CHECKING = False  # as in `ostiary.lazy`

if TYPE_CHECKING:
    from ostiary.core.access import Principal
    from ostiary.errors import Refused, Unavailable
    from ostiary.feed.http import Lag
    from ostiary.verify.verifier import Stale, Verifier
else:  # who catches a refusal need not load what may follow a feed
    __getattr__ = lazily(
        {
            "Lag": "ostiary.feed.http",
            "Principal": "ostiary.core.access",
            "Refused": "ostiary.errors",
            "Stale": "ostiary.verify.verifier",
            "Unavailable": "ostiary.errors",
            "Verifier": "ostiary.verify.verifier",
        },
        of=__name__,
    )

__all__ = ["Lag", "Principal", "Refused", "Stale", "Unavailable", "Verifier"]
