"""Password hashes that other libraries made. They are only ever verified: the first login makes one of ours.

| looks like                                    | made by                                      | read with   |
|-----------------------------------------------|----------------------------------------------|-------------|
| `$2b$12$…`, `$2a$…`, `$2y$…`                  | bcrypt, pwdlib, Flask-Bcrypt                 | libpass     |
| `$bcrypt-sha256$…`                            | passlib                                      | libpass     |
| `$pbkdf2-sha512$…`, `-sha256`, `$pbkdf2$…`    | passlib, Flask-Security                      | libpass     |
| `$5$…`, `$6$…`                                | sha-crypt: passlib, Unix                     | libpass     |
| `$scrypt$ln=16,…`                             | passlib                                      | hashlib     |
| `pbkdf2_sha256$…`, `pbkdf2_sha1$…`            | Django                                       | hashlib     |
| `bcrypt_sha256$$2b$…`, `bcrypt$$2b$…`         | Django                                       | libpass     |
| `md5$…`, `sha1$…`                             | Django                                       | libpass     |
| `argon2$argon2id$…`                           | Django                                       | the rest    |
| `scrypt$16384$salt$8$5$…`                     | Django                                       | hashlib     |
| `pbkdf2:sha256:600000$…`, `scrypt:32768:8:1$…`| Werkzeug                                     | hashlib     |
| `hmac-sha512$key$…`                           | Flask-Security, which hashes the HMAC        | the rest    |

A hash at a cost that nobody chooses on purpose is not read: it would keep a thread busy for hours. The limits are about
two seconds of a processor of today. Neither is read what is hardly a hash: DES crypt, which looks at eight characters.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final
from unicodedata import normalize

from ostiary.core.base64url import decode_base64url, encode_base64url
from ostiary.errors import Misconfigured

Check = Callable[[bytes], bool]
"""Says whether a hash is of these bytes. It takes its time."""

_MOST_ROUNDS: Final = 4_000_000
_MOST_CRYPT: Final = 2_000_000
_MOST_BCRYPT: Final = 15
_MOST_MEMORY: Final = 256 * 1024 * 1024
_MOST_WORK: Final = 512 * 1024 * 1024
"""What all lanes of a scrypt hash use together, one after the other."""
_LONGEST: Final = 512
_BCRYPT_READS: Final = 72
"""bcrypt never looked at more bytes of a password. Its newer versions refuse to be given more."""

_SCHEMES: Final = (
    "bcrypt",
    "bcrypt_sha256",
    "pbkdf2_sha1",
    "pbkdf2_sha256",
    "pbkdf2_sha512",
    "sha256_crypt",
    "sha512_crypt",
    "django_bcrypt_sha256",
    "django_bcrypt",
    "django_salted_md5",
    "django_salted_sha1",
)
_CUT: Final = frozenset({"bcrypt", "django_bcrypt"})

_LIBPASS: Final = re.compile(r"\$(2[aby]|bcrypt-sha256|pbkdf2(-sha(256|512))?|[56])\$|(bcrypt(_sha256)?|md5|sha1)\$")
_DJANGO_PBKDF2: Final = re.compile(r"pbkdf2_(sha1|sha256)\$(\d{1,9})\$([^$]+)\$([A-Za-z0-9+/]+=*)")
_DJANGO_SCRYPT: Final = re.compile(r"scrypt\$(\d{1,9})\$([^$]+)\$(\d{1,4})\$(\d{1,4})\$([A-Za-z0-9+/]+=*)")
_PASSLIB_SCRYPT: Final = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,4}),p=(\d{1,4})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
_WERKZEUG_PBKDF2: Final = re.compile(r"pbkdf2:([a-z0-9_]+):(\d{1,9})\$([^$]+)\$([0-9a-f]+)")
_WERKZEUG_SCRYPT: Final = re.compile(r"scrypt:(\d{1,9}):(\d{1,4}):(\d{1,4})\$([^$]+)\$([0-9a-f]+)")
_KEYED: Final = re.compile(r"hmac-sha512\$([A-Za-z0-9_-]+)\$(.+)")


def check_of(stored: str) -> Check | None:
    """Return how a password is compared with an inherited hash, or `None` when it is not one that can be read.

    Raises:
        Misconfigured: the library that reads this kind is not installed.
    """
    if not stored.isascii() or not stored.isprintable() or len(stored) > _LONGEST:
        return None
    if (found := _DJANGO_PBKDF2.fullmatch(stored)) is not None:
        name, rounds, salt, digest = found.groups()
        return _pbkdf2(name, salt, int(rounds), _base64(digest))
    if (found := _DJANGO_SCRYPT.fullmatch(stored)) is not None:
        n, salt, r, p, digest = found.groups()
        return _scrypt(salt.encode(), int(n), int(r), int(p), _base64(digest), length=64)
    if (found := _WERKZEUG_SCRYPT.fullmatch(stored)) is not None:
        n, r, p, salt, digest = found.groups()
        return _scrypt(salt.encode(), int(n), int(r), int(p), _hex(digest), length=64)
    if (found := _PASSLIB_SCRYPT.fullmatch(stored)) is not None:
        ln, r, p, salt, digest = found.groups()
        salt_bytes = _base64(_padded(salt))
        if salt_bytes is None:
            return None
        return _scrypt(salt_bytes, 1 << int(ln), int(r), int(p), _base64(_padded(digest)), length=32)
    if (found := _WERKZEUG_PBKDF2.fullmatch(stored)) is not None:
        name, rounds, salt, digest = found.groups()
        return _pbkdf2(name, salt, int(rounds), _hex(digest))
    return _by_libpass(stored) if _LIBPASS.match(stored) else None


def keyed(key: str, stored: str) -> str:
    """Write down that a hash is of the HMAC of a password. The key is Flask-Security's `SECURITY_PASSWORD_SALT`."""
    return f"hmac-sha512${encode_base64url(key.encode())}${stored}"


