"""What comes in and what goes out, as types. One place turns records into answers.

What comes in is refused when a member is unknown, missing, doubled, of another type or too long, so that nothing that a
client sends can reach a record which it was not asked for.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from ostiary.auth import Issued
from ostiary.core.assurance import acr
from ostiary.core.events import Event, Kind
from ostiary.core.session import Carrier, Session
from ostiary.core.user import Account
from ostiary.languages import mark
from ostiary.web import problem
from ostiary.web.device import LONGEST_NAME
from ostiary.web.problem import FieldError, Problem

B = TypeVar("B", bound=msgspec.Struct)

Email = Annotated[str, msgspec.Meta(min_length=1, max_length=512, examples=["ada@example.com"])]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, examples=["a lantern in the harbour"])]
"""As long as four times the longest password: what is too long for the policy is told by the policy."""
PersonName = Annotated[str, msgspec.Meta(max_length=800, examples=["Ada Lovelace"])]
DeviceName = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME, examples=["Ada's phone"])]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


# ------------------------------------------------------------------------------------------------ in


class In(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body: flat, every member known. What it holds may be secret, so its text is its name."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class RegisterIn(In):
    """A new account. With a `carrier` its user is logged in at once."""

    email: Email
    password: Password
    name: PersonName = ""
    carrier: Carrier | None = None


class LoginIn(In):
    """A login by password. `device` is what the list of sessions shall call it."""

    email: Email
    password: Password
    carrier: Carrier
    device: DeviceName | None = None


class StepUpIn(In):
    """A new proof for the caller's own session."""

    password: Password


class RefreshIn(In):
    """A refresh token, to be exchanged for its successor."""

    refresh_token: Token


class RenameIn(In):
    """Another name for a device."""

    name: DeviceName


class AccountIn(In):
    """What shall be different about the caller's account."""

    name: PersonName


class DeleteAccountIn(In):
    """The password, once more: what is deleted is gone for ever."""

    password: Password


class ChangePasswordIn(In):
    """The password as it is, and as it shall be."""

    current: Password
    new: Password


# ------------------------------------------------------------------------------------------------ out


class _SecretOut(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that holds a secret, so its text is its name."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class UserOut(msgspec.Struct, frozen=True, kw_only=True):
    """An account, as its own user sees it."""

    id: str
    email: str | None
    name: str
    roles: tuple[str, ...]
    created_at: datetime


class SessionOut(msgspec.Struct, frozen=True, kw_only=True):
    """A login, as its own user sees it. `current` tells whether it is the one that asks."""

    id: str
    carrier: Carrier
    device: str
    ip: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str
    current: bool


class SessionsOut(msgspec.Struct, frozen=True, kw_only=True):
    """All live sessions of the caller's user, the oldest first."""

    sessions: tuple[SessionOut, ...]


class EndedOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many sessions were ended."""

    ended: int


class RegisteredOut(msgspec.Struct, frozen=True, kw_only=True):
    """A new account that nobody is logged in to."""

    user: UserOut


class CallerOut(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, and through which session."""

    user: UserOut
    session: SessionOut


class CookieOut(_SecretOut, frozen=True, kw_only=True):
    """A session that a cookie carries. What is no browser sends `csrf_token` back as `X-CSRF-Token`."""

    user: UserOut
    session: SessionOut
    csrf_token: str


class BearerOut(_SecretOut, frozen=True, kw_only=True):
    """A session that tokens carry (RFC 6749 section 5.1). Lives are in seconds."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the type's name, no secret
    expires_in: int
    refresh_token: str
    user: UserOut
    session: SessionOut


class TokenOut(_SecretOut, frozen=True, kw_only=True):
    """A short access token for a session that a cookie carries."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the type's name, no secret
    expires_in: int


class EventOut(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an account. `own` tells whether its user did it."""

    kind: Kind
    at: datetime
    ip: str
    session: str
    own: bool


class ActivityOut(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the caller's account last, the newest first."""

    events: tuple[EventOut, ...]


class StatusOut(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or `ready`."""

    status: str


def user_out(account: Account) -> UserOut:
    """Return what a user sees of their account."""
    user, email = account.user, account.email
    return UserOut(
        id=user.id,
        email=email.typed if email is not None else None,
        name=user.name,
        roles=user.roles,
        created_at=user.created_at,
    )


def session_out(session: Session, *, current: str) -> SessionOut:
    """Return what a user sees of one of their sessions."""
    return SessionOut(
        id=session.id,
        carrier=session.carrier,
        device=session.device.name,
        ip=session.device.ip,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        auth_time=session.auth_time,
        amr=session.amr,
        acr=acr(session.amr),
        current=session.id == current,
    )


def sessions_out(sessions: Sequence[Session], *, current: str) -> SessionsOut:
    """Return what a user sees of their sessions."""
    return SessionsOut(sessions=tuple(session_out(session, current=current) for session in sessions))


def activity_out(events: Sequence[Event]) -> ActivityOut:
    """Return what a user sees of what happened to their account. Who else did it is not theirs to know."""
    return ActivityOut(
        events=tuple(
            EventOut(
                kind=event.kind, at=event.at, ip=event.ip, session=event.session_id, own=event.actor == event.user_id
            )
            for event in events
        )
    )


def issued_out(issued: Issued) -> CookieOut | BearerOut:
    """Return what a login answers: to a browser no token at all, to a bearer its tokens."""
    user, session = user_out(issued.account), session_out(issued.session, current=issued.session.id)
    if issued.session.carrier is Carrier.COOKIE:
        return CookieOut(user=user, session=session, csrf_token=issued.csrf_token)
    return BearerOut(
        access_token=issued.access_token or "",
        expires_in=issued.expires_in,
        refresh_token=issued.session_token,
        user=user,
        session=session,
    )


# ------------------------------------------------------------------------------------------------ reading

_NAMED = re.compile(r"(?P<why>.+?)(?: - at `\$\.(?P<at>[^`]+)`)?", re.DOTALL)
_ABOUT = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)


def read(raw: bytes, kind: type[B]) -> B:
    """Read a body.

    Raises:
        Problem: it is no JSON object (400), or a member of it cannot be used (422): the problem names it.
    """
    try:
        body = msgspec.json.decode(raw, type=kind)
        members = json.loads(raw, object_pairs_hook=_each_once)
    except msgspec.ValidationError as error:
        raise Problem(problem.INVALID, errors=_blame(str(error))) from None
    except (ValueError, RecursionError):  # every other DecodeError, and bytes that are no UTF-8
        raise Problem(problem.MALFORMED) from None
    for name, value in members.items():
        if isinstance(value, str) and not _can_be_written(value):
            raise Problem(problem.INVALID, errors=(FieldError(name, "This text has a character that cannot be used."),))
    return body


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        name = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise Problem(problem.INVALID, errors=(FieldError(name[:64], "This stands here more than once."),))
    return members


def _can_be_written(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _blame(message: str) -> tuple[FieldError, ...]:
    """Make what `msgspec` says of the first wrong member into what a client reads."""
    about = _ABOUT.fullmatch(message)
    if about is not None:
        is_unknown = about["what"] == "contains unknown"
        why = mark("This is not known here.") if is_unknown else mark("This is missing.")
        return (FieldError(about["name"][:64], why),)
    named = _NAMED.fullmatch(message)
    if named is None or named["at"] is None:
        return ()
    why = named["why"].replace("`", "") + "."
    if why.startswith("Invalid enum value"):  # it goes on with what was sent, which nobody needs to hear again
        why = mark("This is none of the values that are known.")
    return (FieldError(named["at"][:64], why),)
