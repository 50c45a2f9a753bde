"""What a client receives: made from the session and the keys, and stored nowhere."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from ostiary.core.assurance import acr, claimed
from ostiary.core.base64url import encode_base64url
from ostiary.core.keys import Keyring, Purpose
from ostiary.core.policy import Policy
from ostiary.core.session import Carrier, Session, token_end
from ostiary.core.token import AccessToken, TooLarge, make_csrf_token, make_device_token, make_session_token, mint
from ostiary.core.user import Account, User
from ostiary.errors import Misconfigured, Unavailable
from ostiary.ports import Entropy

CLIENT_ID = "ostiary"
"""The `client_id` of whoever logs in here directly (RFC 9068 section 2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """An access token, and how many seconds it lives."""

    access_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a client receives: its session, and the secrets that carry it."""

    session: Session
    account: Account
    session_token: str = field(repr=False)
    """The cookie's value, or the refresh token."""
    minted: Minted | None = None
    """An access token, for a session that tokens carry."""
    csrf_token: str = field(default="", repr=False)
    """For a session that a cookie carries."""
    device_token: str = field(default="", repr=False)
    """After a login: what this device shows at the next one, to be throttled by itself. It opens nothing."""

    @property
    def access_token(self) -> str | None:
        """The access token, if there is one."""
        return None if self.minted is None else self.minted.access_token

    @property
    def expires_in(self) -> int:
        """How many seconds the access token lives."""
        return 0 if self.minted is None else self.minted.expires_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Makes the secrets that carry a session."""

    issuer: str
    audience: str
    policy: Policy
    entropy: Entropy

    def issue(self, keyring: Keyring, session: Session, account: Account, now: datetime) -> Issued:
        """Make what the client holds. Nothing is stored: every value follows from the session and the keys.

        Raises:
            Unavailable: no key may sign yet.
            Misconfigured: as `mint`.
        """
        is_bearer = session.carrier is Carrier.BEARER
        with _having_keys():
            key, csrf = keyring.mac(Purpose.SESSION, now=now), keyring.mac(Purpose.CSRF, now=now)
        return Issued(
            session=session,
            account=account,
            session_token=make_session_token(session.carrier, session.id, session.issued, key=key),
            minted=self.mint(keyring, session, account.user, now) if is_bearer else None,
            csrf_token="" if is_bearer else make_csrf_token(session.id, key=csrf),
        )

    def device_token(self, keyring: Keyring, account: Account, now: datetime, *, before: str) -> str:
        """Make what the device of a login is known by from now on. `before` is what it was known by until now.

        Raises:
            Unavailable: no key may sign yet.
        """
        if account.email is None:
            return before
        nonce = encode_base64url(self.entropy.bytes(16))
        with _having_keys():
            return make_device_token(account.email.value, nonce=nonce, before=before, keyring=keyring, now=now)

    def mint(self, keyring: Keyring, session: Session, user: User, now: datetime) -> Minted:
        """Make an access token.

        Raises:
            Unavailable: no key may sign yet.
            Misconfigured: it would be over its budget of bytes; the message names the claim that is to blame.
        """
        issued_at = int(now.timestamp())
        proved_at = claimed(session.auth_time, now=now, leeway=self.policy.leeway)
        end = int(token_end(session, now=now, policy=self.policy).timestamp())
        token = AccessToken(
            iss=self.issuer,
            sub=user.id,
            aud=self.audience,
            client_id=session.client_id,
            iat=issued_at,
            exp=end,
            jti=encode_base64url(self.entropy.bytes(12)),
            sid=session.id,
            rev=session.revision,
            auth_time=int(proved_at.timestamp()),
            acr=acr(session.amr),
            amr=session.amr,
            roles=user.roles,
        )
        with _having_keys():
            signer = keyring.signer(now=now)
        minted = mint(token, key=signer, policy=self.policy)
        if isinstance(minted, TooLarge):
            raise Misconfigured(
                f"the access token of user {user.id} has {minted.size} bytes, over its budget of {minted.budget}; "
                f"the claim {minted.claim!r} is too large"
            )
        return Minted(access_token=minted, expires_in=end - issued_at)


@contextmanager
def _having_keys() -> Generator[None]:
    """Refuse for now where no key may sign yet: this machine's clock is behind the making of the first one.

    What such a clock signed would be over before anybody reads it.
    """
    try:
        yield
    except LookupError as none:
        raise Unavailable(f"{none}: the clock of this machine is behind the making of the first key") from None
