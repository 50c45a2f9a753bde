"""`ostiary import`: databases that the real libraries made come in whole, and nobody has to choose a new password."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ostiary import Auth
from ostiary.errors import Refused
from tests.arriving.making import PASSWORD, SALT
from tests.server.running import ostiary

ROOT = Path(__file__).parents[2]

SOURCES: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    # what is said with the command, who logs in afterwards with which roles, and who does not
    "django": (
        (),
        {
            **{
                f"{name}@example.com": ("editors", "heads-of-desk")
                for name in (
                    "pbkdf2_sha256",
                    "pbkdf2_sha1",
                    "argon2",
                    "bcrypt_sha256",
                    "bcrypt",
                    "scrypt",
                    "md5",
                )
            },
            "chief@example.com": ("staff", "superuser"),
        },
        ("no-password@example.com", "inactive@example.com"),
    ),
    "fastapi-users": (
        (),
        {"argon2@example.com": (), "bcrypt@example.com": (), "chief@example.com": ("superuser",)},
        ("inactive@example.com",),
    ),
    "flask-security": (
        (),
        {f"{name}@example.com": ("editors",) for name in ("argon2", "bcrypt", "pbkdf2_sha512")},
        ("inactive@example.com",),
    ),
    "flask-login": (
        ("--table", "people", "--email", "mail", "--password", "hash", "--name", "called"),
        {f"{name}@example.com": () for name in ("scrypt", "pbkdf2", "pbkdf2-sha1-1000", "scrypt-1024-8-1")},
        (),
    ),
}


def bring(place: str, source: str, *more: str, cwd: Path, salt: str | None = SALT) -> dict[str, Any]:
    """Bring accounts in, and return the report."""
    environ = {"SECURITY_PASSWORD_SALT": salt} if salt is not None else {}
    done = ostiary(
        "import", "--data", "data", "--json", "--yes", "--from", source, place, *more, cwd=cwd, environ=environ
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the data of a service in it."""
    assert ostiary("init", "--data", "data", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize("source", SOURCES)
async def test_everybody_comes_along(here: Path, source: str) -> None:
    """Every user of a real database logs in with the old password and has the old roles; nobody else gets in."""
    more, in_after, out_after = SOURCES[source]
    subprocess.run(
        [sys.executable, "-m", "tests.arriving.making", source, here / "theirs.db"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    theirs = f"sqlite:///{here / 'theirs.db'}"
    first = bring(theirs, source, *more, cwd=here)
    again = bring(theirs, source, *more, "--dry-run", cwd=here)

    assert first["accounts"]["came"] >= len(in_after)
    assert "came" not in again["accounts"]
    async with Auth.embedded(here / "data" / "ostiary.db", issuer="http://localhost:8000").running() as auth:
        for address, roles in in_after.items():
            proof = await auth.prove(address, PASSWORD)
            account = await auth.accounts.find(address)
            assert account
            assert (account.user.id, account.user.roles) == (proof.user_id, roles)
            with pytest.raises(Refused):
                await auth.prove(address, "another password")
        for address in out_after:
            with pytest.raises(Refused):
                await auth.prove(address, PASSWORD)
    with closing(sqlite3.connect(here / "data" / "ostiary.db")) as ours:
        hashed = (
            "SELECT count(*) FROM credentials JOIN identifiers USING (user_id) WHERE secret LIKE '$argon2id$v=19$m=19%'"
        )
        assert ours.execute(hashed).fetchone()[0] >= len(in_after)


def test_broken_rows(here: Path) -> None:
    """A broken row is reported by its line and stops nobody else."""
    (here / "theirs.csv").write_text(
        "email,name,password,roles,verified,created_at\n"
        "ada@example.com,Ada,,admin,true,2020-01-02\n"
        "no address,,,,,\n"
        "bob@example.com,Bob,$2b$99$no,,maybe,\n"
        "eve@example.com,Eve,too,many,values,here,and,more\n"
        'cyd@example.com,"Cyd\x07",,,,\n'
        "ADA@example.com,Ada again,,,,\n"
        "dot@example.com,Dot,,,,not a date\n"
        "fay@example.com,Fay,,,,\n"
    )

    report = bring("theirs.csv", "csv", cwd=here)
    listed = json.loads(ostiary("users", "list", "--data", "data", "--json", cwd=here).stdout)

    assert [row["row"] for row in report["rows"] if "came without" not in row["why"]] == [
        f"line {n}" for n in (3, 4, 5, 6, 8)
    ]
    assert sorted(user["email"] for user in listed) == ["ada@example.com", "fay@example.com"]
    assert next(user for user in listed if user["email"] == "ada@example.com")["created_at"].startswith("2020-01-02")


def test_nobody_is_overwritten(here: Path) -> None:
    """Who is here already stays as they are, password and roles included."""
    assert (
        ostiary(
            "users", "add", "ada@example.com", "--data", "data", cwd=here, stdin="a lantern in the harbour\n"
        ).returncode
        == 0
    )
    (here / "theirs.csv").write_text("email,roles\nAda@Example.com,admin\n")

    report = bring("theirs.csv", "csv", cwd=here)
    listed = json.loads(ostiary("users", "list", "--data", "data", "--json", cwd=here).stdout)

    assert report["accounts"] == {"was here already, and is as it was": 1}
    assert [user["roles"] for user in listed] == [[]]


@pytest.mark.parametrize(
    ("source", "place", "says"),
    [
        ("django", "nowhere", "this is no URL of a database"),
        ("django", "mysql://localhost/x", "mysql cannot be read"),
        ("django", "sqlite:///empty.db", "there is no table auth_user"),
        ("flask-security", "sqlite:///empty.db", "SECURITY_PASSWORD_SALT"),
        ("csv", "nowhere.csv", "No such file"),
        ("csv", "odd.csv", "a column 'phone' that is not known"),
        ("elsewhere", "x", "one of django"),
    ],
)
def test_nothing_to_read(here: Path, source: str, place: str, says: str) -> None:
    """What cannot be read is said in one line, and nothing is changed."""
    (here / "odd.csv").write_text("email,phone\n")
    done = ostiary("import", "--data", "data", "--yes", "--from", source, place, cwd=here)

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_many(here: Path) -> None:
    """Thousands come in a few hundred at a time, and an interrupted import is simply begun again."""
    lines = [f"user{n}@example.com,,,,,\n" for n in range(3000)]
    header = "email,name,password,roles,verified,created_at\n"
    (here / "first.csv").write_text(header + "".join(lines[:1700]))
    (here / "all.csv").write_text(header + "".join(lines))
    bring("first.csv", "csv", cwd=here)
    report = bring("all.csv", "csv", cwd=here)

    assert sorted(report["accounts"].values()) == [1300, 1700]
