"""A session's record, its states, and the table of what a presented session token leads to.

What a refresh token with number `n` leads to, in this order:

| n is                          | then                                                                   | name    |
|-------------------------------|------------------------------------------------------------------------|---------|
| a dead session's              | refuse                                                                 | Dead    |
| `issued`, or one kept         | previous = accepted; accepted = n; issued = issued + 1; hand that out  | Advance |
| `accepted`, within the grace  | hand out `issued` again: the very same successor. It is kept           | Retry   |
| `accepted`, after the grace   | issued = issued + 1; hand that out; the older is dead, unless kept     | Reissue |
| `previous`, within the grace  | refuse, but do not revoke                                              | Late    |
| any other below `issued`      | a copy is in use: revoke the session, raise an alarm                   | Reused  |
| above `issued`                | refuse: the store was restored from an older backup                    | Unknown |

What is handed out twice is kept, because a Reissue may cross it on the way: of two tabs whose first answer was lost,
one asks just before the grace ends and one just after. The successors from `kept` to `issued` are good then, until
one of them comes back.

Counters decide, never timestamps. Time only chooses between the two mild answers and spares a late packet, so two
rotations within one second, a clock that jumps or a restart change nothing. A clock that went back counts as
"within": the milder answer never logs an honest client out.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import Policy

COMPARED: Final = ("accepted", "issued", "kept", "revision")
"""The fields that a store compares before it swaps: while none has changed, the session is in the state it was read."""


class Carrier(StrEnum):
    """How a client holds its session. A value made for one is never valid as the other."""

    COOKIE = "cookie"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a client said of itself at login, for the person who reads the list of devices. Never evidence."""

    name: str = ""
    user_agent: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The record of a login. It holds no secret: who reads the whole table can open nothing with it."""

    id: str
    """The `sid`: 16 random bytes as base64url, 22 characters."""
    user_id: str
    carrier: Carrier
    client_id: str
    device: Device = field(default_factory=Device)
    amr: tuple[str, ...]
    auth_time: datetime
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    tokens_until: datetime
    """When the last access token minted from this session dies by itself."""
    revision: int = 1
    accepted: int = 0
    issued: int = 1
    previous: int = 0
    kept: int = 0
    """The oldest successor of `accepted` that was handed out twice. It means nothing unless it is above `accepted`."""
    turned_at: datetime
    """When `accepted` or `issued` last changed."""
    revoked_at: datetime | None = None
    revoked_for: Reason | None = None


# ------------------------------------------------------------------------------------------------ states


def dead(session: Session, *, now: datetime, policy: Policy) -> Denied | None:
    """Say why a session is over, or `None` while it lives. Revoked comes before expired, and that before idle."""
    if session.revoked_at is not None:
        return Denied(Reason.REVOKED)
    if now >= ends_at(session, policy=policy):
        return Denied(Reason.EXPIRED)
    if now >= session.last_seen_at + policy.idle_life:
        return Denied(Reason.IDLE)
    return None


def ends_at(session: Session, *, policy: Policy) -> datetime:
    """Return when a session ends by itself, whatever its activity. A stricter policy ends the sessions it finds."""
    return min(session.expires_at, session.created_at + policy.session_life)


def token_end(session: Session, *, now: datetime, policy: Policy) -> datetime:
    """Return when an access token minted now dies by itself: a whole second, and never after its session."""
    return min(now + policy.access_life, ends_at(session, policy=policy)).replace(microsecond=0)


def minting(session: Session, *, now: datetime, policy: Policy) -> Session:
    """Return the session as it is once an access token was minted from it."""
    return replace(session, tokens_until=max(session.tokens_until, token_end(session, now=now, policy=policy)))


def risen(session: Session, *, amr: tuple[str, ...], auth_time: datetime) -> Session:
    """Return the session after a step-up: a new proof, and a new revision that kills whatever was cached or minted.

    A cookie gets a new number, and the old one is refused at once. A refresh token has its own way to change, which a
    lost answer does not break: `issued` is handed out once more.
    """
    raised = replace(
        session,
        amr=tuple(dict.fromkeys((*session.amr, *amr))),
        auth_time=auth_time,
        revision=session.revision + 1,
        last_seen_at=max(auth_time, session.last_seen_at),
    )
    if session.carrier is Carrier.COOKIE:
        return replace(raised, issued=session.issued + 1, turned_at=auth_time)
    return replace(raised, kept=_oldest_good(session))


def changed(session: Session) -> Session:
    """Return the session after what it may do has changed: carriers stay, what was minted before does not."""
    return replace(session, revision=session.revision + 1)


def revoked(session: Session, *, now: datetime, why: Reason = Reason.REVOKED) -> Session:
    """Return the session as it is once it was ended: no revision of it is good any more."""
    return replace(session, revision=session.revision + 1, revoked_at=now, revoked_for=why)


# ------------------------------------------------------------------------------------------------ answers


@dataclass(frozen=True, slots=True)
class Advance:
    """The normal turn: the successor is handed out and the session's counters move on."""

    session: Session


@dataclass(frozen=True, slots=True)
class Retry:
    """A second tab or a lost answer: the successor already handed out is handed out again."""

    session: Session


@dataclass(frozen=True, slots=True)
class Reissue:
    """A retry that comes late: a new successor is handed out, and the one before it is dead unless it is kept."""

    session: Session


@dataclass(frozen=True, slots=True)
class Dead:
    """The session is over."""

    why: Denied


@dataclass(frozen=True, slots=True)
class Late:
    """A packet that was overtaken. Refused, and nothing else."""


@dataclass(frozen=True, slots=True)
class Reused:
    """A copy is in use. The session as it is once revoked."""

    session: Session


@dataclass(frozen=True, slots=True)
class Unknown:
    """A number that was never handed out by this store."""


Answer = Advance | Retry | Reissue | Dead | Late | Reused | Unknown


def present(session: Session, n: int, *, now: datetime, policy: Policy) -> Answer:
    """Say what a presented refresh token leads to. A copied one ends the session.

    The answer carries the session as it is to be stored; nothing has happened until it is swapped in.
    """
    over = dead(session, now=now, policy=policy)
    within_grace = now <= session.turned_at + policy.grace
    if over is not None:
        return Dead(over)
    if _oldest_good(session) <= n <= session.issued:
        turned = replace(session, previous=session.accepted, accepted=n, issued=session.issued + 1)
        return Advance(_turned(turned, now))
    if n == session.accepted and within_grace:
        return Retry(replace(session, kept=_oldest_good(session)))
    if n == session.accepted:
        return Reissue(_turned(replace(session, issued=session.issued + 1), now))
    if n == session.previous and within_grace:
        return Late()
    if n < session.issued:
        return Reused(revoked(session, now=now, why=Reason.REUSED))
    return Unknown()


def carries(session: Session, n: int, *, now: datetime, policy: Policy) -> Denied | None:
    """Say why a cookie with number `n` is no longer good, or `None` when it is.

    A cookie's number grows only when the session may do more (login, step-up); an older number is refused at once.
    """
    over = dead(session, now=now, policy=policy)
    if over is not None:
        return over
    if n < session.issued:
        return Denied(Reason.SUPERSEDED)
    if n > session.issued:
        return Denied(Reason.UNKNOWN)
    return None


def _oldest_good(session: Session) -> int:
    return session.kept if session.kept > session.accepted else session.issued


def _turned(session: Session, now: datetime) -> Session:
    return replace(session, turned_at=now, last_seen_at=max(now, session.last_seen_at))