def opened(stored: str) -> tuple[str, Callable[[bytes], bytes]]:
    """Return the hash inside what another library wrote around it, and what that is of, given a password."""
    if stored.startswith("argon2$argon2"):
        return stored.removeprefix("argon2"), _itself
    found = _KEYED.fullmatch(stored)
    if found is None:
        return stored, _itself
    try:
        key = decode_base64url(found[1])
    except ValueError:
        return "", _itself
    return found[2], lambda secret: b64encode(hmac.digest(key, secret, "sha512"))


def forms(password: str) -> Sequence[str]:
    """Return all that another library may have hashed for this password, each once.

    Most take it as it was typed, perhaps on a keyboard that composes; Flask-Security takes its NFKD.
    """
    return tuple(dict.fromkeys((password, normalize("NFC", password), normalize("NFKD", password))))


def _itself(secret: bytes) -> bytes:
    return secret


def _scrypt(salt: bytes, n: int, r: int, p: int, digest: bytes | None, *, length: int) -> Check | None:
    memory = 128 * n * r
    if (
        digest is None
        or len(digest) != length  # one that was cut short would be easier to meet
        or n < 2
        or n & (n - 1)
        or not 0 < memory <= _MOST_MEMORY
        or not 0 < memory * p <= _MOST_WORK
    ):
        return None

    def check(secret: bytes) -> bool:
        made = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=2 * memory + 1024 * 1024, dklen=length)
        return hmac.compare_digest(made, digest)

    return check


def _pbkdf2(name: str, salt: str, rounds: int, digest: bytes | None) -> Check | None:
    if digest is None or not 0 < rounds <= _MOST_ROUNDS or name not in hashlib.algorithms_guaranteed:
        return None
    if len(digest) != hashlib.new(name).digest_size or not digest:
        return None

    def check(secret: bytes) -> bool:
        return hmac.compare_digest(hashlib.pbkdf2_hmac(name, secret, salt.encode(), rounds), digest)

    return check


def _by_libpass(stored: str) -> Check | None:
    for name, scheme in _schemes():
        if not scheme.identify(stored):
            continue
        try:
            parsed = scheme.from_string(stored) if hasattr(scheme, "from_string") else None
            rounds = getattr(parsed, "rounds", 1)
        except (ValueError, TypeError):
            return None
        if rounds > (_MOST_BCRYPT if "bcrypt" in name else _MOST_CRYPT if "crypt" in name else _MOST_ROUNDS):
            return None
        most = _BCRYPT_READS if name in _CUT else None
        return lambda secret: _verified(scheme, secret[:most], stored)
    return None


def _verified(scheme: Any, secret: bytes, stored: str) -> bool:  # noqa: ANN401 - libpass has no types
    try:
        return bool(scheme.verify(secret, stored))
    except (ValueError, TypeError):  # damaged inside, or a password that this library never took
        return False


@cache
def _schemes() -> tuple[tuple[str, Any], ...]:
    try:
        from passlib import hash as schemes  # noqa: PLC0415 - an extra: only who came from elsewhere needs it
    except ModuleNotFoundError:
        raise Misconfigured("passwords came from elsewhere: install ostiary[import], which reads them") from None
    return tuple((name, getattr(schemes, name)) for name in _SCHEMES)


def _base64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except Error:
        return None


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
