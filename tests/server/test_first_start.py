"""The first start makes everything, and what cannot be used is said in one line."""

import os
import socket
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ostiary.keys.master import make_master_key, read_master_key
from ostiary.stores.sql.migrations import upgrade
from ostiary.stores.sql.place import sqlite_url
from ostiary.stores.sql.schema import VERSION_TABLE
from ostiary.system import SystemEntropy
from tests.server.running import free_port, here, ostiary

COMPANIONS = {"ostiary.db-wal", "ostiary.db-shm"}
"""What SQLite leaves when two connections close at the same moment."""


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_what_init_makes(tmp_path: Path) -> None:
    """The first start makes folder, database and keys for their owner alone; the second changes nothing."""
    before = os.umask(0)
    try:
        first = ostiary("init", "--data", "deep/down", cwd=tmp_path)
    finally:
        os.umask(before)
    data = tmp_path / "deep" / "down"
    made = {path.name: mode(path) for path in data.iterdir()}
    key = (data / "ostiary.db.key").read_bytes()
    second = ostiary("init", "--data", "deep/down", cwd=tmp_path)

    assert (first.returncode, first.stderr) == (0, "")
    assert mode(data) == 0o700
    assert made == {"ostiary.db": 0o600, "ostiary.db.key": 0o600}
    assert first.stdout == f"made {data}/ostiary.db and {data}/ostiary.db.key\n"
    assert second.stdout == f"everything was there already: {data}/ostiary.db and {data}/ostiary.db.key\n"
    assert (data / "ostiary.db.key").read_bytes() == key


def _an_empty_file(data: Path) -> None:
    (data / "ostiary.db").touch(0o600)


def _no_tables(data: Path) -> None:
    with closing(sqlite3.connect(data / "ostiary.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    assert (data / "ostiary.db").stat().st_size == 4096


def _tables_and_no_keys(data: Path) -> None:
    upgrade(sqlite_url(data / "ostiary.db"))


def _only_the_key_file(data: Path) -> None:
    make_master_key(data / "ostiary.db.key", entropy=SystemEntropy())


def _all_but_the_keys(data: Path) -> None:
    _tables_and_no_keys(data)
    _only_the_key_file(data)


@pytest.mark.parametrize(
    "killed",
    [_an_empty_file, _no_tables, _tables_and_no_keys, _only_the_key_file, _all_but_the_keys],
    ids=lambda killed: killed.__name__.strip("_"),
)
def test_a_first_start_that_was_killed(tmp_path: Path, killed: Callable[[Path], None]) -> None:
    """Wherever `kill -9` ended the first start, the second one makes what is missing and touches no key file."""
    data, key_file = tmp_path / "data", tmp_path / "data" / "ostiary.db.key"
    data.mkdir(0o700)
    killed(data)
    key = key_file.read_bytes() if key_file.exists() else None

    done = here("init", "--data", "data", cwd=tmp_path)
    keys = msgspec.json.decode(here("keys", "list", "--data", "data", "--json", cwd=tmp_path).stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(key["purpose"] for key in keys) == ["access", "csrf", "device", "session"]
    assert key_file.read_bytes() == key or key is None


def test_a_draft_that_was_left(tmp_path: Path) -> None:
    """A draft of a key file that a killed process left is in nobody's way, not even in that of the same process id."""
    for name in (f"ostiary.db.key.{os.getpid()}.new", "ostiary.db.key.new"):
        (tmp_path / name).touch()

    make_master_key(tmp_path / "ostiary.db.key", entropy=SystemEntropy())

    read_master_key(tmp_path / "ostiary.db.key", entropy=SystemEntropy())
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["a%20b", "a?b", "a#b", "a b", "ü&c"])
def test_a_folder_with_a_strange_name(tmp_path: Path, name: str) -> None:
    """Whatever the data folder is called, every command means the same database."""
    data = tmp_path / name
    made = here("init", "--data", name, cwd=tmp_path)
    migrated = here("migrate", "--data", name, cwd=tmp_path)
    looked = here("check", "--data", name, "--json", cwd=tmp_path)
    by_url = here("users", "list", "--store", sqlite_url(data / "ostiary.db"), cwd=tmp_path)

    assert (made.returncode, migrated.returncode, by_url.returncode) == (0, 0, 0)
    assert f"the database {data}/ostiary.db has the schema of this version" in [
        finding["sentence"] for finding in msgspec.json.decode(looked.stdout)["findings"]
    ]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in data.iterdir()} - COMPANIONS == {"ostiary.db", "ostiary.db.key"}


def _others_can_reach_it(data: Path) -> str:
    data.chmod(0o755)
    return f"the data folder {data} can be reached by others; run: chmod 700 {data}"


def _a_file_in_its_place(data: Path) -> str:
    for path in data.iterdir():
        path.unlink()
    data.rmdir()
    data.write_text("")
    return f"{data} is not a folder; name another with --data"


def _not_a_database(data: Path) -> str:
    (data / "ostiary.db").write_bytes(b"this is a letter to my aunt" * 1000)
    return f"{data}/ostiary.db is not a database; name another file"


def _a_damaged_database(data: Path) -> str:
    with (data / "ostiary.db").open("r+b") as file:
        file.seek(100)
        file.write(b"\xee" * 3000)
    return f"the database {data}/ostiary.db is damaged; restore it from a backup"


def _somebody_elses_database(data: Path) -> str:
    (data / "ostiary.db").unlink()
    with sqlite3.connect(data / "ostiary.db") as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    return f"{data}/ostiary.db holds the tables of something else; name another file"


def _a_newer_schema(data: Path) -> str:
    _set_revision(data, "9999")
    return f"the database {data}/ostiary.db is of a newer version (9999, not "


def _an_older_schema(data: Path) -> str:
    _set_revision(data, "0000")
    return f"the database {data}/ostiary.db is of an older version (0000, not "


def _no_key_file(data: Path) -> str:
    (data / "ostiary.db.key").unlink()
    return f"the key file {data}/ostiary.db.key is missing; without it nothing that was issued can be checked"


def _another_key_file(data: Path) -> str:
    (data / "ostiary.db.key").write_text("1 " + "A" * 43 + "\n")
    return "the "  # and the key that does not open


def _no_key_file_at_all(data: Path) -> str:
    (data / "ostiary.db.key").write_text("my secret\n")
    return f"the key file {data}/ostiary.db.key is not a key file of Ostiary"


def _a_key_file_for_all(data: Path) -> str:
    (data / "ostiary.db.key").chmod(0o640)
    return f"the key file {data}/ostiary.db.key can be read or written by others; run: chmod 600 {data}/ostiary.db.key"


def _set_revision(data: Path, revision: str) -> None:
    with sqlite3.connect(data / "ostiary.db") as database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (revision,))  # noqa: S608 - our own name
    database.close()


