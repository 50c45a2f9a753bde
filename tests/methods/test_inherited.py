"""Hashes that other libraries made, by those libraries: read, compared, bounded, and replaced at the first login."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from unicodedata import normalize

import argon2
import pytest
from django.contrib.auth import hashers
from passlib import hash as schemes
from werkzeug.security import generate_password_hash

from ostiary.core.session import Carrier
from ostiary.errors import Refused
from ostiary.methods.argon2 import Hasher
from ostiary.methods.inherited import check_of, keyed, opened
from ostiary.testing import CHEAPEST
from tests.conftest import House

PASSWORD = "pässwörd of old"
DJANGO: Any = hashers
pytestmark = pytest.mark.usefixtures("django_settings")


def by_django(name: str) -> str:
    """Make a hash as Django does, cheaply where it lets us."""
    hasher: Any = getattr(hashers, name)()
    if hasattr(hasher, "iterations"):
        hasher.iterations = 1000
    if hasattr(hasher, "rounds"):
        hasher.rounds = 4
    return str(hasher.encode(PASSWORD, hasher.salt()))


def by_passlib(name: str) -> str:
    """Make a hash as passlib does, cheaply."""
    scheme: Any = getattr(schemes, name)
    cheap = {"rounds": 4 if "bcrypt" in name or name == "scrypt" else 1000} if hasattr(scheme, "rounds") else {}
    return str(scheme.using(**cheap).hash(PASSWORD))


def by_flask_security(inner: Callable[[bytes], str]) -> str:
    """Make a hash as Flask-Security does: of the HMAC."""
    digest = hmac.digest(b"the app's salt", PASSWORD.encode(), hashlib.sha512)
    return keyed("the app's salt", inner(b64encode(digest)))


HASHES: dict[str, Callable[[], str]] = {
    **{
        name: partial(by_django, name)
        for name in (
            "PBKDF2PasswordHasher",
            "PBKDF2SHA1PasswordHasher",
            "BCryptSHA256PasswordHasher",
            "BCryptPasswordHasher",
            "ScryptPasswordHasher",
            "MD5PasswordHasher",
        )
    },
    **{
        name: partial(by_passlib, name)
        for name in (
            "bcrypt",
            "bcrypt_sha256",
            "pbkdf2_sha1",
            "pbkdf2_sha256",
            "pbkdf2_sha512",
            "sha256_crypt",
            "sha512_crypt",
            "scrypt",
        )
    },
    **{
        method: partial(generate_password_hash, PASSWORD, method)
        for method in (
            "pbkdf2:sha256:1000",
            "pbkdf2:sha1:1000",
            "pbkdf2:sha512:1000",
            "pbkdf2:sha3_512:10",
            "scrypt:1024:8:1",
        )
    },
    "flask-security, bcrypt": lambda: by_flask_security(
        lambda secret: str(schemes.bcrypt.using(rounds=4, truncate_error=False).hash(secret[:72]))
    ),
    "flask-security, argon2": lambda: by_flask_security(argon2.PasswordHasher(1, 8, 1).hash),
    "argon2, by Django": lambda: "argon2" + argon2.PasswordHasher(1, 8, 1).hash(PASSWORD),
    "django_salted_sha1": partial(by_passlib, "django_salted_sha1"),
    "argon2i": lambda: argon2.PasswordHasher(1, 8, 1, type=argon2.Type.I).hash(PASSWORD),
}


@pytest.fixture(scope="module")
def hasher() -> Iterator[Hasher]:
    """A hasher, to ask what it reads."""
    hasher = Hasher(CHEAPEST.password, threads=1)
    yield hasher
    hasher.close()


@pytest.fixture(params=HASHES)
def inherited(request: pytest.FixtureRequest) -> str:
    """A hash of PASSWORD, of every kind."""
    return HASHES[str(request.param)]()


async def arrive(house: House, secret: str) -> str:
    """Put a user in whose password was hashed elsewhere. Returns the credential's id."""
    account = await house.user()
    async with house.store.write() as tx:
        credential = (await tx.credentials.of(account.user.id, "password"))[0]
        assert await tx.credentials.swap(credential, replace(credential, secret=secret))
    return credential.id


