"""Letters at rest: sealed before they are kept, whatever the store is."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ostiary.core.base64url import encode_base64url
from ostiary.core.letter import Letter
from ostiary.ports import Entropy, LetterRecord

_NONCE: Final = 12
_TAG: Final = 16


class LetterSeal:
    """Seals letters for the outbox, and opens them: AES-256-GCM, bound to the row by its id.

    `secrets` are those of the purpose `outbox` (`Vault.derive`), the newest first: it seals, all open. They are asked
    for when they are first needed.
    """

    def __init__(self, secrets: Callable[[], Sequence[bytes]], *, entropy: Entropy, site: str) -> None:
        self.site = site
        """Our issuer, which every letter names."""
        self._secrets = secrets
        self._entropy = entropy

    def name(self) -> str:
        """Return an id for a new letter."""
        return encode_base64url(self._entropy.bytes(16))

    def seal(self, letter: Letter) -> LetterRecord:
        """Return the letter as it is kept, due at once."""
        nonce = self._entropy.bytes(_NONCE)
        sealed = nonce + self._keys[0].encrypt(nonce, msgspec.json.encode(letter), letter.id.encode())
        return LetterRecord(id=letter.id, sealed=sealed, created_at=letter.created_at, due_at=letter.created_at)

    def open(self, record: LetterRecord) -> Letter | None:
        """Return the letter, or `None` if no key that is known here sealed it, or a newer version wrote it."""
        if len(record.sealed) < _NONCE + _TAG:
            return None
        nonce, sealed = record.sealed[:_NONCE], record.sealed[_NONCE:]
        for key in self._keys:
            try:
                return msgspec.json.decode(key.decrypt(nonce, sealed, record.id.encode()), type=Letter)
            except (InvalidTag, msgspec.ValidationError):
                continue
        return None

    @cached_property
    def _keys(self) -> list[AESGCM]:
        return [AESGCM(secret) for secret in self._secrets()]
