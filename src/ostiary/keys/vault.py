"""Keys of every purpose, made and opened with the master key."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, assert_never, cast

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ostiary.core.base64url import encode_base64url
from ostiary.core.keys import Keyring, MacKey, Purpose, SignatureKey
from ostiary.core.policy import Algorithm
from ostiary.core.signature import PrivateKey
from ostiary.errors import Misconfigured
from ostiary.keys.master import MasterKey, make_master_key, read_master_key
from ostiary.ports import Entropy, KeyRecord

_RSA_BITS = 3072  # 128 bits of strength (NIST SP 800-57 part 1, table 2)


class SealedVault:
    """Makes keys sealed under the master key of a file, and opens them. The file is read when it is first needed."""

    def __init__(self, path: Path, *, entropy: Entropy) -> None:
        self._path = path
        self._entropy = entropy

    def create(self) -> None:
        """Make the key file if there is none."""
        if not self._path.exists():
            make_master_key(self._path, entropy=self._entropy)

    def make(self, purpose: Purpose, *, algorithm: Algorithm | None, now: datetime, signs_from: datetime) -> KeyRecord:
        """Make a new key, sealed. A key with an algorithm is named by its thumbprint (RFC 7638), others by chance."""
        if algorithm is None:
            secret = self._entropy.bytes(32)
            kid = encode_base64url(self._entropy.bytes(8))
        else:
            private = _generate(algorithm)
            secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            kid = _jwk(private, algorithm).thumbprint()
        return KeyRecord(
            id=kid,
            purpose=purpose,
            algorithm=algorithm,
            sealed=self._master.seal(secret, purpose=purpose, row=kid),
            created_at=now,
            signs_from=signs_from,
        )

    def open(self, records: Sequence[KeyRecord]) -> Keyring:
        """Open sealed keys. Raises `Misconfigured` when the master key is not the one that sealed them."""
        try:
            opened = [self._open(record) for record in records]
        except Misconfigured:
            # Another process may have put a new version of the master key into the file: read it once more.
            self.__dict__.pop("_master", None)
            opened = [self._open(record) for record in records]
        return Keyring(
            macs=[key for key in opened if isinstance(key, MacKey)],
            signatures=[key for key in opened if isinstance(key, SignatureKey)],
        )

    def derive(self, purpose: str) -> tuple[bytes, ...]:
        """Return secrets for a purpose, the newest first, that whoever has the key file has, too.

        Raises:
            Misconfigured: the key file is missing or cannot be used.
        """
        return self._master.derive(purpose)

    @cached_property
    def _master(self) -> MasterKey:
        return read_master_key(self._path, entropy=self._entropy)

    def _open(self, record: KeyRecord) -> MacKey | SignatureKey:
        secret = self._master.open(record.sealed, purpose=record.purpose, row=record.id)
        if record.algorithm is None:
            return MacKey(
                id=record.id,
                purpose=record.purpose,
                signs_from=record.signs_from,
                verifies_until=record.verifies_until,
                secret=secret,
            )
        private = load_der_private_key(secret, None)
        if not isinstance(private, PrivateKey):
            raise Misconfigured(f"the key {record.id} is of a kind that this version does not know")
        jwk: dict[str, Any] = {**_jwk(private, record.algorithm).as_dict(private=False), "kid": record.id}
        return SignatureKey(
            id=record.id,
            algorithm=record.algorithm,
            signs_from=record.signs_from,
            verifies_until=record.verifies_until,
            private=private,
            public=private.public_key(),
            jwk=jwk,
        )


def _generate(algorithm: Algorithm) -> PrivateKey:
    match algorithm:
        case Algorithm.ES256:
            return generate_private_key(SECP256R1())
        case Algorithm.ED25519:
            return Ed25519PrivateKey.generate()
        case Algorithm.RS256:
            return generate_rsa_key(public_exponent=65537, key_size=_RSA_BITS)
        case _:
            assert_never(algorithm)


def _jwk(private: PrivateKey, algorithm: Algorithm) -> ECKey | OKPKey | RSAKey:
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parameters = cast("Any", {"use": "sig", "alg": algorithm.value})
    match private:
        case EllipticCurvePrivateKey():
            return ECKey.import_key(pem, parameters)
        case Ed25519PrivateKey():
            return OKPKey.import_key(pem, parameters)
        case RSAPrivateKey():
            return RSAKey.import_key(pem, parameters)
        case _:
            assert_never(private)
