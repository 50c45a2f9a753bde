"""Accounts that come from elsewhere: what is known of one, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An account as another system kept it. `secret` is the hash of its password, `None` when it has none."""

    where: str
    """What finds it there, for the report: `line 12`, `auth_user 7`."""
    email: str
    name: str = ""
    roles: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    verified: bool = False
    disabled: bool = False
    created_at: datetime | None = None


class Fate(StrEnum):
    """What became of an arrival, in the words of the report."""

    CAME = "came"
    NO_PASSWORD = "came; it has no password"  # noqa: S105
    UNREADABLE = "came without its password: the hash is of no kind that can be read, or costs too much to compare"
    WAS_HERE = "was here already, and is as it was"
    TWICE = "has the address of one before it"
    NO_ADDRESS = "has no e-mail address that can be used"
    BAD_NAME = "has a name that cannot be used"
    BAD_ROLE = "has a role whose name cannot be used"


COME: Final = frozenset({Fate.CAME, Fate.NO_PASSWORD, Fate.UNREADABLE})
"""What becomes of those who are here afterwards."""
