"""The principal, roles to permissions, and what a route requires.

Permissions never travel: a token carries role names, and the table that expands them is kept current by the feed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from ostiary.core.assurance import fresh, strong
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier

ADMIN: Final = "admin"
"""The role of who looks after the service itself."""


class Principal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who is asking, through which session, proved how, allowed what. What a handler receives.

    Hundreds of thousands of these live in a guard's memory, so they are kept out of the garbage collector's sight; they
    hold only values that cannot form a cycle.
    """

    user_id: str
    session_id: str
    carrier: Carrier
    client_id: str
    amr: tuple[str, ...]
    acr: str
    auth_time: datetime
    revision: int
    roles: tuple[str, ...]
    permissions: frozenset[str]
    scope: tuple[str, ...] = ()
    stale: timedelta | None = None
    """For how long the lease had run out when this was accepted. `None`: it held; `timedelta.max`: there is none."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The table of roles: the permissions that each name stands for. An unknown role stands for none."""

    table: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, table: Mapping[str, Iterable[str]]) -> "Roles":
        """Make the table from any mapping of names to permissions."""
        return cls(MappingProxyType({name: frozenset(permissions) for name, permissions in table.items()}))

    def permissions(self, roles: Iterable[str]) -> frozenset[str]:
        """Return everything that a set of roles allows."""
        return frozenset[str]().union(*(self.table.get(role, frozenset()) for role in roles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a route asks of a principal. Everything named is required together."""

    role: str | None = None
    permission: str | None = None
    scope: str | None = None
    aal: int | None = None
    fresh: timedelta | None = None

    def __post_init__(self) -> None:
        if "" in (self.role, self.permission, self.scope):
            raise ValueError("a required role, permission or scope cannot be empty")
        if self.aal not in (None, 1, 2):
            raise ValueError("a required assurance level is 1 or 2")


def meets(requirement: Requirement, principal: Principal, *, now: datetime) -> Denied | None:
    """Say why a principal does not meet a requirement, or `None` when it does.

    Strength is asked after what they may do, and freshness last: who proves anew must be let in then.
    """
    if requirement.role is not None and requirement.role not in principal.roles:
        return Denied(Reason.FORBIDDEN)
    if requirement.permission is not None and requirement.permission not in principal.permissions:
        return Denied(Reason.FORBIDDEN)
    if requirement.scope is not None and requirement.scope not in principal.scope:
        return Denied(Reason.FORBIDDEN)
    if requirement.aal is not None and (weak := strong(principal.amr, least=requirement.aal)) is not None:
        return weak
    if requirement.fresh is not None:
        return fresh(principal.auth_time, now=now, within=requirement.fresh)
    return None
