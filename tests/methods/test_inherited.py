"""Hashes that other libraries made, by those libraries: read, compared, bounded, and replaced at the first login."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import argon2
import pytest
from django.conf import settings  # type: ignore[import-untyped]
from django.contrib.auth import hashers  # type: ignore[import-untyped]
from passlib import hash as schemes
from werkzeug.security import generate_password_hash

from ostiary.core.session import Carrier
from ostiary.errors import Refused
from ostiary.methods.inherited import check_of, keyed
from tests.conftest import House

PASSWORD = "pässwörd of old"


@pytest.fixture(scope="module", autouse=True)
def _django() -> None:
    if not settings.configured:
        settings.configure()


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
    return str(scheme.using(rounds=4 if "bcrypt" in name or name == "scrypt" else 1000).hash(PASSWORD))


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
        for method in ("pbkdf2:sha256:1000", "pbkdf2:sha1:1000", "pbkdf2:sha512:1000", "scrypt:1024:8:1")
    },
    "flask-security, bcrypt": lambda: by_flask_security(
        lambda secret: str(schemes.bcrypt.using(rounds=4, truncate_error=False).hash(secret[:72]))
    ),
    "flask-security, argon2": lambda: by_flask_security(argon2.PasswordHasher(1, 8, 1).hash),
    "argon2i": lambda: argon2.PasswordHasher(1, 8, 1, type=argon2.Type.I).hash(PASSWORD),
}


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
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$" + "a" * 43,
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
def test_not_to_be_read(stored: str) -> None:
    """What is no hash, or costs what nobody chooses on purpose, is not read."""
    assert check_of(stored) is None


@pytest.mark.parametrize("house", ["memory"], indirect=True)
async def test_long_password_of_bcrypt(house: House) -> None:
    """A password longer than bcrypt reads logs in as it always did."""
    long = PASSWORD + "x" * 100
    await arrive(house, str(schemes.bcrypt.using(rounds=4).hash(long.encode()[:72])))

    await house.login(Carrier.COOKIE, password=long)
