"""Letters: what is said to a person by mail, before it is put into words.

| about           | goes to                                    | values                                               |
|-----------------|--------------------------------------------|------------------------------------------------------|
| VERIFY_EMAIL    | an address, to prove that it is theirs     | `link`, `code`, `life`                               |
| RESET_PASSWORD  | who forgot a password                      | `link`, `code`, `life`                               |
| CHANGE_EMAIL    | the new address, to prove it               | `link`, `code`, `life`                               |
| INVITATION      | who may make an account                    | `link`, `life`                                       |
| ACCOUNT_EXISTS  | an address that somebody registered anew   |                                                      |
| NO_ACCOUNT      | an unknown address that asked for a reset  |                                                      |
| NEW_DEVICE      | the user                                   | `device`, `ip`                                       |
| PASSWORD_CHANGED| the user                                   |                                                      |
| EMAIL_CHANGED   | the old address                            |                                                      |
| TOKEN_REUSED    | the user                                   | `device`                                             |

`link` is a whole URL, `code` the digits to type, `life` how many seconds both are good for, `device` and `ip` as in
`core.session.Device`. Every letter has `site`, our issuer, which whoever writes it need not say. What is missing is
left out of the text. What is not in this table is not said at all, least of all a name: it may be a stranger's words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class About(StrEnum):
    """What a letter is about. One template each."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a word, not a password
    CHANGE_EMAIL = "change_email"
    INVITATION = "invitation"
    ACCOUNT_EXISTS = "account_exists"
    NO_ACCOUNT = "no_account"
    NEW_DEVICE = "new_device"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - same
    EMAIL_CHANGED = "email_changed"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - same


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter. Its values may open an account, so it is sealed wherever it is kept, and never shown."""

    id: str
    to: str = field(repr=False)
    about: About
    language: str
    """The tag of the language it is written in, as in `User.language`. Empty is English."""
    values: Mapping[str, str] = field(repr=False)
    created_at: datetime
    user_id: str = ""
    """Whose account it is about, for the audit record. Empty when it is nobody's yet."""


_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(hours=1)
_GIVEN_UP_AFTER = timedelta(days=3)


def next_try(*, written_at: datetime, tries: int, now: datetime) -> datetime | None:
    """Say when a letter that could not be sent is tried again, or `None`: never.

    The pause after the first try is a second. Each is twice the one before it, up to an hour, for three days.
    """
    pause = min(_FIRST_PAUSE * 2 ** min(tries - 1, 20), _LONGEST_PAUSE)
    at = now + pause
    return at if at <= written_at + _GIVEN_UP_AFTER else None
