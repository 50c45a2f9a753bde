"""Frozen audit records: what happened, to whom, by whom.

They hold no secret, no name, and no address of a page or a mail. The one personal thing in them is `ip`,
which is blanked when the account is deleted.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What happened. One word each, for ever: logs and alerts are built on them."""

    REGISTERED = "registered"
    ARRIVED = "arrived"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    STEPPED_UP = "stepped_up"
    TOKEN_REUSED = "token_reused"
    LOGGED_OUT = "logged_out"
    REVOKED = "revoked"
    DEVICE_RENAMED = "device_renamed"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_SET = "password_set"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    USER_RENAMED = "user_renamed"
    LANGUAGE_CHANGED = "language_changed"
    USER_DELETED = "user_deleted"
    LETTER_ASKED = "letter_asked"
    CODE_FAILED = "code_failed"
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_RESET = "password_reset"
    ACCOUNT_TAKEN_OVER = "account_taken_over"
    INVITED = "invited"
    ROLES_CHANGED = "roles_changed"
    ROLE_TABLE_CHANGED = "role_table_changed"
    KEY_ROTATED = "key_rotated"
    KEY_RETIRED = "key_retired"
    VERIFIER_ADDED = "verifier_added"
    VERIFIER_REMOVED = "verifier_removed"
    LETTER_GIVEN_UP = "letter_given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One audit record. `actor` is a user's id, `cli`, `settings`, or empty when nobody was known yet."""

    kind: Kind
    at: datetime
    user_id: str = ""
    session_id: str = ""
    actor: str = ""
    ip: str = ""
    detail: dict[str, str] = field(default_factory=dict[str, str])
