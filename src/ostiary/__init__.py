"""Ostiary: one login, two carriers, dead everywhere at once on logout.

from ostiary import Auth

auth = Auth.embedded("app.db", issuer="http://localhost:8000")
"""

from ostiary.lazy import lazily

TYPE_CHECKING = False  # as in `ostiary.lazy`

if TYPE_CHECKING:
    from ostiary.auth import Auth, Issued
    from ostiary.core.access import Principal
    from ostiary.core.session import Carrier
else:  # a service that only verifies never loads the verbs
    __getattr__ = lazily(
        {
            "Auth": "ostiary.auth",
            "Carrier": "ostiary.core.session",
            "Issued": "ostiary.auth",
            "Principal": "ostiary.core.access",
        },
        of=__name__,
    )

__all__ = ["Auth", "Carrier", "Issued", "Principal"]