BROKEN = (
    _others_can_reach_it,
    _a_file_in_its_place,
    _not_a_database,
    _a_damaged_database,
    _somebody_elses_database,
    _a_newer_schema,
    _an_older_schema,
    _no_key_file,
    _another_key_file,
    _no_key_file_at_all,
    _a_key_file_for_all,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__.strip("_"))
def test_a_place_that_cannot_be_used(tmp_path: Path, broken: Callable[[Path], str]) -> None:
    """A service that cannot use what it finds says so in one line and does not start; it mends nothing by itself."""
    data = tmp_path / "data"
    assert here("init", "--data", "data", cwd=tmp_path).returncode == 0
    line = broken(data)

    done = here("serve", "--data", "data", "--port", str(free_port()), cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ostiary: {line}")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_another_key_file_says_what_to_do(tmp_path: Path) -> None:
    """A key file of another store is named as such, so that nobody deletes the database in despair."""
    assert here("init", "--data", "data", cwd=tmp_path).returncode == 0
    _another_key_file(tmp_path / "data")

    done = here("keys", "list", "--data", "data", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.endswith("this is not the key file of this store; put back the right one\n")
    assert done.stderr.count("\n") == 1


def test_a_taken_port(tmp_path: Path) -> None:
    """A port that somebody listens on is refused, even by one who would share it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        done = ostiary("serve", "--data", "data", "--port", str(port), cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ostiary: port {port} of 127.0.0.1 is taken already; choose another with --port\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--host", "no.such.host.invalid"],
            "the host 'no.such.host.invalid' is not known; --host takes an address or",
        ),
        (["--host", "192.0.2.1"], "192.0.2.1 is not an address of this machine; choose another with --host"),
        (["--port", "http"], "--port must be a whole number, not the text 'http'"),
        (["--workers", "0"], "--workers must be from 1 to 256, not 0"),
        (["--data", "/proc/data"], "cannot make the data folder /proc/data: "),
        (["--store", "sqlite:////nowhere/x.db"], "the folder /nowhere does not exist"),
        (["--issuer", "http://id.example"], "--issuer cannot be used: the issuer 'http://id.example' must be https://"),
        (["--config", "gone.toml"], "cannot read the settings file "),
    ],
)
def test_words_that_cannot_be_used(tmp_path: Path, arguments: list[str], line: str) -> None:
    """Whatever is wrong with the words of the command is one line, never a traceback."""
    done = here("serve", "--data", "data", "--port", str(free_port()), *arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ostiary: {line}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["users", "list"], ["migrate"], ["sessions", "list"], ["keys", "rotate"]])
def test_before_the_first_start(tmp_path: Path, command: list[str]) -> None:
    """A command that needs a store makes none: a misspelt folder would look like an empty service."""
    done = here(*command, "--data", "data", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ostiary: there is no data folder {tmp_path}/data; run: ostiary init\n"
    assert not (tmp_path / "data").exists()
