"""What a client may read of a refusal: one table, and the answer made from it (RFC 9457).

A client learns what it can do about it, and nothing else: every way in which a session can be over is one row, and so
is every way in which a password can fail. `code` is stable; `detail` is one sentence for a person.

| the refusal is met at                    | row                                                            |
|------------------------------------------|----------------------------------------------------------------|
| the guard (`CARRIER`)                    | as in the table                                                |
| a proof (`PROOF`): login, step-up, …     | a disabled user looks like a wrong password                    |
| a refresh (`GRANT`)                      | what would be `invalid_token` is `invalid_grant` (RFC 6749 5.2) |
"""

import dataclasses
import logging
import secrets
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from http import HTTPStatus

import msgspec

from ostiary.core.decision import Reason
from ostiary.core.mount import Mount
from ostiary.errors import Barred, Invalid, OstiaryError, Overloaded, Refused, Taken, Throttled, WeakPassword
from ostiary.languages import ENGLISH, Language
from ostiary.web import steps
from ostiary.web.http import Header, Response
from ostiary.web.steps import Step, StepOut, steps_out

log = logging.getLogger("ostiary.web")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 1
"""Seconds, where nothing better is known. A store that hiccups is back within the lease."""

SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer of ours, whatever it is."""


class Place(Enum):
    """Where a refusal is met."""

    CARRIER = "carrier"
    PROOF = "proof"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the status, the stable code, and one sentence for a person."""

    status: int
    code: str
    sentence: str
    next: tuple[Step, ...] = ()
    """What the client can do about it."""


_NO_CARRIER = Row(401, "unauthenticated", "Sign in first.", (steps.LOGIN,))
_PROVE_ANEW = Row(
    401,
    "insufficient_user_authentication",
    "This needs a more recent or a stronger sign-in. Prove yourself again.",
    (steps.STEP_UP,),
)
_OVER = Row(401, "invalid_token", "This session is over. Sign in again.", (steps.LOGIN,))
INVALID_GRANT = Row(401, "invalid_grant", "This refresh token is no longer good. Sign in again.", (steps.LOGIN,))
_AMBIGUOUS = Row(400, "invalid_request", "The request carries more than one session.")
_NO_VERIFIER = Row(401, "verifier_required", "Send a verifier's key: `Authorization: Bearer osv1...`.")
_UNKNOWN_VERIFIER = Row(401, "invalid_verifier", "This is not the key of a verifier, or that was removed.")
_BAD_CREDENTIALS = Row(401, "bad_credentials", "The address and the password do not go together.")

TABLE: dict[Reason, Row] = {
    Reason.NO_CARRIER: _NO_CARRIER,
    Reason.AMBIGUOUS: _AMBIGUOUS,
    Reason.MALFORMED: _OVER,
    Reason.WRONG_CARRIER: _OVER,
    Reason.BAD_SIGNATURE: _OVER,
    Reason.UNKNOWN_KEY: _OVER,
    Reason.BAD_CLAIMS: _OVER,
    Reason.WRONG_ISSUER: _OVER,
    Reason.WRONG_AUDIENCE: _OVER,
    Reason.NOT_YET_VALID: _OVER,
    Reason.EXPIRED: _OVER,
    Reason.IDLE: _OVER,
    Reason.REVOKED: _OVER,
    Reason.SUPERSEDED: _OVER,
    Reason.LATE: _OVER,
    Reason.REUSED: _OVER,
    Reason.UNKNOWN: _OVER,
    Reason.NO_SESSION: _OVER,
    Reason.USER_DISABLED: _OVER,
    Reason.BAD_CREDENTIALS: _BAD_CREDENTIALS,
    Reason.WRONG_USER: _BAD_CREDENTIALS,
    Reason.THROTTLED: Row(429, "too_many_requests", "Too many tries. Wait a little."),
    Reason.NOT_FRESH: _PROVE_ANEW,
    Reason.NOT_STRONG: _PROVE_ANEW,
    Reason.FORBIDDEN: Row(403, "insufficient_scope", "You may not do this."),
    Reason.VOID: Row(422, "void", "This link or code is no longer good, or never was. Ask for another letter."),
    Reason.EMAIL_NOT_VERIFIED: Row(
        403,
        "email_not_verified",
        "Prove your e-mail address first: open the link in our letter, or type its code.",
        (steps.VERIFY_EMAIL, steps.SEND_VERIFICATION),
    ),
    Reason.PASSWORD_NEEDED: Row(
        403,
        "password_needed",
        "Show that this account is yours: sign in to it, or send its password as well.",
        (steps.LOGIN,),
    ),
    Reason.REGISTRATION_CLOSED: Row(
        403, "registration_closed", "Accounts are by invitation here.", (steps.ACCEPT_INVITATION,)
    ),
    Reason.MAIL_NOT_CONFIGURED: Row(
        403, "mail_not_configured", "This service sends no mail. Ask who runs it: they can do this for you."
    ),
    Reason.CROSS_SITE: Row(
        403, "cross_site", "This request came from another site, or did not show the session's token."
    ),
    Reason.NO_VERIFIER: _NO_VERIFIER,
    Reason.UNKNOWN_VERIFIER: _UNKNOWN_VERIFIER,
    Reason.UNAVAILABLE: Row(503, "unavailable", "Nobody can say now. Try again in a moment."),
    Reason.OVERLOADED: Row(503, "overloaded", "Too much is going on. Try again in a moment."),
}

