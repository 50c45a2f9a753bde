"""`ostiary import --from csv`, and rows that are broken: each is named, and stops nobody else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.arriving.bringing import bring, listed, log_in
from tests.server.running import here as ostiary

HEADER = "email,name,password,roles,verified,created_at\n"


def test_broken_lines(place: Path) -> None:
    """A broken row is reported by its line and stops nobody else; a dry run reports the same and changes nothing."""
    lines = [
        b"ada@example.com,Ada,,admin author,true,2020-01-02",
        b"no address,,,,,",
        b"bob@example.com,Bob,,,maybe,",
        b"eve@example.com,Eve,too,many,values,here,and,more",
        b"few@example.com,Few",
        b'"cut@example.com,Cut,,,,',
        b'bell@example.com,"Bell\x07",,,,',
        b"J\xf6rg@example.com,,,,,",
        b"long@example.com," + b"x" * 300_000 + b",,,,",
        b"ADA@example.com,Ada again,,,,",
        b"dot@example.com,Dot,,,,not a date",
        b"end@example.com,End,,,,0001-01-01T00:00:00+14:00",
        b"",
        b"two@example.com,Two,,a" + b"b" * 64 + b",,",
        b"bad@example.com,Bad,$2b$99$no,,,",
        b"fay@example.com,Fay,,,,",
    ]
    (place / "theirs.csv").write_bytes(HEADER.encode() + b"\r\n".join(lines))
    dry = bring("theirs.csv", "csv", "--dry-run", cwd=place)
    nobody = listed(place)
    report = bring("theirs.csv", "csv", cwd=place)
    users = listed(place)

    assert nobody == []
    assert (dry["done"], report["done"]) == (False, True)
    assert (dry["rows"], dry["accounts"]) == (report["rows"], report["accounts"])
    assert [row["row"] for row in report["rows"] if not row["why"].startswith("came")] == [
        f"line {n}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15)
    ]
    assert [user["email"] for user in users] == ["ada@example.com", "bad@example.com", "fay@example.com"]
    assert (users[0]["roles"], users[0]["created_at"][:10]) == (["admin", "author"], "2020-01-02")
    assert {row["row"]: row["why"].partition(":")[0] for row in report["rows"] if row["why"].startswith("came")} == {
        "line 2": "came; it has no password",
        "line 16": "came without its password",
        "line 17": "came; it has no password",
    }


def test_broken_rows_of_a_database(place: Path) -> None:
    """A row of a database whose values are of no use is reported by its id and stops nobody else."""
    theirs = place / "theirs.db"
    with closing(sqlite3.connect(theirs)) as connection, connection:
        connection.execute(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT, hashed_password TEXT, is_active BOOLEAN,"
            " is_superuser BOOLEAN, is_verified BOOLEAN, created_at DATETIME)"
        )
        rows = [
            (1, "ada@example.com", None, 1, 0, 1, "no moment"),
            (2, None, None, 1, 0, 1, None),
            (3, b"\xff@example.com", "x", 1, 0, 1, None),
            (4, "bob@example.com", b"\xff\x00", 1, 0, 1, 7),
            (5, "\0@example.com", None, 1, 0, 1, None),
            (6, "fay@example.com", None, None, None, None, "2020-01-02 03:04:05.000006"),
        ]
        connection.executemany("INSERT INTO user VALUES (?, CAST(? AS TEXT), ?, ?, ?, ?, ?)", rows)
    before = theirs.read_bytes()
    report = bring(f"sqlite:///{theirs}", "fastapi-users", cwd=place)
    users = listed(place)

    assert [row["row"] for row in report["rows"] if not row["why"].startswith("came")] == ["user 2", "user 3", "user 5"]
    assert [user["email"] for user in users] == ["ada@example.com", "bob@example.com", "fay@example.com"]
    assert users[2]["disabled_at"] is not None
    assert theirs.read_bytes() == before
    assert [each.name for each in place.iterdir() if each.name.startswith("theirs.db")] == ["theirs.db"]


def test_nobody_is_overwritten(place: Path) -> None:
    """Who is here already stays as they are, password and roles included."""
    added = ostiary("users", "add", "ada@example.com", "--data", "data", cwd=place, stdin="a lantern in the harbour\n")
    assert added.returncode == 0
    (place / "theirs.csv").write_text("email,roles\nAda@Example.com,admin\n")
    report = bring("theirs.csv", "csv", cwd=place)

    assert report == {"done": True, "accounts": {"was here already, and is as it was": 1}, "rows": []}
    assert [user["roles"] for user in listed(place)] == [[]]
    assert all(log_in(place, [("ada@example.com", "a lantern in the harbour")]).values())


@pytest.mark.parametrize(
    ("source", "theirs", "says"),
    [
        ("django", "nowhere", "this is no URL of a database"),
        ("django", "mysql://localhost/x", "mysql cannot be read"),
        ("django", "sqlite:///nowhere.db", "there is no file nowhere.db"),
        ("django", "sqlite:///empty.db", "there is no table auth_user"),
        ("django", "sqlite:///odd.csv", "file is not a database"),
        ("django", "postgresql://ada:a-secret@127.0.0.1:1/x", "cannot read postgresql+psycopg://ada:***@127.0.0.1:1/x"),
        ("flask-security", "sqlite:///empty.db", "SECURITY_PASSWORD_SALT"),
        ("csv", "nowhere.csv", "No such file"),
        ("csv", "empty.db", "has no column email"),
        ("csv", "odd.csv", "a column 'phone' that is not known"),
        ("csv", "twice.csv", "has a column twice"),
        ("elsewhere", "x", "one of django"),
    ],
)
def test_nothing_to_read(place: Path, monkeypatch: pytest.MonkeyPatch, source: str, theirs: str, says: str) -> None:
    """What cannot be read is said in one line, without its password, and nothing is changed or made."""
    monkeypatch.delenv("SECURITY_PASSWORD_SALT")
    (place / "odd.csv").write_text("email,phone\n" + "x" * 5000)
    (place / "twice.csv").write_text("email,email\n")
    (place / "empty.db").touch()
    before = sorted(each.name for each in place.iterdir())
    done = ostiary("import", "--data", "data", "--yes", "--from", source, theirs, cwd=place)

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "a-secret" not in done.stderr
    assert not done.stdout
    assert sorted(each.name for each in place.iterdir()) == before


def test_asked_first(place: Path) -> None:
    """Without a word of the operator nothing comes: what would come is said, and then it is asked."""
    (place / "theirs.csv").write_text("email\nada@example.com\n")
    done = ostiary("import", "--data", "data", "--from", "csv", "theirs.csv", cwd=place)

    assert done.returncode == 1
    assert "came; it has no password" in done.stdout
    assert "Bring in 1 accounts?" in done.stderr
    assert listed(place) == []
