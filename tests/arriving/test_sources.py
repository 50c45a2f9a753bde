"""`ostiary import`: databases that the real libraries made come in whole, and nobody has to choose a new password."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ostiary.methods.inherited import keyed
from tests.arriving.bringing import bring, listed, log_in
from tests.arriving.conftest import fill
from tests.arriving.making import FLASK_SECURITY, SALT, WERKZEUG, password_of
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.timeout(180)  # other libraries are heavy, and loaded in processes of their own

SOURCES: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    # what is said with the command, who logs in afterwards with which roles, and who does not
    "django": (
        (),
        {
            **{
                f"{name}@example.com": ("editors", "heads-of-desk")
                for name in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt", "md5")
            },
            "chief@example.com": ("is_staff", "is_superuser"),
        },
        ("no-password@example.com", "inactive@example.com"),
    ),
    "fastapi-users": (
        (),
        {
            "argon2@example.com": (),
            "bcrypt@example.com": (),
            "chief@example.com": ("superuser",),
            "unverified@example.com": (),
        },
        ("inactive@example.com",),
    ),
    "flask-security": (
        (),
        {f"{name.replace('_', '-')}@example.com": ("editors",) for name in FLASK_SECURITY},
        ("inactive@example.com", "plain@example.com"),
    ),
    "flask-login": (
        ("--table", "people", "--email", "mail", "--password", "hash", "--name", "called"),
        {f"{name}@example.com": () for name in WERKZEUG},
        (),
    ),
}


def secrets(place: Path) -> dict[str, str]:
    """Return the stored hash of everybody who has one, by address."""
    with closing(sqlite3.connect(place / "data" / "ostiary.db")) as ours:
        return dict(ours.execute("SELECT value, secret FROM credentials JOIN identifiers USING (user_id)"))


@pytest.mark.parametrize("source", SOURCES)
def test_everybody_comes_along(place: Path, made: Callable[[str], str], source: str) -> None:
    """Every user of a real database logs in with the old password and has the old roles; nobody else gets in."""
    more, welcome, refused = SOURCES[source]
    bring(made(source), source, *more, cwd=place)
    came = secrets(place)
    wrong = {
        (address, password)
        for address in welcome
        for password in ("", password_of(address) + "x", password_of("somebody else"), came[address])
    }
    right = [(address, password_of(address)) for address in welcome]

    assert not any(log_in(place, sorted(wrong)).values())
    assert not any(log_in(place, [(address, password_of(address)) for address in refused]).values())
    let_in = log_in(place, right)
    assert {address: account and account.user.roles for (address, _), account in let_in.items()} == welcome
    upgraded = secrets(place)
    assert all(upgraded[address].startswith("$argon2id$v=19$m=19456,t=2,p=1$") for address in welcome)
    assert all(log_in(place, right).values())


@pytest.mark.parametrize("source", SOURCES)
def test_twice_is_once(place: Path, made: Callable[[str], str], source: str) -> None:
    """To bring the same accounts in again, after some have logged in, changes nothing, and the report says so."""
    more, welcome, _ = SOURCES[source]
    first = bring(made(source), source, *more, cwd=place)
    log_in(place, [(address, password_of(address)) for address in welcome])
    before = listed(place), secrets(place)
    again = bring(made(source), source, *more, cwd=place)

    assert (listed(place), secrets(place)) == before
    assert not [fate for fate in again["accounts"] if fate.startswith("came")]
    assert again["accounts"]["was here already, and is as it was"] == sum(
        number for fate, number in first["accounts"].items() if fate.startswith("came")
    )


def test_who_stays_is_named(place: Path, made: Callable[[str], str]) -> None:
    """Whoever could not come, or not with all they had, is reported with the reason; a dry run says the same."""
    dry = bring(made("django"), "django", "--dry-run", cwd=place)
    nobody = listed(place)
    report = bring(made("django"), "django", cwd=place)

    assert nobody == []
    assert report["rows"] == dry["rows"]
    assert report["rows"] == [
        {"row": "auth_user 9", "why": "came; it has no password"},
        {"row": "auth_user 11", "why": "has no e-mail address that can be used"},
        {"row": "auth_user 12", "why": "has the address of one before it"},
    ]
    assert report["accounts"]["came"] == 9


def test_what_each_was(place: Path, made: Callable[[str], str]) -> None:
    """Names, the day of the registration, a disabled account, and what was verified are as they were."""
    bring(made("django"), "django", cwd=place)
    bring(made("fastapi-users"), "fastapi-users", cwd=place)
    with closing(sqlite3.connect(made("django").removeprefix("sqlite:///"))) as theirs:
        joined = dict(theirs.execute("SELECT lower(email), date_joined FROM auth_user"))
    with closing(sqlite3.connect(place / "data" / "ostiary.db")) as ours:
        verified = dict(ours.execute("SELECT value, verified_at IS NOT NULL FROM identifiers"))
    found: dict[str, Any] = {user["email"].lower(): user for user in listed(place)}

    assert found["scrypt@example.com"]["name"] == "Ada Lovelace"
    assert found["scrypt@example.com"]["created_at"][:19].replace("T", " ") == joined["scrypt@example.com"][:19]
    assert found["inactive@example.com"]["disabled_at"] is not None
    assert found["scrypt@example.com"]["disabled_at"] is None
    assert (verified["unverified@example.com"], verified["chief@example.com"]) == (0, 0)  # Django's came first
    assert verified["inactive@example.com"] == 0


def test_from_postgresql(place: Path, postgres: Postgres) -> None:
    """A source in PostgreSQL is read as one in SQLite is, and nothing is written there."""
    theirs = postgres.database()
    fill("flask-security", theirs.replace("postgresql:", "postgresql+psycopg:"))
    count = 'SELECT count(*), max(xmin::text::bigint) FROM "user"'
    before = postgres.query(count, database=urlsplit(theirs).path[1:])
    report = bring(theirs, "flask-security", cwd=place)

    assert report["accounts"]["came"] == len(FLASK_SECURITY) + 1
    assert postgres.query(count, database=urlsplit(theirs).path[1:]) == before
    assert all(log_in(place, [("bcrypt@example.com", password_of("bcrypt"))]).values())


@pytest.mark.parametrize("salt", ["", "another key"])
def test_wrong_key(place: Path, made: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, salt: str) -> None:
    """With another key than Flask-Security had, no keyed hash lets anybody in: not by the password, nor by its HMAC."""
    monkeypatch.setenv("SECURITY_PASSWORD_SALT", salt)
    bring(made("flask-security"), "flask-security", cwd=place)

    assert not any(
        log_in(place, [("bcrypt@example.com", password_of("bcrypt")), ("bcrypt@example.com", SALT)]).values()
    )
    assert secrets(place)["bcrypt@example.com"].startswith("$2b$" if not salt else keyed(salt, "$2b$"))