MALFORMED = Row(400, "malformed", "The body is not a JSON object in UTF-8.")
INVALID_QUERY = Row(400, "invalid_query", "The query of this address cannot be used.")
INVALID_EVENT_ID = Row(
    400,
    "invalid_event_id",
    "Send `Last-Event-ID: <incarnation>:<seq>` once, as the last event had it; after a snapshot, with what that says.",
)
COOKIE_REQUIRED = Row(403, "cookie_required", "Only a session that is held by a cookie can do this, with that cookie.")
NOT_FOUND = Row(404, "not_found", "There is nothing here.")
METHOD_NOT_ALLOWED = Row(405, "method_not_allowed", "This address does not take this method.")
TAKEN = Row(409, "taken", "It belongs to somebody already.", (steps.LOGIN, steps.FORGOT_PASSWORD))
TOO_LARGE = Row(413, "too_large", "The body is too large.")
UNSUPPORTED_MEDIA_TYPE = Row(415, "unsupported_media_type", "Send application/json.")
INVALID = Row(422, "invalid", "Something that was sent cannot be used.")
WEAK_PASSWORD = Row(422, "weak_password", "This password will not do.")
INTERNAL_ERROR = Row(500, "internal_error", "Something went wrong here. It is on record.")

OTHERS = (
    MALFORMED,
    INVALID_QUERY,
    INVALID_EVENT_ID,
    COOKIE_REQUIRED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TAKEN,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    WEAK_PASSWORD,
    INTERNAL_ERROR,
)
"""The rows that no `Reason` leads to: the request itself is wrong, or we are."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, in a sentence that is translated when it is said, and the values in it."""

    field: str
    message: str
    values: Mapping[str, object] = dataclasses.field(default_factory=dict[str, object])

    def said(self, language: Language) -> str:
        """Return the sentence in a language."""
        return language.text(self.message, **self.values)


class FieldErrorOut(msgspec.Struct, frozen=True):
    """What is wrong with one field, as a client reads it."""

    field: str
    detail: str


class ProblemOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Problem details (RFC 9457). `code` is stable, `errors` names fields, `id` finds an internal error in the log.

    `next` are the steps that lead on from here, if there are any: any one of them.

    `title` is the phrase of the status line; `detail` is in the language that the client asks for.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[FieldErrorOut, ...] = ()
    next: tuple[StepOut, ...] = ()
    id: str = ""


class Problem(Exception):
    """A request that cannot be answered as asked."""

    def __init__(
        self,
        row: Row,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[Header, ...] = (),
        then: tuple[Step, ...] = (),
        id: str = "",  # noqa: A002 - the member's name in the answer
    ) -> None:
        super().__init__(row.code)
        self.next = then or row.next
        self.row = row
        self.errors = errors
        self.headers = headers
        self.id = id

    def response(self, mount: Mount = Mount(), language: Language = ENGLISH) -> Response:  # noqa: B008 - frozen
        """Return the answer, in a language, of a service whose routes are there. Its body can be shown to anybody."""
        row = self.row
        body = msgspec.json.encode(
            ProblemOut(
                type="about:blank",
                title=HTTPStatus(row.status).phrase,
                status=row.status,
                code=row.code,
                detail=language.text(row.sentence),
                errors=tuple(FieldErrorOut(error.field, error.said(language)) for error in self.errors),
                next=steps_out(self.next, mount),
                id=self.id,
            )
        )
        return Response(
            status=row.status,
            headers=(
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-language", language.tag.encode()),
                (b"cache-control", b"no-store"),
                *SECURITY_HEADERS,
                *self.headers,
            ),
            body=body,
        )


