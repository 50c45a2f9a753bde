"""The published vectors, their keys, and what else many tests of core start from."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied
from ostiary.core.keys import Keyring, MacKey, Purpose, SignatureKey
from ostiary.core.policy import WEB, Algorithm
from ostiary.core.session import Carrier, Session
from ostiary.core.token import AccessToken, mint, reading_access_tokens

_FOLDER = Path(__file__).parent.parent / "vectors"
SESSION: dict[str, Any] = json.loads((_FOLDER / "session_token.json").read_text())
ACCESS: dict[str, Any] = json.loads((_FOLDER / "access_token.json").read_text())


def moment(seconds: float) -> datetime:
    """Return a moment that the vectors give in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


NOW = moment(ACCESS["now"])
ISSUER: str = ACCESS["issuer"]
AUDIENCE: str = ACCESS["audience"]
CLAIMS: Mapping[str, Any] = ACCESS["good"][0]["claims"]

# ------------------------------------------------------------------------------------------------ keys


@cache
def mac_key(name: str) -> MacKey:
    """Return a MAC key of the vectors."""
    (key,) = (key for key in SESSION["keys"] if key["id"] == name)
    return MacKey(
        id=key["id"],
        purpose=Purpose(key["purpose"]),
        signs_from=moment(key["signs_from"]),
        verifies_until=moment(key["verifies_until"]) if key["verifies_until"] else None,
        secret=bytes.fromhex(key["secret"]),
    )


@cache
def jose_key(name: str) -> ECKey | OKPKey | RSAKey:
    """Return a signature key of the vectors as joserfc reads it."""
    (key,) = (key for key in ACCESS["keys"] if key["name"] == name)
    imported = JWKRegistry.import_key(key["jwk"])
    assert isinstance(imported, ECKey | OKPKey | RSAKey)
    return imported


@cache
def signature_key(name: str) -> SignatureKey:
    """Return a signature key of the vectors."""
    (key,) = (key for key in ACCESS["keys"] if key["name"] == name)
    private: Any = jose_key(name).private_key
    return SignatureKey(
        id=key["jwk"]["kid"],
        algorithm=Algorithm(key["jwk"]["alg"]),
        signs_from=moment(key["signs_from"]),
        verifies_until=moment(key["verifies_until"]) if key["verifies_until"] else None,
        public=private.public_key(),
        jwk=dict(jose_key(name).as_dict(private=False)),
        private=private,
    )


RING = Keyring(
    macs=[mac_key(key["id"]) for key in SESSION["keys"]],
    signatures=[signature_key(key["name"]) for key in ACCESS["keys"]],
)

# ------------------------------------------------------------------------------------------------ tokens

_read = reading_access_tokens(keyring=RING, issuer=ISSUER, audience=AUDIENCE, policy=WEB)


def read(token: str, *, now: datetime = NOW) -> AccessToken | Denied:
    """Read an access token as the vectors expect it."""
    return _read(token.encode("utf-8", "surrogatepass"), now.timestamp())


def minted(**changes: Any) -> str:
    """Mint the first good vector, with other claims."""
    token = mint(msgspec.convert({**CLAIMS, **changes}, AccessToken), key=signature_key("es256"), policy=WEB)
    assert isinstance(token, str)
    return token


def signed(payload: bytes, *, header: bytes | None = None) -> str:
    """Sign any bytes, under any header, with our ES256 key: what a broken issuer of ours might do."""
    key = signature_key("es256")
    assert isinstance(key.private, EllipticCurvePrivateKey)
    text = f"{key.header if header is None else encode_base64url(header)}.{encode_base64url(payload)}"
    r, s = decode_dss_signature(key.private.sign(text.encode(), ECDSA(SHA256(), deterministic_signing=True)))
    return f"{text}.{encode_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def compact(claims: Mapping[str, Any]) -> bytes:
    """Return claims as compact JSON."""
    return json.dumps(claims, separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------------------ sessions

_SESSION = Session(
    id="AAECAwQFBgcICQoLDA0ODw",
    user_id="ada",
    carrier=Carrier.BEARER,
    client_id="ostiary",
    amr=("pwd",),
    auth_time=NOW,
    created_at=NOW,
    last_seen_at=NOW,
    expires_at=NOW + WEB.session_life,
    tokens_until=NOW + WEB.access_life,
    turned_at=NOW,
)


def session(**changes: Any) -> Session:
    """Return a session that has just begun, with other fields."""
    return replace(_SESSION, **changes)
