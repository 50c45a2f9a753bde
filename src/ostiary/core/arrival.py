"""Accounts that come from elsewhere: what is known of one, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
    CAME_WITHOUT_PASSWORD = "came without a password: it has none, or one whose hash cannot be read"  # noqa: S105
    WAS_HERE = "was here already, and is as it was"
    NO_ADDRESS = "has no e-mail address that can be used"
    BAD_NAME = "has a name that cannot be used"
    BAD_ROLE = "has a role whose name cannot be used"
