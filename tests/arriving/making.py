"""Databases as other libraries make them. Each is made by the library itself, in a process of its own.

    python -m tests.arriving.making django FILE

Addresses name the hash of the password. Every password is another, and is at its library's cheapest.
"""

import asyncio
import sqlite3
import sys
import warnings
from collections.abc import Callable
from typing import Any
from uuid import uuid4

PASSWORD = "pässwörd of old"
SALT = "146585145368132386173505678016728509634"


def password_of(address: str) -> str:
    """Return the password that somebody had there."""
    return f"{PASSWORD}, {address.partition('@')[0].lower()}"


def django(url: str) -> None:
    """A Django project: every hasher, groups, staff, a superuser, and some who can come in part or not at all."""
    import django as library
    from django.conf import settings
    from django.contrib.auth import hashers

    hashers.PBKDF2PasswordHasher.iterations = 1000
    hashers.ScryptPasswordHasher.work_factor = 1024
    hashers.BCryptSHA256PasswordHasher.rounds = 4
    hashers.Argon2PasswordHasher.time_cost, hashers.Argon2PasswordHasher.memory_cost = 1, 64
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework_simplejwt.token_blacklist",
        ],
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in DJANGO],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    library.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    editors, heads = (Group.objects.create(name=name) for name in ("editors", "heads of desk"))
    for hasher in hashers.get_hashers():
        address = f"{hasher.algorithm}@Example.com"
        user = User.objects.create(
            username=hasher.algorithm,
            email=address,
            first_name="Ada",
            last_name="Lovelace",
            password=hashers.make_password(password_of(address), hasher=hasher),
        )
        user.groups.add(editors, heads)
    User.objects.create_superuser("chief", "chief@example.com", password_of("chief"))
    User.objects.create_user("nobody", "no-password@example.com")
    User.objects.create_user("gone", "inactive@example.com", password_of("inactive"), is_active=False)
    User.objects.create_user("no-address", "", PASSWORD)
    User.objects.create_user("chief again", "CHIEF@example.com", "another password", is_staff=True)


DJANGO = (
    "PBKDF2PasswordHasher",
    "PBKDF2SHA1PasswordHasher",
    "Argon2PasswordHasher",
    "BCryptSHA256PasswordHasher",
    "BCryptPasswordHasher",
    "ScryptPasswordHasher",
    "MD5PasswordHasher",
)


def fastapi_users(url: str) -> None:
    """An application on fastapi-users: both of its hashes, a superuser, somebody unverified, somebody inactive."""
    from fastapi_users.password import PasswordHelper
    from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher
    from pwdlib.hashers.bcrypt import BcryptHasher
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
    from sqlalchemy.orm import DeclarativeBase

    class Base(DeclarativeBase):
        pass

    class User(SQLAlchemyBaseUserTableUUID, Base):
        pass

    argon2 = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64),)))
    bcrypt = PasswordHelper(PasswordHash((BcryptHasher(rounds=4),)))
    people: dict[str, tuple[Any, dict[str, bool]]] = {
        "argon2": (argon2, {}),
        "bcrypt": (bcrypt, {}),
        "chief": (bcrypt, {"is_superuser": True}),
        "unverified": (bcrypt, {"is_verified": False}),
        "inactive": (bcrypt, {"is_active": False}),
    }

    async def fill() -> None:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            users: Any = SQLAlchemyUserDatabase(session, User)
            for name, (helper, flags) in people.items():
                person = {
                    "id": uuid4(),
                    "email": f"{name}@example.com",
                    "hashed_password": helper.hash(password_of(name)),
                }
                await users.create({"is_active": True, "is_superuser": False, "is_verified": True, **person, **flags})
        await engine.dispose()

    asyncio.run(fill())


def flask_security(url: str) -> None:
    """An application on Flask-Security: every scheme that is a hash, with the HMAC and without, and roles."""
    from flask import Flask
    from flask_security import Security, SQLAlchemySessionUserDatastore, hash_password
    from flask_security.models import sqla
    from flask_security.utils import _security  # type: ignore[attr-defined]
    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, scoped_session, sessionmaker

    class Base(DeclarativeBase):
        pass

    sqla.FsModels.set_db_info(base_model=Base)  # type: ignore[no-untyped-call]

    class Role(Base, sqla.FsRoleMixin):
        __tablename__ = "role"

    class User(Base, sqla.FsUserMixin):
        __tablename__ = "user"

    engine = create_engine(url)
    session: Any = scoped_session(sessionmaker(engine))
    Base.query = session.query_property()
    Base.metadata.create_all(engine)
    store: Any = SQLAlchemySessionUserDatastore(session, User, Role)
    for scheme, costs in FLASK_SECURITY.items():
        app = Flask(scheme)
        app.config |= {
            "SECRET_KEY": "a key",
            "SECURITY_PASSWORD_SALT": SALT,
            "SECURITY_PASSWORD_HASH": scheme,
            "SECURITY_PASSWORD_SCHEMES": [*FLASK_SECURITY, "plaintext"],
            "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {f"{scheme}__{name}": cost for name, cost in costs.items()},
        }
        Security(app, store, register_blueprint=False)
        with app.app_context():
            editors = store.find_or_create_role("editors")

            def hashed(name: str) -> str:
                return str(hash_password(_security._password_util.normalize(password_of(name))))

            name = scheme.replace("_", "-")
            user = store.create_user(email=f"{name}@example.com", password=hashed(name))
            store.add_role_to_user(user, editors)
            if scheme == "bcrypt":
                store.create_user(email="inactive@example.com", password=hashed("inactive"), active=False)
                store.create_user(email="plain@example.com", password="a password in plain text")
            store.commit()
    session.remove()
    engine.dispose()


FLASK_SECURITY: dict[str, dict[str, int]] = {
    "argon2": {"rounds": 1, "memory_cost": 64},
    "bcrypt": {"rounds": 4},
    "pbkdf2_sha256": {"rounds": 1000},
    "pbkdf2_sha512": {"rounds": 1000},
    "sha256_crypt": {"rounds": 1000},
    "sha512_crypt": {"rounds": 1000},
    "django_pbkdf2_sha256": {"rounds": 1000},
    "django_bcrypt_sha256": {"rounds": 4},
    "django_argon2": {"rounds": 1, "memory_cost": 64},
    "django_salted_sha1": {},
}


def flask_login(url: str) -> None:
    """An application on Flask-Login: a table of its own, and what Werkzeug makes."""
    from werkzeug.security import generate_password_hash

    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, hash TEXT, called TEXT)")
        for name, method in WERKZEUG.items():
            hashed = generate_password_hash(password_of(name), method)
            row = (f"{name}@example.com", hashed.encode() if name == "bytes" else hashed, "Ada")
            connection.execute("INSERT INTO people (mail, hash, called) VALUES (?, ?, ?)", row)
    connection.close()


WERKZEUG = {
    "scrypt": "scrypt",
    "scrypt-1024": "scrypt:1024:8:2",
    "pbkdf2": "pbkdf2:sha256:1000",
    "sha1": "pbkdf2:sha1:1000",
    "sha512": "pbkdf2:sha512:1000",
    "sha3": "pbkdf2:sha3_256:1000",
    "bytes": "pbkdf2:sha256:1000",
}

MAKERS: dict[str, Callable[[str], None]] = {
    "django": django,
    "fastapi-users": fastapi_users,
    "flask-security": flask_security,
    "flask-login": flask_login,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    MAKERS[sys.argv[1]](sys.argv[2])
