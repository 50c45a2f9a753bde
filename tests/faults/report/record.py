"""What was asked and what was answered, with the times at which the one who asked sent it and heard of it.

Times are seconds of this machine's monotonic clock. A judge needs nothing else.
"""

from dataclasses import dataclass, field
from enum import Enum, auto


class Deed(Enum):
    """What was asked for."""

    LOGIN = auto()
    REFRESH = auto()
    MINT = auto()
    """A cookie's session gives an access token."""
    CHECK = auto()
    """Is this session let in? From the memory of whoever is asked."""
    LOGOUT = auto()
    """By the session itself, or by somebody who may end it."""
    LOGOUT_EVERYWHERE = auto()
    """Every session of the user."""
    ROLES = auto()
    """The user's roles become others."""
    ROLL_CALL = auto()
    """An honest client shows that it is still in, to a worker that looks into the store."""
    AUDIT = auto()
    """A look into the store, when a fault is over: what is kept of a session."""


ENDS = (Deed.LOGOUT, Deed.LOGOUT_EVERYWHERE)


class Outcome(Enum):
    """What came back."""

    YES = auto()
    NO = auto()
    """Refused: this session, or this token, is not good."""
    UNSURE = auto()
    """Nobody can say now: 429, 503."""
    FAILED = auto()
    """An answer that may never be given, such as 500."""
    LOST = auto()
    """No answer came. It may have been done or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the store says of a session and its user."""

    is_there: bool
    is_over: bool = False
    issued: int = 0
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that was asked for, and its answer."""

    deed: Deed
    outcome: Outcome
    sent: float
    answered: float
    node: str
    """Who was asked: `server`, `verifier-1`, `store`."""
    user: str
    session: str = ""
    minted: float | None = None
    """When the access token that was shown had come. A cookie shows none."""
    number: int = 0
    """The number of the refresh token that came."""
    roles: tuple[str, ...] = ()
    """The roles that were given."""
    kept: Kept | None = None


@dataclass(slots=True)
class Record:
    """Everything that happened, in the order in which it was heard of."""

    operations: list[Operation] = field(default_factory=list)

    def add(self, operation: Operation) -> Operation:
        """Write down one more."""
        self.operations.append(operation)
        return operation
