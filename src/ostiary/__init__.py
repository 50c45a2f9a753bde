"""Ostiary: one login, two carriers, dead everywhere at once on logout.

from ostiary import Auth

auth = Auth.embedded("app.db", issuer="http://localhost:8000")
"""

from typing import TYPE_CHECKING, Any

from ostiary.core.access import Principal
from ostiary.core.session import Carrier

if TYPE_CHECKING:
    from ostiary.auth import Auth, Issued

__all__ = ["Auth", "Carrier", "Issued", "Principal"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a type checker sees stands above
    """Load the verbs when they are asked for: a service that only verifies never does."""
    if name not in ("Auth", "Issued"):
        raise AttributeError(f"module 'ostiary' has no attribute {name!r}")
    from ostiary import auth  # noqa: PLC0415 - see above

    return getattr(auth, name)