def of(error: OstiaryError, *, at: Place | None = None, again: tuple[Step, ...] = ()) -> Problem:
    """Say what a client may read of an error. Without a place, what was not barred by the guard is met at a proof.

    `again` is where another letter is asked for, if that is what is wrong.
    """
    match error:
        case Throttled(retry_after=seconds):
            return Problem(TABLE[Reason.THROTTLED], headers=(_retry_after(seconds),))
        case Barred(reason=reason, within=within, aal=aal):
            return refusal(reason, at=at or Place.CARRIER, within=within, aal=aal)
        case Refused(reason=Reason.VOID):
            return Problem(TABLE[Reason.VOID], then=again)
        case Refused(reason=reason):
            return refusal(reason, at=at or Place.PROOF)
        case Overloaded(retry_after=seconds):
            return Problem(TABLE[Reason.OVERLOADED], headers=(_retry_after(seconds),))
        case Taken():
            return Problem(TAKEN, errors=_blame(error))
        case WeakPassword():
            return Problem(WEAK_PASSWORD, errors=_blame(error))
        case Invalid():
            return Problem(INVALID, errors=_blame(error))
        case _:
            return refusal(Reason.UNAVAILABLE)


def refusal(
    reason: Reason, *, at: Place = Place.CARRIER, within: timedelta | None = None, aal: int | None = None
) -> Problem:
    """Say what a client may read of a reason, with the challenge and the patience that belong to it."""
    row = TABLE[reason]
    if at is Place.PROOF and reason is Reason.USER_DISABLED:
        row = _BAD_CREDENTIALS
    if at is Place.GRANT and row is _OVER:
        row = INVALID_GRANT
    headers: tuple[Header, ...] = ()
    if row.status in (400, 401) or reason is Reason.FORBIDDEN:
        headers = ((b"www-authenticate", _challenge(row, within, aal).encode()),)
    if row.status in (429, 503):
        headers = (_retry_after(RETRY_AFTER),)
    return Problem(row, headers=headers)


def on_record(error: Exception, where: str) -> Problem:
    """Put an error that nobody expected on record, under a number that the client is told.

    The record says where, not what with: the text of an exception may hold what a user has typed.
    """
    number = secrets.token_hex(8)
    frames: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(frames) < 10:
        at = "".join(traceback.format_tb(cause.__traceback__))
        frames.append(f"{type(cause).__module__}.{type(cause).__qualname__}\n{at}")
        cause = cause.__cause__ or cause.__context__
    log.error("%s failed (%s): %s", where, number, "from ".join(frames))
    return Problem(INTERNAL_ERROR, id=number)


def _blame(error: Invalid) -> tuple[FieldError, ...]:
    return (FieldError(error.field, error.message, error.values),)


_SAID_IN_CHALLENGE = frozenset(
    {"invalid_token", "invalid_request", "insufficient_scope", "insufficient_user_authentication"}
)
_SAID_OTHERWISE = {"invalid_verifier": "invalid_token"}


def _challenge(row: Row, within: timedelta | None, aal: int | None) -> str:
    """Return the challenge of RFC 6750 section 3 (and RFC 9470). Who has shown no token is told of no error."""
    parts = ['realm="ostiary"']
    error = _SAID_OTHERWISE.get(row.code, row.code)
    if error in _SAID_IN_CHALLENGE:
        parts += [f'error="{error}"', f'error_description="{row.sentence}"']
    if within is not None:
        parts.append(f'max_age="{int(within.total_seconds())}"')
    if aal is not None:
        parts.append(f'acr_values="aal{aal}"')
    return "Bearer " + ", ".join(parts)


def _retry_after(seconds: int) -> Header:
    return b"retry-after", str(max(1, seconds)).encode()
