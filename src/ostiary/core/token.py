"""The wire formats: the session token, the device token and the access token.

`docs/spec/session-token.md` and `docs/spec/access-token.md` own them; `tests/vectors/` holds their vectors.

Session token: `os1` carrier `.` sid `.` n `.` mac, with carrier `c` (cookie) or `r` (refresh), `sid` 16 random bytes,
`n` a decimal number, and mac the first 16 bytes of HMAC-SHA-256 over everything before its dot.

Device token: `osd1`, then for each account that has logged in on the device, the newest first, `.` nonce `.` mac, with
`nonce` 16 random bytes and mac the first 16 bytes of HMAC-SHA-256 over `osd1.` nonce `.` account. It opens nothing: it
shows that somebody logged in here before (OWASP's device cookie), to who knows the account, and names none.

Access token: a JWT `at+jwt` (RFC 9068) in compact form (RFC 7515), signed with ES256, Ed25519 or RS256. Its header is
compared, as a whole, with those that our keys write, and never parsed to decide: so the algorithm comes from the key,
and `none`, `crit`, `jwk`, `jku` and every other trick of a header belong to no key.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Any

import msgspec

from ostiary.core.base64url import decode_base64url, encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.floor import NONE_IS_GOOD
from ostiary.core.keys import Keyring, MacKey, Purpose, SignatureKey
from ostiary.core.policy import Policy
from ostiary.core.session import Carrier

# ------------------------------------------------------------------------------------------------ session token

_LETTER = {Carrier.COOKIE: "c", Carrier.BEARER: "r"}
_CARRIER = {letter: carrier for carrier, letter in _LETTER.items()}
_SIXTEEN_BYTES = "[A-Za-z0-9_-]{21}[AQgw]"
_SESSION_TOKEN = re.compile(rf"(os1([cr])\.({_SIXTEEN_BYTES})\.([1-9][0-9]{{0,17}}))\.({_SIXTEEN_BYTES})")


@dataclass(frozen=True, slots=True)
class SessionToken:
    """What a genuine session token says. Whether the session still lives is another question."""

    carrier: Carrier
    sid: str
    n: int


def make_session_token(carrier: Carrier, sid: str, n: int, *, key: MacKey) -> str:
    """Make the cookie's value or the refresh token with number `n`. The same arguments give the same token."""
    text = f"os1{_LETTER[carrier]}.{sid}.{n}"
    return f"{text}.{_mac(key, text)}"


def read_session_token(
    value: str, *, expected_carrier: Carrier, keyring: Keyring, now: datetime
) -> SessionToken | Denied:
    """Read a presented session token and check its MAC. No store is asked, so garbage costs microseconds."""
    match = _SESSION_TOKEN.fullmatch(value)
    if match is None:
        return Denied(Reason.MALFORMED)
    text, letter, sid, n, mac = match.groups()
    if not any(compare_digest(mac, _mac(key, text)) for key in keyring.macs(Purpose.SESSION, now=now)):
        return Denied(Reason.BAD_SIGNATURE)
    carrier = _CARRIER[letter]
    if carrier is not expected_carrier:
        return Denied(Reason.WRONG_CARRIER)
    return SessionToken(carrier, sid, int(n))


def looks_like_session_token(value: bytes) -> bool:
    """Tell that a value claims to be a session token, genuine or not: it is then never read as an access token."""
    return value.startswith(b"os1")


def sid_named_by(cookie: bytes) -> bytes | None:
    """Return the session that a cookie's value names, without believing it. `None` when it has not the form of one."""
    return cookie[5:27] if cookie.startswith(b"os1c.") else None


def make_csrf_token(sid: str, *, key: MacKey) -> str:
    """Make the token that a client without `Sec-Fetch-Site` and `Origin` sends with a cookie. Bound to the session."""
    return _mac(key, f"csrf.{sid}")


def is_csrf_token(value: str, sid: str, *, keyring: Keyring, now: datetime) -> bool:
    """Tell whether a value is the session's CSRF token, in constant time."""
    given = value.encode("utf-8", "replace")
    return any(
        compare_digest(given, make_csrf_token(sid, key=key).encode()) for key in keyring.macs(Purpose.CSRF, now=now)
    )


# ------------------------------------------------------------------------------------------------ device token

DEVICE_LIFE = timedelta(days=365)
"""How long a device is remembered after the last login on it, and how long an old key knows it."""

MOST_ACCOUNTS = 5
"""How many accounts a device is known to. One more takes the place of the one that logged in there longest ago."""

_DEVICE_TOKEN = re.compile(rf"osd1(?:\.{_SIXTEEN_BYTES}\.{_SIXTEEN_BYTES}){{1,{MOST_ACCOUNTS}}}")
_KNOWN = re.compile(rf"\.({_SIXTEEN_BYTES})\.({_SIXTEEN_BYTES})")


def make_device_token(account: str, *, nonce: str, before: str, keyring: Keyring, now: datetime) -> str:
    """Make what a device is known to an account by from now on. What it was known to others by stays, from `before`.

    Raises:
        LookupError: the keyring has no key for it.
    """
    mac = _mac(keyring.mac(Purpose.DEVICE, now=now), f"osd1.{nonce}.{account}")
    others = [known for known in _known(before) if not _is_known_to(account, *known, keyring=keyring, now=now)]
    return "osd1" + "".join(f".{nonce}.{mac}" for nonce, mac in [(nonce, mac), *others[: MOST_ACCOUNTS - 1]])


