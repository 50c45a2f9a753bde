"""The algorithm comes from the key, never from the header (CVE-2016-10555, CVE-2026-48526)."""

import hmac
import json
from collections.abc import Iterator
from itertools import permutations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import WEB
from ostiary.core.token import AccessToken, mint
from tests.core.vectors import CLAIMS, NOW, RING, compact, jose_key, minted, read, signature_key

KEYS = ["es256", "ed25519", "rs256"]
PAYLOAD = encode_base64url(compact(CLAIMS))


def header(name: str, **changes: object) -> str:
    """Return the header of one of our keys, with other members."""
    key = signature_key(name)
    members = {"alg": str(key.algorithm), "kid": key.id, "typ": "at+jwt", **changes}
    return encode_base64url(json.dumps(members, separators=(",", ":")).encode())


def public_keys(name: str) -> Iterator[bytes]:
    """Yield our public key in every form in which somebody might have it lie about as bytes."""
    public = signature_key(name).public
    jwk = jose_key(name).as_dict(private=False)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield from (pem, pem.strip(), pem.replace(b"\n", b"\r\n"), pem.replace(b"\n", b""), b"\xef\xbb\xbf" + pem)
    yield public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    if isinstance(public, EllipticCurvePublicKey):
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        yield from (point, point[1:], public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    for document in (jwk, {"keys": [jwk]}, RING.jwks(now=NOW)):
        yield from (json.dumps(document).encode(), json.dumps(document, separators=(",", ":")).encode())
    yield from (signature_key(name).id.encode(), b"", b"\0", b"secret")


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", " none", "none\0"])
def test_none(name: str, alg: str) -> None:
    """A token that says it is not signed is nobody's, with or without a signature, right or wrong."""
    for signature in ("", minted().rpartition(".")[2], encode_base64url(bytes(64))):
        assert read(f"{header(name, alg=alg)}.{PAYLOAD}.{signature}") == Denied(Reason.UNKNOWN_KEY)


@pytest.mark.parametrize("name", KEYS)
def test_no_signature(name: str) -> None:
    """A token of ours without its signature is refused."""
    assert read(f"{signature_key(name).header}.{PAYLOAD}.") == Denied(Reason.BAD_SIGNATURE)


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(("alg", "digest"), [("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")])
def test_our_public_key_as_a_secret(name: str, alg: str, digest: str) -> None:
    """An HMAC under our public key, in whatever encoding, opens nothing: neither under its own name nor under ours."""
    for secret in public_keys(name):
        for head, reason in (
            (header(name, alg=alg), Reason.UNKNOWN_KEY),
            (signature_key(name).header, Reason.BAD_SIGNATURE),
        ):
            text = f"{head}.{PAYLOAD}"
            mac = encode_base64url(hmac.digest(secret, text.encode(), digest))
            assert read(f"{text}.{mac}") == Denied(reason)


@pytest.mark.parametrize("name", KEYS)
def test_the_header_says_another_algorithm(name: str) -> None:
    """A header that names one of our keys and another algorithm belongs to no key."""
    others = {"ES256", "ES384", "ES512", "ES256K", "Ed25519", "EdDSA", "Ed448", "RS256", "RS384", "PS256", "es256"}
    for alg in others - {str(signature_key(name).algorithm)}:
        signature = minted().rpartition(".")[2]
        assert read(f"{header(name, alg=alg)}.{PAYLOAD}.{signature}") == Denied(Reason.UNKNOWN_KEY)


@pytest.mark.parametrize(("name", "other"), list(permutations(KEYS, 2)))
def test_the_signature_of_another_key(name: str, other: str) -> None:
    """A signature is checked by the algorithm of the key that the header belongs to; another key's is none."""
    genuine = mint(msgspec.convert(CLAIMS, AccessToken), key=signature_key(other), policy=WEB)
    assert isinstance(genuine, str)
    _, payload, signature = genuine.split(".")
    zeros = encode_base64url(bytes({"es256": 64, "ed25519": 64, "rs256": 256}[name]))

    for wrong in (signature, zeros):
        assert read(f"{signature_key(name).header}.{payload}.{wrong}") == Denied(Reason.BAD_SIGNATURE)


def test_another_padding() -> None:
    """A PSS signature of our RSA key is no RS256 signature."""
    key = signature_key("rs256").private
    assert isinstance(key, RSAPrivateKey)
    text = f"{signature_key('rs256').header}.{PAYLOAD}"

    pss = key.sign(text.encode(), PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH), SHA256())

    assert read(f"{text}.{encode_base64url(pss)}") == Denied(Reason.BAD_SIGNATURE)
