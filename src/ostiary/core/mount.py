"""Where the routes are. In the source a route is called by its name in the table, which begins with `/auth/`.

A service may have them elsewhere (`core.site.Site`); `Mount.at` is the one place that knows where. What is not named so
(`/.well-known/jwks.json`, `/healthz`) stays where it is.
"""

import re
from dataclasses import dataclass

PREFIX = "/auth"
"""What the routes' names begin with, and where they are if nobody says otherwise."""

_USABLE = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+")


@dataclass(frozen=True, slots=True)
class Mount:
    """The path under which the routes are served.

    Raises:
        ValueError: it is no plain path, such as `/auth` or `/api/accounts`.
    """

    prefix: str = PREFIX

    def __post_init__(self) -> None:
        if _USABLE.fullmatch(self.prefix) is None:
            raise ValueError(f"the prefix {self.prefix!r} must be a path such as /auth, with no final slash")

    def at(self, name: str) -> str:
        """Return where a route, or a file of ours, is served."""
        return self.prefix + name.removeprefix(PREFIX) if name == PREFIX or name.startswith(PREFIX + "/") else name