@pytest.mark.parametrize("house", ["memory"], indirect=True)
async def test_first_login(house: House, inherited: str) -> None:
    """The old password logs in, nothing else does, and afterwards the hash is one of ours."""
    credential_id = await arrive(house, inherited)
    for wrong in ("", PASSWORD + "x", PASSWORD[:-1], inherited):
        with pytest.raises(Refused):
            await house.auth.prove("ada@example.com", wrong)
    await house.login(Carrier.COOKIE, password=PASSWORD)
    async with house.store.read() as tx:
        upgraded = await tx.credentials.get(credential_id)
    await house.login(Carrier.COOKIE, password=PASSWORD)

    assert upgraded
    assert upgraded.secret.startswith("$argon2id$")
    assert upgraded.version == 1


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_cut_short(inherited: str, cut: int) -> None:
    """A damaged hash is of no password, and no error."""
    check = check_of(inherited[:-cut])

    assert check is None or not check(PASSWORD.encode())


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$2b$",
        "$2b$31$fmfTnMcpXT/t8dposYBxZexyG4.oWn1dDyqh2wY9a.nKBF2HiKEIy",
        "$bcrypt-sha256$v=2,t=2b,r=31$DyLUm9wyUDoMQrC8ECSazO$UQsHHl8ArKiW1bvJjUkWqPGr6j2gweC",
        "$6$rounds=999999999$abc$" + "a" * 86,
        "$6$rounds=2000001$abc$" + "a" * 86,
        "$5$rounds=2000001$abc$" + "a" * 43,
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$" + "a" * 43,
        "$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$" + "a" * 43,
        "$scrypt$ln=16,r=9999,p=1$c2FsdHNhbHQ$" + "a" * 43,
        "$scrypt$ln=16,r=8,p=9$c2FsdHNhbHQ$" + "a" * 43,
        "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$" + "a" * 42,
        "$pbkdf2-sha512$4000001$c2FsdHNhbHQ$" + "a" * 86,
        "pbkdf2:shake_128:1000$salt$00",
        "pbkdf2:sha256:1000$sa\nlt$" + "0" * 64,
        "pbkdf2:sha256:1000$sa\0lt$" + "0" * 64,
        "ab0123456789.",
        "pbkdf2_sha256$999999999$salt$" + "a" * 43 + "=",
        "pbkdf2:sha256:999999999$salt$00",
        "pbkdf2:md5:1000$salt$00",
        "pbkdf2:sha256:1000$salt$",
        "scrypt:1073741824:8:1$salt$00",
        "scrypt:1023:8:1$salt$00",
        "scrypt:1024:9999:1$salt$00",
        "scrypt$1024$salt$8$9999$AAAA",
        "scrypt$1024$salt$8$1$A",
        "plaintext",
        "hmac-sha512$!$x",
        "$2b$04$" + "é" * 53,
        "x" * 100_000,
    ],
)
def test_not_to_be_read(hasher: Hasher, stored: str) -> None:
    """What is no hash, or costs what nobody chooses on purpose, is not read."""
    assert check_of(stored) is None
    assert not hasher.reads(stored)
    assert not hasher.reads(keyed("a key", stored))


@pytest.mark.parametrize("cost", ["m=2097153,t=1,p=1", "m=1048577,t=2,p=1", "m=8,t=4000000,p=1", "m=65536,t=3,p=999"])
def test_costly_argon2(hasher: Hasher, cost: str) -> None:
    """Argon2 at a cost that would keep a thread busy for long, or fill the memory, does not come along."""
    stored = f"$argon2id$v=19${cost}$c2FsdHNhbHRzYWx0$" + "a" * 43

    assert not hasher.reads(stored)
    assert not hasher.reads(f"argon2{stored}")


@pytest.mark.parametrize(
    "stored",
    [
        f"pbkdf2_sha256${DJANGO.PBKDF2PasswordHasher.iterations}$salt$" + "a" * 43 + "=",
        f"scrypt${DJANGO.ScryptPasswordHasher.work_factor}$salt$8$5$" + "a" * 86 + "==",
        f"bcrypt_sha256$$2b${DJANGO.BCryptSHA256PasswordHasher.rounds}$fmfTnMcpXT/t8dposYBxZexyG4.oWn1dDyqh2wY9a.nKBF2HiKEIy",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0$" + "a" * 43,
        f"$pbkdf2-sha512${schemes.pbkdf2_sha512.default_rounds}$c2FsdHNhbHQ$" + "a" * 86,
        f"$6$rounds={schemes.sha512_crypt.default_rounds}$abc$" + "a" * 86,
        f"$5$rounds={schemes.sha256_crypt.default_rounds}$abc$" + "a" * 43,
        f"$scrypt$ln={schemes.scrypt.default_rounds},r=8,p=1$c2FsdHNhbHQ$" + "a" * 43,
        "$2b$14$fmfTnMcpXT/t8dposYBxZexyG4.oWn1dDyqh2wY9a.nKBF2HiKEIy",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$" + "a" * 43,
        "scrypt:32768:8:1$salt$" + "0" * 128,
        "pbkdf2:sha256:1000000$salt$" + "0" * 64,
    ],
)
def test_what_libraries_choose(hasher: Hasher, stored: str) -> None:
    """The costs that the libraries choose by themselves are no hostile ones."""
    assert hasher.reads(stored)


TYPED = {
    "composed": "caf\u00e9 \u212b",
    "decomposed": "cafe\u0301 A\u030a",
    "compatible": "cafe\u0301 \ufb01n \u2126",
}


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("house", ["memory"], indirect=True)
async def test_letters_with_marks(house: House, typed: str, decomposed: bool) -> None:
    """A password with marks logs in, whether it was hashed as it was typed or in the form of Flask-Security."""
    hashed = normalize("NFKD", typed) if decomposed else typed
    await arrive(house, generate_password_hash(hashed, "pbkdf2:sha256:10"))
    with pytest.raises(Refused):
        await house.auth.prove("ada@example.com", "cafe A")
    await house.login(Carrier.COOKIE, password=typed)

    await house.login(Carrier.COOKIE, password=typed)


LONG = PASSWORD + "x" * 100


@pytest.mark.parametrize("house", ["memory"], indirect=True)
async def test_long_password_of_bcrypt(house: House) -> None:
    """A password longer than bcrypt reads logs in as it always did; from then on all of it is compared."""
    await arrive(house, str(schemes.bcrypt.using(rounds=4).hash(LONG.encode()[:72])))
    for wrong in (LONG[:60], LONG.replace("p", "q"), LONG[:20] + "\0" + LONG[20:], "x" * 100_000):
        with pytest.raises(Refused):
            await house.auth.prove("ada@example.com", wrong)
    house.clock.advance(timedelta(days=1))  # so that the many tries do not count
    await house.login(Carrier.COOKIE, password=LONG)

    with pytest.raises(Refused):
        await house.auth.prove("ada@example.com", LONG + "y")
    await house.login(Carrier.COOKIE, password=LONG)


def test_nul(inherited: str) -> None:
    """A password with a NUL is compared whole, or refused: what stands behind it is never left out."""
    check = check_of(opened(inherited)[0])

    assert check is None or not check(PASSWORD.encode() + b"\0more")
