"""A header neither brings a key nor sends us to fetch one (CVE-2025-59420, CVE-2026-32597, CVE-2026-27962)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.token import AccessToken
from tests.core.vectors import CLAIMS, compact, read, signature_key, signed

ROOT = Path(__file__).parents[2]
ATTACKER = generate_private_key(SECP256R1())
JWK = ECKey.import_key(ATTACKER.public_key()).as_dict(private=False)
OURS: dict[str, Any] = {"alg": "ES256", "kid": signature_key("es256").id, "typ": "at+jwt"}

INJECTED: dict[str, dict[str, Any]] = {
    "an embedded key": {"jwk": JWK},
    "a key to fetch": {"jku": "http://127.0.0.1:9/jwks.json"},
    "a key in a file": {"jku": "file:///dev/null"},
    "a certificate to fetch": {"x5u": "http://127.0.0.1:9/cert.pem"},
    "a certificate": {"x5c": ["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"]},
    "a thumbprint": {"x5t#S256": "x" * 43},
    "crit for a claim": {"crit": ["exp"]},
    "crit for what nobody knows": {"crit": ["https://evil.example/ext"], "https://evil.example/ext": True},
    "crit empty": {"crit": []},
    "crit of another type": {"crit": "exp"},
    "an unencoded payload": {"crit": ["b64"], "b64": False},
    "an unencoded payload, unmarked": {"b64": False},
    "compression": {"zip": "DEF"},
    "another content": {"cty": "JWT"},
    "a claim": {"iss": "https://id.example"},
    "a kid that is a path": {"kid": "../../../../dev/null"},
    "a kid that is SQL": {"kid": "x' UNION SELECT 'secret"},
    "a kid that is a command": {"kid": "|id"},
    "a kid that is a list": {"kid": [OURS["kid"]]},
    "a kid that is a number": {"kid": 0},
    "no kid": {"kid": None},
    "an ID token": {"typ": "JWT"},
    "a logout token": {"typ": "logout+jwt"},
    "a proof of possession": {"typ": "dpop+jwt"},
    "a typ in capitals": {"typ": "AT+JWT"},
    "the long typ": {"typ": "application/at+jwt"},
    "no typ": {"typ": None},
}


def signed_by_the_attacker(header: bytes) -> str:
    """Sign a token with a key that we do not know."""
    text = f"{encode_base64url(header)}.{encode_base64url(compact(CLAIMS))}"
    r, s = decode_dss_signature(ATTACKER.sign(text.encode(), ECDSA(SHA256())))
    return f"{text}.{encode_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def test_ours_is_good() -> None:
    """The header that all of these change is one that we accept."""
    assert isinstance(read(signed(compact(CLAIMS), header=compact(OURS))), AccessToken)


def tokens(injected: str) -> tuple[str, str]:
    """Return a token with an injected header, signed by us and by the attacker."""
    members = {name: value for name, value in {**OURS, **INJECTED[injected]}.items() if value is not None}
    return signed(compact(CLAIMS), header=compact(members)), signed_by_the_attacker(compact(members))


@pytest.mark.parametrize("injected", INJECTED)
def test_injected(injected: str) -> None:
    """A header with anything but its three members is nobody's, whoever signed it."""
    by_us, by_the_attacker = tokens(injected)

    assert read(by_us) == Denied(Reason.UNKNOWN_KEY)
    assert read(by_the_attacker) == Denied(Reason.UNKNOWN_KEY)


LISTENING = """
import sys
from tests.attacks.test_header_injection import INJECTED, tokens
from tests.core.vectors import read

hostile = [token for injected in INJECTED for token in tokens(injected)]
read(hostile[0])
events = []
sys.addaudithook(lambda event, _: events.append(event))
for token in hostile:
    read(token)
print(len(hostile), *events)
"""


def test_nothing_is_opened() -> None:
    """Reading them opens no file and no connection, and imports and starts nothing, as the interpreter reports."""
    done = subprocess.run([sys.executable, "-c", LISTENING], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(2 * len(INJECTED))]


@pytest.mark.parametrize(
    "header",
    [
        json.dumps(OURS).encode(),
        compact(OURS)[:-1] + b',"alg":"none"}',
        compact(OURS)[:-1] + b',"alg":"ES256"}',
        compact(dict(reversed(OURS.items()))),
        compact(OURS) + b"\n",
        b"\xef\xbb\xbf" + compact(OURS),
        compact(OURS).replace(b"ES256", b"\\u0045S256"),
        compact(OURS).replace(b"alg", b"Alg"),
        b"[" + compact(OURS) + b"]",
        b'"' + OURS["kid"].encode() + b'"',
        b"{}",
        b"",
        b"\xff\xfe",
    ],
)
def test_the_same_header_written_otherwise(header: bytes) -> None:
    """There is one spelling of each header: whitespace, order, escapes and doubled members make it nobody's."""
    assert read(signed(compact(CLAIMS), header=header)) == Denied(Reason.UNKNOWN_KEY)
    assert read(signed_by_the_attacker(header)) == Denied(Reason.UNKNOWN_KEY)


def test_our_header_under_the_attackers_key() -> None:
    """The right header does not make a wrong signature right."""
    assert read(signed_by_the_attacker(compact(OURS))) == Denied(Reason.BAD_SIGNATURE)
