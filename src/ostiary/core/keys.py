"""The keyring: of each purpose one key signs, several verify.

| a key is          | while                                          | signs | verifies | in the JWKS |
|-------------------|------------------------------------------------|-------|----------|-------------|
| published         | now < signs_from                               | no    | yes      | yes         |
| current           | with signs_from <= now, the one that ends last | yes   | yes      | yes         |
| old               | another signs, now < verifies_until            | no    | yes      | yes         |
| done, or retired  | now >= verifies_until                          | no    | no       | no          |

A new key is published before it signs, and an old one verifies until the last thing it signed is dead, so a rotation
refuses nobody. To retire a key is to set its `verifies_until` to now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from ostiary.core.base64url import encode_base64url
from ostiary.core.policy import Algorithm
from ostiary.core.signature import IsSigned, PrivateKey, PublicKey, Sign, fits, signing_with, verifying_with

_MAC_BYTES = 32


class Purpose(StrEnum):
    """What a key is for. A value made for one purpose is worth nothing for another."""

    ACCESS = "access"
    SESSION = "session"
    CSRF = "csrf"
    DEVICE = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacKey:
    """A secret of 32 bytes that makes and checks MACs of one purpose."""

    id: str
    purpose: Purpose
    signs_from: datetime
    verifies_until: datetime | None
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _MAC_BYTES:
            raise ValueError(f"a MAC key has {_MAC_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureKey:
    """A key pair of one algorithm for access tokens. A verifier elsewhere holds it without `private`."""

    id: str
    algorithm: Algorithm
    signs_from: datetime
    verifies_until: datetime | None
    public: PublicKey = field(repr=False)
    jwk: Mapping[str, Any]
    """The public part as a JWK (RFC 7517), with `kid`, `alg` and `use`."""
    private: PrivateKey | None = field(default=None, repr=False)
    header: str = field(init=False)
    """The one JOSE header that this key writes and answers to, encoded. It is compared, never believed."""
    is_signed: IsSigned = field(init=False, repr=False, compare=False)
    """Tells whether a text has a signature of this key."""
    verifies_before: float = field(init=False, repr=False, compare=False)
    """`verifies_until` in seconds since the epoch, or infinity."""

    def __post_init__(self) -> None:
        if not fits(self.public, self.algorithm):
            raise ValueError(f"the key {self.id} is not of the kind that {self.algorithm} needs")
        text = msgspec.json.encode({"alg": self.algorithm, "kid": self.id, "typ": "at+jwt"})
        object.__setattr__(self, "header", encode_base64url(text))
        object.__setattr__(self, "is_signed", verifying_with(self.public))
        end = self.verifies_until
        object.__setattr__(self, "verifies_before", float("inf") if end is None else end.timestamp())

    @property
    def sign(self) -> Sign:
        """How this key signs.

        Raises:
            LookupError: it has no private part here.
        """
        if self.private is None:
            raise LookupError(f"the key {self.id} has no private part here")
        return signing_with(self.private)


class Keyring:
    """All keys that something may be signed or verified with. Immutable: a change is a new keyring."""

    def __init__(self, *, macs: Iterable[MacKey], signatures: Iterable[SignatureKey]) -> None:
        self._macs: list[MacKey] = sorted(macs, key=_rank, reverse=True)
        self._signatures: list[SignatureKey] = sorted(signatures, key=_rank, reverse=True)
        self._by_header = {key.header.encode(): key for key in self._signatures}

    def __repr__(self) -> str:
        return f"Keyring({', '.join([key.id for key in self._macs] + [key.id for key in self._signatures])})"

    def signer(self, *, now: datetime) -> SignatureKey:
        """Return the key that signs access tokens now.

        Raises:
            LookupError: there is none.
        """
        for key in self._signatures:
            if key.private is not None and key.signs_from <= now and _verifies(key, now):
                return key
        raise LookupError("the keyring has no key that signs access tokens")

    def verifier(self, header: bytes, now: float) -> SignatureKey | None:
        """Return the key that wrote this JOSE header, if it still verifies. Any other header belongs to no key.

        `now` is in seconds since the epoch.
        """
        key = self._by_header.get(header)
        return key if key is not None and now < key.verifies_before else None

    def mac(self, purpose: Purpose, *, now: datetime) -> MacKey:
        """Return the key that makes MACs of a purpose now.

        Raises:
            LookupError: there is none.
        """
        for key in self.macs(purpose, now=now):
            if key.signs_from <= now:
                return key
        raise LookupError(f"the keyring has no key for {purpose}")

    def macs(self, purpose: Purpose, *, now: datetime) -> list[MacKey]:
        """Return every key that checks MACs of a purpose, the newest first."""
        return [key for key in self._macs if key.purpose is purpose and _verifies(key, now)]

    def jwks(self, *, now: datetime) -> dict[str, list[Mapping[str, Any]]]:
        """Return the JWKS document (RFC 7517 section 5): public parts, the coming key included."""
        return {"keys": [key.jwk for key in self._signatures if _verifies(key, now)]}

    def dated_jwks(self, *, now: datetime) -> dict[str, list[Mapping[str, Any]]]:
        """Return the JWKS document for who cannot ask every moment: each key says when it stops verifying, as `exp`.

        Seconds since the epoch. A key without `exp` has no end yet.
        """
        return {"keys": [_dated(key) for key in self._signatures if _verifies(key, now)]}


def _rank(key: MacKey | SignatureKey) -> tuple[datetime, datetime, str]:
    """Order keys: one that nothing ends comes before one whose end is set, whatever a later rotation has overtaken."""
    return key.verifies_until or datetime.max.replace(tzinfo=UTC), key.signs_from, key.id


def _dated(key: SignatureKey) -> Mapping[str, Any]:
    end = key.verifies_until
    return key.jwk if end is None else {**key.jwk, "exp": end.timestamp()}


def _verifies(key: MacKey | SignatureKey, now: datetime) -> bool:
    return key.verifies_until is None or now < key.verifies_until
