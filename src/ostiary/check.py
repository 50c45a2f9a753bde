"""What the guard decides from memory alone. It asks nobody and waits for nothing, so every door shares it.

`check` answers in this order:

1. find the carrier; `Authorization: Bearer` wins over the cookie, and both naming different sessions is refused;
2. look up the BLAKE2b digest of the carrier among those already verified (no secret is a key of a table);
3. expiry, then the session's floor, then the lease; for a cookie on an unsafe method, whether the request was meant;
4. the `Principal`. On a miss an access token is verified and remembered; a cookie's MAC is checked, so that garbage
   never reaches the store, and the answer is `Unsure`: then the guard asks the store.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

from ostiary.core.access import Principal, Roles
from ostiary.core.assurance import acr
from ostiary.core.decision import Denied, Reason
from ostiary.core.floor import NONE_IS_GOOD, Floors
from ostiary.core.keys import Keyring
from ostiary.core.policy import Policy
from ostiary.core.session import Carrier, Session, carries, ends_at
from ostiary.core.site import CSRF_HEADER, SAFE_METHODS, Meant, Site, meant
from ostiary.core.token import (
    AccessToken,
    SessionToken,
    is_csrf_token,
    looks_like_session_token,
    read_session_token,
    reading_access_tokens,
    sid_named_by,
)
from ostiary.core.user import User
from ostiary.ports import Clock

Headers = Iterable[tuple[bytes, bytes]]
"""Pairs of a lower-case name and a value, as ASGI gives them."""

K = TypeVar("K")
V = TypeVar("V")

_CSRF_HEADER = CSRF_HEADER.lower().encode()
_CROSS_SITE_HEADERS = frozenset({b"sec-fetch-site", b"origin", _CSRF_HEADER})
HEADERS_READ = (b"authorization", b"cookie", *sorted(_CROSS_SITE_HEADERS))
"""All that a check looks at. Who would have to turn each header into bytes need turn no others."""
_FOREVER = float("inf")
_BEARER = Carrier.BEARER


@dataclass(frozen=True, slots=True)
class Unsure:
    """Memory cannot say. `ask` asks the store; until then this is not a yes.

    It holds the genuine cookie that the store must speak of, or nothing when the lease has run out.
    """

    token: SessionToken | None
    digest: bytes

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Asked:
    """What the store said of a session, and when it was asked."""

    session: Session | None
    user: User | None
    asked_at: float


class _Entry(msgspec.Struct, gc=False):
    """A carrier already verified. It is good until `expires` (wall), and believed until `believed_until` (elapsed)."""

    principal: Principal
    sid: str
    revision: int
    is_cookie: bool
    expires: float
    believed_until: float
    seen_at: float


class Check:
    """Everything that one process knows of carriers."""

    def __init__(
        self,
        *,
        floors: Floors,
        site: Site,
        audience: str,
        policy: Policy,
        clock: Clock,
        remember: int = 200_000,
    ) -> None:
        self._floors = floors
        self._site = site
        self._audience = audience
        self._policy = policy
        self._verified: _Recent[bytes, _Entry] = _Recent(remember)
        self._permissions: dict[tuple[str, ...], frozenset[str]] = {}
        self.equip(keyring=Keyring(macs=(), signatures=()), roles=Roles.of({}))
        self._clock = clock
        self._elapsed = clock.elapsed
        self._cookie = re.compile(rb"(?:^|;)[ \t]*" + re.escape(site.cookie_name.encode()) + rb"=([^;]*)")
        self._patience = policy.lease.total_seconds() / 2
        self._believed = policy.believed.total_seconds()
        self._seen_every = policy.seen_every.total_seconds()
        self.seen: dict[str, float] = {}
        """Sessions used since somebody last took this away to write it down: `sid` to seconds since the epoch."""

    def __len__(self) -> int:
        """Return how many verified carriers are remembered."""
        return len(self._verified)

    def begin(self) -> None:
        """Begin in this event loop. What was remembered or being asked in another is forgotten."""
        self._verified.clear()

    def equip(self, *, keyring: Keyring, roles: Roles) -> None:
        """Use these keys and this table of roles from now on. What was verified with others is forgotten."""
        self._keyring = keyring
        self._read_access_token = reading_access_tokens(
            keyring=keyring, issuer=self._site.issuer, audience=self._audience, policy=self._policy
        )
        self._roles = roles
        self._permissions.clear()
        self._verified.clear()

    def check(  # noqa: C901, PLR0912 - the hot path
        self, headers: Headers, method: str, *, stale: float = 0.0
    ) -> Principal | Denied | Unsure:
        """Say who is asking, from memory alone, or that memory cannot say.

        `stale`: for so many seconds after the lease has run out an access token is accepted nevertheless, and marked.
        """
        authorization = cookies = None
        for name, value in headers:
            if name == b"authorization":
                if authorization is not None:
                    return Denied(Reason.AMBIGUOUS)
                authorization = value
            elif name == b"cookie":
                cookies = value if cookies is None else cookies + b";" + value
        found = self._cookie.findall(cookies) if cookies is not None else ()
        if len(found) > 1:
            return Denied(Reason.AMBIGUOUS)
        is_cookie = authorization is None or (
            authorization[:7] != b"Bearer " and authorization[:6].lower() != b"bearer"
        )
        if authorization is not None and not is_cookie:
            carrier = authorization[7:]
        elif found:
            carrier = found[0]
        else:
            return Denied(Reason.NO_CARRIER)

        digest = blake2b(carrier).digest()
        verified = self._verified
        entry = verified.young.get(digest) or verified.get(digest)
        if entry is None or entry.is_cookie is not is_cookie:
            token = self._read(carrier, is_cookie=is_cookie)
            if not isinstance(token, AccessToken):
                return token if isinstance(token, Denied) else self._unsure(token, digest)
            entry = self._remember_token(token, digest)

        if found and not is_cookie and sid_named_by(found[0]) not in (None, entry.sid.encode()):
            return Denied(Reason.AMBIGUOUS)
        elapsed = self._elapsed()
        now = elapsed + self._clock.offset
        if now >= entry.expires:
            return Denied(Reason.EXPIRED)
        fresh_until = self._floors.fresh_until  # before the floor: another thread may raise that, and then renew this
        floor = self._floors.of.get(entry.sid, 0)
        if entry.revision < floor:
            return self._below(floor, carrier, digest, is_cookie=is_cookie)
        if elapsed >= fresh_until:
            return self._late(entry, digest, elapsed - fresh_until, stale=stale)
        if elapsed >= entry.believed_until:
            return self._read_again(carrier, digest)
        if is_cookie and method not in SAFE_METHODS and not self.is_meant(headers, method, entry.sid):
            return Denied(Reason.CROSS_SITE)
        if now - entry.seen_at >= self._seen_every:
            entry.seen_at = self.seen[entry.sid] = now
        return entry.principal

    def is_meant(self, headers: Headers, method: str, sid: str | None) -> bool:
        """Tell whether a request that carries a cookie (`sid`), or would set one (`None`), was meant by its sender."""
        sent = [header for header in headers if header[0] in _CROSS_SITE_HEADERS]
        given = dict(sent)
        if len(given) < len(sent) and method not in SAFE_METHODS:
            return False  # one of them says something else than the other
        fetch_site, origin = given.get(b"sec-fetch-site"), given.get(b"origin")
        answer = meant(
            method,
            fetch_site=None if fetch_site is None else fetch_site.decode("latin-1"),
            origin=None if origin is None else origin.decode("latin-1"),
            site=self._site,
        )
        if answer is not Meant.SHOW_TOKEN:
            return answer is Meant.YES
        if sid is None:
            return True
        token = given.get(_CSRF_HEADER, b"").decode("latin-1")
        return is_csrf_token(token, sid, keyring=self._keyring, now=self._clock.now())

    # -------------------------------------------------------------------------------------------- a miss

    def _late(self, entry: _Entry, digest: bytes, late: float, *, stale: float) -> Principal | Unsure:
        """Say what a lease that has run out leads to. One that ended for a gap, or never began, did so for ever."""
        if entry.is_cookie or late >= stale:
            return Unsure(None, digest)
        return msgspec.structs.replace(entry.principal, stale=timedelta(seconds=late))

    def _below(self, floor: int, carrier: bytes, digest: bytes, *, is_cookie: bool) -> Denied | Unsure:
        """Say what a session that has changed leads to. A cookie's may do other things now: ask which."""
        self._verified.drop(digest)
        if floor == NONE_IS_GOOD:
            return Denied(Reason.REVOKED)
        return self._read_again(carrier, digest) if is_cookie else Denied(Reason.SUPERSEDED)

    def _read_again(self, carrier: bytes, digest: bytes) -> Denied | Unsure:
        """Read a cookie again, so that the store can be asked about it."""
        token = self._read(carrier, is_cookie=True)
        return self._unsure(token, digest) if isinstance(token, SessionToken) else Denied(Reason.MALFORMED)

    def _unsure(self, token: SessionToken, digest: bytes) -> Unsure:
        """Ask about this cookie; but first about everything when the lease has run out, for its key may be retired."""
        return Unsure(token if self._elapsed() < self._floors.fresh_until else None, digest)

    def _read(self, carrier: bytes, *, is_cookie: bool) -> SessionToken | AccessToken | Denied:
        """Read a carrier without asking anybody: it is refused, or it is genuine and the store must say the rest."""
        now = self._elapsed() + self._clock.offset
        if not is_cookie and not looks_like_session_token(carrier):
            return self._read_access_token(carrier, now)
        try:
            text = carrier.decode("ascii")
        except UnicodeDecodeError:
            return Denied(Reason.MALFORMED)
        token = read_session_token(
            text, expected_carrier=Carrier.COOKIE, keyring=self._keyring, now=datetime.fromtimestamp(now, UTC)
        )
        if isinstance(token, Denied):
            return token
        if not is_cookie:
            return Denied(Reason.WRONG_CARRIER)
        return Denied(Reason.REVOKED) if self._floors.of.get(token.sid) == NONE_IS_GOOD else token

    def _remember_token(self, token: AccessToken, digest: bytes) -> _Entry:
        principal = Principal(
            user_id=token.sub,
            session_id=token.sid,
            carrier=_BEARER,
            client_id=token.client_id,
            amr=token.amr,
            acr=token.acr,
            auth_time=datetime.fromtimestamp(token.auth_time, UTC),
            revision=token.rev,
            roles=token.roles,
            permissions=self._permitted(token.roles),
            scope=tuple(token.scope.split()),
        )
        entry = _Entry(principal, token.sid, token.rev, False, float(token.exp), _FOREVER, 0.0)  # noqa: FBT003 - hot
        self._verified.put(digest, entry)
        return entry

    def _permitted(self, roles: tuple[str, ...]) -> frozenset[str]:
        """Expand roles. Principals with the same roles share one set."""
        permissions = self._permissions.get(roles)
        if permissions is None:
            permissions = self._permissions[roles] = self._roles.permissions(roles)
        return permissions

    def _decide(self, token: SessionToken, digest: bytes, asked: Asked) -> Principal | Denied | None:
        """Say what the store's answer means, or `None` when a change overtook it: then ask again."""
        session, user = asked.session, asked.user
        now = self._clock.now()
        if session is None or user is None:
            return Denied(Reason.NO_SESSION)
        floor = self._floors.of.get(session.id, 0)
        if floor == NONE_IS_GOOD:
            return Denied(Reason.REVOKED)
        if user.disabled_at is not None:
            return Denied(Reason.USER_DISABLED)
        if session.carrier is not token.carrier:
            return Denied(Reason.WRONG_CARRIER)
        over = carries(session, token.n, now=now, policy=self._policy)
        if over is not None:
            return over
        if session.revision < floor:
            return None
        return self._remember_session(session, user, asked.asked_at, digest)

    def _remember_session(self, session: Session, user: User, asked_at: float, digest: bytes) -> Principal:
        now = self._elapsed() + self._clock.offset
        principal = Principal(
            user_id=user.id,
            session_id=session.id,
            carrier=session.carrier,
            client_id=session.client_id,
            amr=session.amr,
            acr=acr(session.amr),
            auth_time=session.auth_time,
            revision=session.revision,
            roles=user.roles,
            permissions=self._permitted(user.roles),
        )
        entry = _Entry(
            principal=principal,
            sid=session.id,
            revision=session.revision,
            is_cookie=True,
            expires=ends_at(session, policy=self._policy).timestamp(),
            believed_until=asked_at + self._believed,
            seen_at=now,
        )
        self.seen[session.id] = now
        self._verified.put(digest, entry)
        return principal


class _Recent(Generic[K, V]):
    """Remembers what was used of late, in two generations: nothing is moved on a hit, and memory is bounded."""

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self.young: dict[K, V] = {}
        """The younger generation, for a look that need not move anything."""
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: K) -> V | None:
        value = self.young.get(key)
        if value is None and self._old:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self.young) >= self._most:
            self._old = self.young
            self.young = {}
        self.young[key] = value

    def drop(self, key: K) -> None:
        self.young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        self.young.clear()
        self._old.clear()
