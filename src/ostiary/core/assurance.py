"""Proofs, and whether one is strong and recent enough (NIST SP 800-63B-4, RFC 8176, RFC 9470)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ostiary.core.decision import Denied, Reason
from ostiary.core.user import Credential, User

_FACTOR = {
    "pwd": "know",
    "pin": "know",
    "otp": "have",
    "hwk": "have",
    "swk": "have",
    "sms": "have",
    "fpt": "are",
    "face": "are",
}
"""What kind of factor each `amr` value stands for. A link sent by e-mail is none (800-63B 3.1.3.1)."""


RECENT = timedelta(minutes=5)
"""How old a proof may be for what cannot be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """This user proved themself thus, now. Only a method makes one; only `login` and `step_up` take one.

    `credential_id` and `credential_version` name what was proved with, so that a credential changed between the proof
    and the login lets nobody in.
    """

    user_id: str
    amr: tuple[str, ...]
    at: datetime
    credential_id: str
    credential_version: int
    taken: tuple[str, ...] = ()
    """The throttle counters that this proof used up. A login gives them back."""


def outdated(proof: Proof, *, user: User | None, credential: Credential | None) -> Denied | None:
    """Say why a proof is worth nothing any more, or `None`: the user is gone or disabled, or the credential changed."""
    if user is None or credential is None or credential.user_id != proof.user_id:
        return Denied(Reason.BAD_CREDENTIALS)
    if credential.version != proof.credential_version:
        return Denied(Reason.BAD_CREDENTIALS)
    return Denied(Reason.USER_DISABLED) if user.disabled_at is not None else None


def aal(amr: tuple[str, ...]) -> int:
    """Return the assurance level that a set of methods reaches: 1, or 2 for two kinds of factor or `mfa`."""
    kinds = {_FACTOR[method] for method in amr if method in _FACTOR}
    return 2 if len(kinds) > 1 or "mfa" in amr else 1


def acr(amr: tuple[str, ...]) -> str:
    """Return the `acr` value of a session, `aal1` or `aal2`."""
    return f"aal{aal(amr)}"


def strong(amr: tuple[str, ...], *, least: int) -> Denied | None:
    """Say that a set of methods does not reach an assurance level."""
    return None if aal(amr) >= least else Denied(Reason.NOT_STRONG)


def fresh(auth_time: datetime, *, now: datetime, within: timedelta) -> Denied | None:
    """Say that a proof is too old for what is asked, or `None`. A proof from the future is not fresh either."""
    age = now - auth_time
    return None if -timedelta(minutes=1) <= age <= within else Denied(Reason.NOT_FRESH)


def claimed(auth_time: datetime, *, now: datetime, leeway: timedelta) -> datetime:
    """Return when a token says that its user proved themself: never in the future, which would be refused.

    A clock that was ahead at the login leaves such a session. Nobody knows how old its proof is, so it is fresh for
    nobody: it is from the beginning of time.
    """
    return auth_time if auth_time <= now + leeway else datetime.fromtimestamp(0, UTC)
