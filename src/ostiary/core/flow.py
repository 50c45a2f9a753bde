"""The flows in which a letter goes out and something of it comes back, as tables.

A letter is asked for about an address. What the address finds says what is written, and from outside every row is the
same, in its answer and in what it costs (`ASKED`):

| asked for         | nobody | not proved yet | proved | disabled |
|-------------------|--------|----------------|--------|----------|
| a new account     | LINK   | LINK           | NOTICE | NOTICE   |
| proof of it       | NOTHING| LINK           | NOTHING| NOTHING  |
| another password  | NOTHING| LINK           | LINK   | NOTHING  |
| it as one's own   | LINK   | NOTICE         | NOTICE | NOTICE   |
| an invitation     | LINK   | LINK           | NOTICE | NOTICE   |

What comes back, a link or a code, leads on by what the address finds then (`REDEEMED`). An account that has not proved
its address may be somebody else's who took it: whoever proves the address takes such an account over, and what opened
it until then, its password and its sessions, ends.

| came back for     | nobody | not proved yet | proved  | disabled |
|-------------------|--------|----------------|---------|----------|
| a new account     | MAKE   | TAKE_OVER      | VOID    | VOID     |
| proof of it       | VOID   | PROVE          | VOID    | VOID     |
| another password  | VOID   | RENEW          | RENEW   | VOID     |
| it as one's own   | MOVE   | VOID           | VOID    | VOID     |
| an invitation     | MAKE   | TAKE_OVER      | VOID    | VOID     |

Beside that, what concerns an account that is there already is void once that account is no longer in the state for
which the letter was written (`state`): another password, another address, another account.

A link shows who reads the mailbox, not who asked. So `PROVE`, `MOVE` and `MAKE` or `TAKE_OVER` for a new account also
want what only who asked has: the session of that account, or its password. Otherwise somebody could make an account
with another's address, and let them prove it unawares.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import Registration
from ostiary.core.user import Account, Credential, Identifier, User


class Flow(StrEnum):
    """What a letter is asked for."""

    REGISTER = "register"
    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"
    INVITE = "invite"

    @property
    def purpose(self) -> str:
        """Where what comes back can be redeemed, and nowhere else. Who proves an address need not say which flow."""
        return Flow.VERIFY.value if self is Flow.REGISTER else self.value

    @property
    def life(self) -> timedelta:
        """How long what comes back is good for."""
        return timedelta(days=7) if self is Flow.INVITE else timedelta(minutes=15)

    @property
    def has_code(self) -> bool:
        """Whether the letter has a code, too. Six digits are not enough for seven days."""
        return self is not Flow.INVITE


class Finds(StrEnum):
    """What an address finds."""

    NOBODY = "nobody"
    UNPROVED = "unproved"
    """An account that has not proved that the address is its user's."""
    PROVED = "proved"
    DISABLED = "disabled"


class Writes(StrEnum):
    """What is written to an address."""

    NOTHING = "nothing"
    NOTICE = "notice"
    """That there is an account already: its owner may have forgotten it, or should know that somebody tried."""
    LINK = "link"


class Leads(StrEnum):
    """Where a link or a code leads."""

    VOID = "void"
    MAKE = "make"
    TAKE_OVER = "take_over"
    PROVE = "prove"
    RENEW = "renew"
    MOVE = "move"


ASKED: Final[Mapping[Flow, Mapping[Finds, Writes]]] = MappingProxyType(
    {
        flow: dict(zip(Finds, row, strict=True))
        for flow, row in {
            Flow.REGISTER: (Writes.LINK, Writes.LINK, Writes.NOTICE, Writes.NOTICE),
            Flow.VERIFY: (Writes.NOTHING, Writes.LINK, Writes.NOTHING, Writes.NOTHING),
            Flow.RESET: (Writes.NOTHING, Writes.LINK, Writes.LINK, Writes.NOTHING),
            Flow.CHANGE: (Writes.LINK, Writes.NOTICE, Writes.NOTICE, Writes.NOTICE),
            Flow.INVITE: (Writes.LINK, Writes.LINK, Writes.NOTICE, Writes.NOTICE),
        }.items()
    }
)

REDEEMED: Final[Mapping[Flow, Mapping[Finds, Leads]]] = MappingProxyType(
    {
        flow: dict(zip(Finds, row, strict=True))
        for flow, row in {
            Flow.REGISTER: (Leads.MAKE, Leads.TAKE_OVER, Leads.VOID, Leads.VOID),
            Flow.VERIFY: (Leads.VOID, Leads.PROVE, Leads.VOID, Leads.VOID),
            Flow.RESET: (Leads.VOID, Leads.RENEW, Leads.RENEW, Leads.VOID),
            Flow.CHANGE: (Leads.MOVE, Leads.VOID, Leads.VOID, Leads.VOID),
            Flow.INVITE: (Leads.MAKE, Leads.TAKE_OVER, Leads.VOID, Leads.VOID),
        }.items()
    }
)


def finds(identifier: Identifier | None, user: User | None) -> Finds:
    """Say what an address finds, from what the store has of it."""
    if identifier is None or user is None:
        return Finds.NOBODY
    if user.disabled_at is not None:
        return Finds.DISABLED
    return Finds.UNPROVED if identifier.verified_at is None else Finds.PROVED


def unproved(account: Account, *, registration: Registration) -> Denied | None:
    """Say that somebody may not log in before they have proved their address, where that is asked of everybody."""
    must = registration is Registration.VERIFIED and account.email is not None and account.email.verified_at is None
    return Denied(Reason.EMAIL_NOT_VERIFIED) if must else None


def state(user_id: str, address: str, password: Credential | None) -> str:
    """Write down the state of an account for which a letter is good: whose it is, its address and its password."""
    proved_by = "" if password is None else f"{password.id} {password.version}"
    return f"{user_id} {address} {proved_by}"
