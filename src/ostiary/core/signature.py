"""Signatures of the three algorithms (RFC 7518 section 3, RFC 8037), as JWS carries them.

All are deterministic: ECDSA by RFC 6979, Ed25519 and RSA PKCS #1 v1.5 by nature. How a key signs and verifies follows
from the key, and is chosen once.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ostiary.core.policy import Algorithm

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

Sign = Callable[[bytes], bytes]
"""Makes the signature of a text."""

IsSigned = Callable[[bytes, bytes], bool]
"""Tells whether a text has this signature."""

_ES256 = ECDSA(Prehashed(SHA256()))
_ES256_DETERMINISTIC = ECDSA(SHA256(), deterministic_signing=True)
_P256_BYTES = 32
_LEAST_RSA_BITS = 2048


def fits(key: PublicKey, algorithm: Algorithm) -> bool:
    """Tell whether a key is of the kind, and of the strength, that an algorithm needs (128 bits, RSA 112 at least)."""
    match algorithm:
        case Algorithm.ES256:
            return isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1"
        case Algorithm.ED25519:
            return isinstance(key, Ed25519PublicKey)
        case Algorithm.RS256:
            return isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS
        case _:
            assert_never(algorithm)


def signing_with(key: PrivateKey) -> Sign:
    """Return how a private key signs."""
    match key:
        case EllipticCurvePrivateKey():

            def sign(text: bytes) -> bytes:
                r, s = decode_dss_signature(key.sign(text, _ES256_DETERMINISTIC))
                return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")

            return sign
        case Ed25519PrivateKey():
            return key.sign
        case RSAPrivateKey():
            return lambda text: key.sign(text, PKCS1v15(), SHA256())
        case _:
            assert_never(key)


def verifying_with(key: PublicKey) -> IsSigned:
    """Return how a public key verifies."""
    match key:
        case EllipticCurvePublicKey():

            def verify(signature: bytes, text: bytes) -> None:
                key.verify(_as_der(signature), sha256(text).digest(), _ES256)

            length = 2 * _P256_BYTES
        case Ed25519PublicKey():

            def verify(signature: bytes, text: bytes) -> None:
                key.verify(signature, text)

            length = 64
        case RSAPublicKey():

            def verify(signature: bytes, text: bytes) -> None:
                key.verify(signature, text, PKCS1v15(), SHA256())

            length = (key.key_size + 7) // 8
        case _:
            assert_never(key)

    def is_signed(text: bytes, signature: bytes) -> bool:
        if len(signature) != length:
            return False
        try:
            verify(signature, text)
        except InvalidSignature:
            return False
        return True

    return is_signed


def _as_der(signature: bytes) -> bytes:
    """Write r and s, half of an ES256 signature each, as the DER of an ECDSA-Sig-Value (RFC 3279 section 2.2.3)."""
    r, s = signature[:_P256_BYTES].lstrip(b"\0"), signature[_P256_BYTES:].lstrip(b"\0")
    if not r or r[0] > 0x7F:  # a DER integer has a sign
        r = b"\0" + r
    if not s or s[0] > 0x7F:
        s = b"\0" + s
    return b"\x30%c\x02%c%b\x02%c%b" % (4 + len(r) + len(s), len(r), r, len(s), s)