def read_device_token(value: str, *, account: str, keyring: Keyring, now: datetime) -> str:
    """Return the nonce by which a device is known to an account. Empty when it is not, whatever was shown."""
    known = (nonce for nonce, mac in _known(value) if _is_known_to(account, nonce, mac, keyring=keyring, now=now))
    return next(known, "")


def _known(value: str) -> list[tuple[str, str]]:
    return _KNOWN.findall(value) if _DEVICE_TOKEN.fullmatch(value) else []


def _is_known_to(account: str, nonce: str, mac: str, *, keyring: Keyring, now: datetime) -> bool:
    text = f"osd1.{nonce}.{account}"
    return any(compare_digest(mac, _mac(key, text)) for key in keyring.macs(Purpose.DEVICE, now=now))


def _mac(key: MacKey, text: str) -> str:
    return encode_base64url(hmac_digest(key.secret, text.encode(), "sha256")[:16])


# ------------------------------------------------------------------------------------------------ access token

LONGEST_ACCESS_TOKEN = 8192
"""In characters. Anything longer is refused before it is read."""


class AccessToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of an access token (RFC 9068 section 2.2), with its session (`sid`) and that one's revision (`rev`).

    Times are whole seconds since the epoch (RFC 7519 section 2). `scope` is one string of words (RFC 8693 section 4.2).
    """

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    client_id: str
    iat: int
    exp: int
    jti: str
    sid: str
    rev: int
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    scope: str = ""
    roles: tuple[str, ...] = ()
    nbf: int | None = None
    cnf: Any = None
    """A key that the token is bound to (RFC 7800). Nothing here can check the binding, so such a token is refused."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The token would be over its budget. Names the claim that is to blame, and the sizes in bytes."""

    claim: str
    size: int
    budget: int


def mint(token: AccessToken, *, key: SignatureKey, policy: Policy) -> str | TooLarge:
    """Sign an access token. ECDSA is deterministic (RFC 6979), so the same arguments give the same token."""
    text = f"{key.header}.{encode_base64url(msgspec.json.encode(token))}"
    jws = f"{text}.{encode_base64url(key.sign(text.encode()))}"
    if len(jws) > policy.token_budget:
        sizes = {claim: len(msgspec.json.encode(value)) for claim, value in msgspec.structs.asdict(token).items()}
        return TooLarge(claim=max(sizes, key=sizes.__getitem__), size=len(jws), budget=policy.token_budget)
    return jws


ReadAccessToken = Callable[[bytes, float], AccessToken | Denied]
"""Reads and verifies an access token, at a time in seconds since the epoch. No store is asked."""


def reading_access_tokens(*, keyring: Keyring, issuer: str, audience: str, policy: Policy) -> ReadAccessToken:
    """Return how access tokens of these keys, this issuer and this audience are read.

    Form, key, signature, claims, in this order. What does not depend on the token is worked out once.
    """
    verifier = keyring.verifier
    wrong_claim = _finding_wrong_claims(issuer, audience, policy=policy)

    def read_access_token(value: bytes, now: float) -> AccessToken | Denied:
        if len(value) > LONGEST_ACCESS_TOKEN:
            return Denied(Reason.MALFORMED)
        text, _, signature = value.rpartition(b".")
        header, dot, payload = text.partition(b".")
        if not dot:
            return Denied(Reason.MALFORMED)
        key = verifier(header, now)
        if key is None:
            return Denied(Reason.UNKNOWN_KEY)
        try:
            claims = decode_base64url(payload)
            if not key.is_signed(text, decode_base64url(signature)):
                return Denied(Reason.BAD_SIGNATURE)
        except ValueError:
            return Denied(Reason.MALFORMED)
        token = _decode(claims)
        if token is None:
            return Denied(Reason.BAD_CLAIMS)
        wrong = wrong_claim(token, now)
        return token if wrong is None else Denied(wrong)

    return read_access_token


def _finding_wrong_claims(
    issuer: str, audience: str, *, policy: Policy
) -> Callable[[AccessToken, float], Reason | None]:
    leeway = policy.leeway.total_seconds()
    longest = policy.access_life.total_seconds() + leeway

    def wrong_claim(token: AccessToken, now: float) -> Reason | None:
        if token.iss != issuer:
            return Reason.WRONG_ISSUER
        if audience != token.aud if isinstance(token.aud, str) else audience not in token.aud:
            return Reason.WRONG_AUDIENCE
        if token.cnf is not None or not (token.sub and token.sid and token.jti):
            return Reason.BAD_CLAIMS
        issued, expires = token.iat, token.exp
        if not (1 <= token.rev < NONE_IS_GOOD and 0 <= issued < expires and 0 <= token.auth_time <= issued + leeway):
            return Reason.BAD_CLAIMS
        if issued > now + leeway or (token.nbf is not None and token.nbf > now + leeway):
            return Reason.NOT_YET_VALID
        if now >= expires:
            return Reason.EXPIRED
        return Reason.BAD_CLAIMS if expires > now + longest else None

    return wrong_claim


_token_decoder = msgspec.json.Decoder(AccessToken)
_object_decoder = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


def _decode(payload: bytes) -> AccessToken | None:
    """Read the claims in their compact form, each member once: encoded again they are the very same bytes."""
    try:
        token = _token_decoder.decode(payload)
        is_ours = _encode(token) == payload
        if is_ours or _encode(_object_decoder.decode(payload)) == payload:
            return token
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    return None
