"""The master key: the one secret that is not in the store.

The file has one line a version, `<version> <32 bytes in base64url>`; the last seals, all open. It is made with mode
0600 and refused when others can read it.
"""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary.core.base64url import decode_base64url, encode_base64url
from ostiary.errors import Misconfigured
from ostiary.ports import Entropy

_LINE = re.compile(r"([1-9][0-9]{0,2}) ([A-Za-z0-9_-]{43})")


class MasterKey:
    """Seals and opens small secrets with AES-256-GCM, bound to the purpose and the row they belong to.

    A sealed value is one byte of version, 12 of nonce, then the ciphertext with its tag. Random nonces are safe here: a
    master key seals a handful of keys, far from 2^32 values (NIST SP 800-38D section 8.3).
    """

    def __init__(self, versions: Mapping[int, bytes], *, entropy: Entropy) -> None:
        if not versions or any(len(secret) != 32 or not 1 <= version <= 255 for version, secret in versions.items()):
            raise Misconfigured("a master key needs at least one version of 32 bytes, numbered 1 to 255")
        self._versions = dict(versions)
        self._current = max(versions)
        self._entropy = entropy

    def __repr__(self) -> str:
        return f"MasterKey(version={self._current}, ***)"

    def seal(self, secret: bytes, *, purpose: str, row: str) -> bytes:
        """Seal a secret so that it opens for this purpose and this row only."""
        nonce = self._entropy.bytes(12)
        sealed = AESGCM(self._versions[self._current]).encrypt(nonce, secret, _bound_to(purpose, row))
        return bytes([self._current]) + nonce + sealed

    def open(self, sealed: bytes, *, purpose: str, row: str) -> bytes:
        """Open what was sealed for this purpose and this row.

        Raises:
            Misconfigured: it was sealed for something else, or by another master key.
        """
        version = self._versions.get(sealed[0]) if sealed else None
        if version is None or len(sealed) < 29:
            raise Misconfigured(f"the {purpose} key {row} was sealed by a master key that is not in the key file")
        try:
            return AESGCM(version).decrypt(sealed[1:13], sealed[13:], _bound_to(purpose, row))
        except InvalidTag:
            raise Misconfigured(
                f"the {purpose} key {row} does not open: this is not the key file of this store; put back the right one"
            ) from None

    def derive(self, purpose: str) -> tuple[bytes, ...]:
        """Return 32 bytes for a purpose from each version, the newest first (HKDF-SHA-256, RFC 5869).

        Who authenticates something uses the first, and accepts all: so a new version of the master key ends nothing.
        """
        newest_first = sorted(self._versions.items(), reverse=True)
        return tuple(_derive(secret, purpose) for _, secret in newest_first)


def master_key_file(database: Path) -> Path:
    """Return where the master key of a database is: always beside it, `app.db.key` for `app.db`."""
    return database.with_name(f"{database.name}.key")


def make_master_key(path: Path, *, entropy: Entropy) -> None:
    """Make a key file, mode 0600. One that is there already is never touched.

    Raises:
        Misconfigured: the file cannot be made.
    """
    line = f"1 {encode_base64url(entropy.bytes(32))}\n".encode()
    # A name by chance: that of a process would meet, in a container, the draft that its killed predecessor left.
    draft = path.with_name(f"{path.name}.{entropy.bytes(8).hex()}.new")
    try:
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            try:
                os.write(file, line)
                os.fsync(file)
            finally:
                os.close(file)
            with suppress(FileExistsError):
                os.link(draft, path)  # unlike a rename, it fails when another process was first
        finally:
            draft.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise Misconfigured(f"cannot make the key file {path}: {error.strerror}") from None


def read_master_key(path: Path, *, entropy: Entropy) -> MasterKey:
    """Read a key file.

    Raises:
        Misconfigured: it is missing, readable by others, or not a key file.
    """
    try:
        others = stat.S_IMODE(path.stat().st_mode) & 0o077
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise Misconfigured(
            f"the key file {path} is missing; without it nothing that was issued can be checked"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Misconfigured(f"cannot read the key file {path}: {why}") from None
    if others:
        raise Misconfigured(f"the key file {path} can be read or written by others; run: chmod 600 {path}")
    lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    if not lines or None in lines:
        raise Misconfigured(f"the key file {path} is not a key file of Ostiary")
    return MasterKey({int(line[1]): decode_base64url(line[2]) for line in lines if line}, entropy=entropy)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Keys that are sealed and committed must not outlive their key file."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"ostiary:derive:{purpose}".encode()).derive(secret)


def _bound_to(purpose: str, row: str) -> bytes:
    return f"ostiary:{purpose}:{row}".encode()
