"""Databases as other libraries make them. Each is made by the library itself, in a process of its own.

    python -m tests.arriving.making django FILE

Every user has the password PASSWORD, and an address that names the hash of it.
"""

import asyncio
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

PASSWORD = "pässwörd of old"
SALT = "146585145368132386173505678016728509634"


def django(file: Path) -> None:
    """A Django project: every hasher, groups, staff, a superuser, somebody without a password, somebody inactive."""
    import django as library
    from django.conf import settings

    hashers = (
        "PBKDF2PasswordHasher",
        "PBKDF2SHA1PasswordHasher",
        "Argon2PasswordHasher",
        "BCryptSHA256PasswordHasher",
        "BCryptPasswordHasher",
        "ScryptPasswordHasher",
        "MD5PasswordHasher",
    )
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework_simplejwt.token_blacklist",
        ],
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in hashers],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    library.setup()
    from django.contrib.auth.hashers import get_hashers, make_password
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    editors, heads = (Group.objects.create(name=name) for name in ("editors", "heads of desk"))
    for hasher in get_hashers():
        user = User.objects.create(
            username=hasher.algorithm,
            email=f"{hasher.algorithm}@Example.com",
            first_name="Ada",
            last_name="Lovelace",
            password=make_password(PASSWORD, hasher=hasher),
        )
        user.groups.add(editors, heads)
    User.objects.create_superuser("chief", "chief@example.com", PASSWORD)
    User.objects.create_user("nobody", "no-password@example.com")
    User.objects.create_user("gone", "inactive@example.com", PASSWORD, is_active=False)
    User.objects.create_user("no-address", "", PASSWORD)


def fastapi_users(file: Path) -> None:
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

    hashes = {
        "argon2": PasswordHelper(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64),))).hash(PASSWORD),
        "bcrypt": PasswordHelper(PasswordHash((BcryptHasher(rounds=4),))).hash(PASSWORD),
    }

    async def fill() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            users: Any = SQLAlchemyUserDatabase(session, User)
            flags = {"is_active": True, "is_superuser": False, "is_verified": True}
            for name, hashed in hashes.items():
                await users.create({"id": uuid4(), "email": f"{name}@example.com", "hashed_password": hashed, **flags})
            for name, flag in (("chief", {"is_superuser": True}), ("inactive", {"is_active": False})):
                more = {**flags, **flag, "hashed_password": hashes["bcrypt"]}
                await users.create({"id": uuid4(), "email": f"{name}@example.com", **more})
        await engine.dispose()

    asyncio.run(fill())


def flask_security(file: Path) -> None:
    """An application on Flask-Security: every scheme that it may be told to use, with the HMAC, and roles."""
    from flask import Flask
    from flask_security import Security, SQLAlchemySessionUserDatastore, hash_password
    from flask_security.models import sqla
    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, scoped_session, sessionmaker

    class Base(DeclarativeBase):
        pass

    sqla.FsModels.set_db_info(base_model=Base)

    class Role(Base, sqla.FsRoleMixin):
        __tablename__ = "role"

    class User(Base, sqla.FsUserMixin):
        __tablename__ = "user"

    engine = create_engine(f"sqlite:///{file}")
    session: Any = scoped_session(sessionmaker(engine))
    Base.query = session.query_property()  # type: ignore[attr-defined]
    Base.metadata.create_all(engine)
    store: Any = SQLAlchemySessionUserDatastore(session, User, Role)
    for scheme in ("argon2", "bcrypt", "pbkdf2_sha512"):
        app = Flask(scheme)
        app.config |= {
            "SECRET_KEY": "a key",
            "SECURITY_PASSWORD_SALT": SALT,
            "SECURITY_PASSWORD_HASH": scheme,
            "SECURITY_PASSWORD_HASH_OPTIONS": {} if scheme == "argon2" else {scheme: {"rounds": 4}},
        }
        Security(app, store, register_blueprint=False)
        with app.app_context():
            editors = store.find_or_create_role("editors")
            user = store.create_user(email=f"{scheme}@example.com", password=hash_password(PASSWORD))
            store.add_role_to_user(user, editors)
            if scheme == "bcrypt":
                store.create_user(email="inactive@example.com", password=hash_password(PASSWORD), active=False)
            store.commit()
    engine.dispose()


def flask_login(file: Path) -> None:
    """An application on Flask-Login: a table of its own, and what Werkzeug makes."""
    import sqlite3

    from werkzeug.security import generate_password_hash

    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, hash TEXT, called TEXT)")
        for method in ("scrypt", "pbkdf2", "pbkdf2:sha1:1000", "pbkdf2:sha512:1000", "scrypt:1024:8:1"):
            row = (f"{method.replace(':', '-')}@example.com", generate_password_hash(PASSWORD, method), "Ada")
            connection.execute("INSERT INTO people (mail, hash, called) VALUES (?, ?, ?)", row)
    connection.close()


MAKERS: dict[str, Callable[[Path], None]] = {
    "django": django,
    "fastapi-users": fastapi_users,
    "flask-security": flask_security,
    "flask-login": flask_login,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    MAKERS[sys.argv[1]](Path(sys.argv[2]))
