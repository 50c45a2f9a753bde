"""The refusal, and the closed set of reasons for it.

A reason is for the log, the audit record and the tests. What a client may read of it is decided in one table,
`ostiary.web.problem`, so that several reasons can look alike from outside.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused. Each has one row in the table of problems."""

    # no carrier, or one that cannot be read
    NO_CARRIER = "no_carrier"
    AMBIGUOUS = "ambiguous"
    MALFORMED = "malformed"
    WRONG_CARRIER = "wrong_carrier"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    BAD_CLAIMS = "bad_claims"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    NOT_YET_VALID = "not_yet_valid"

    # a session that is no longer good
    EXPIRED = "expired"
    IDLE = "idle"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    LATE = "late"
    REUSED = "reused"
    UNKNOWN = "unknown"
    NO_SESSION = "no_session"

    # a person who is not let in
    BAD_CREDENTIALS = "bad_credentials"
    USER_DISABLED = "user_disabled"
    WRONG_USER = "wrong_user"
    THROTTLED = "throttled"
    NOT_FRESH = "not_fresh"
    NOT_STRONG = "not_strong"
    FORBIDDEN = "forbidden"

    # a request that may not have been meant
    CROSS_SITE = "cross_site"

    # a service that may not follow the feed
    NO_VERIFIER = "no_verifier"
    UNKNOWN_VERIFIER = "unknown_verifier"

    # nobody can say now
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal. It is falsy, so that a forgotten look at the answer never reads as consent."""

    reason: Reason

    def __bool__(self) -> bool:
        return False
