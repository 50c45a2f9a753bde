"""Where a SQLite file is: who may read it, and what is said of one that cannot be used."""

import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ostiary.errors import Misconfigured, OstiaryError
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.stores.sql.migrations import upgrade
from ostiary.stores.sql.place import sqlite_path
from ostiary.testing.conformance.given import ada, read

NOBODY = 65534
PASS = stat.S_IXGRP | stat.S_IXOTH


@contextmanager
def powerless() -> Generator[None]:
    """Be somebody who owns nothing, if we are root and may do everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


async def refusal(path: Path) -> str:
    """Return what a store says when it is opened on a file that it cannot use. It is always one line."""
    store = SqlStore(sqlite_url(path))
    with pytest.raises(OstiaryError) as refused:
        await store.open()
    await store.close()
    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, Misconfigured)
    return str(refused.value)


class TestPermissions:
    async def test_owner_only(self, tmp_path: Path) -> None:
        """The file and its companions are readable for their owner alone, even if the umask forbids nothing."""
        path = tmp_path / "ostiary.db"
        umask = os.umask(0)
        try:
            store = SqlStore(sqlite_url(path), migrate=True)
            await store.open()
            await ada(store)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
            await store.close()
        finally:
            os.umask(umask)

        assert modes == {"ostiary.db": 0o600, "ostiary.db-wal": 0o600, "ostiary.db-shm": 0o600}

    async def test_own_mode_stays(self, path: Path) -> None:
        """A file that its owner has opened to a group stays as its owner wants it."""
        path.chmod(0o640)
        store = SqlStore(sqlite_url(path), migrate=True)
        await store.open()
        await store.close()

        assert stat.S_IMODE(path.stat().st_mode) == 0o640


class TestUrls:
    @pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?.db", "a#b.db", "ü🦉.db", "a%20b.db", "'.db", "&=.db"])
    async def test_odd_names(self, tmp_path: Path, name: str) -> None:
        """Whatever a file is called, its URL leads to it and to no other."""
        path = tmp_path / name
        assert sqlite_path(sqlite_url(path)) == path
        store = SqlStore(sqlite_url(path), migrate=True)
        await store.open()
        user = await ada(store)

        assert await read(store, lambda tx: tx.users.get("ada")) == user
        assert {each.name.removesuffix("-wal").removesuffix("-shm") for each in tmp_path.iterdir()} == {name}
        await store.close()

    def test_relative(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three slashes begin in the current folder, four at the root, as everywhere in SQLAlchemy's world."""
        monkeypatch.chdir(tmp_path)

        assert sqlite_path("sqlite:///app.db") == tmp_path / "app.db"
        assert sqlite_path("sqlite:////var/lib/app.db") == Path("/var/lib/app.db")
        assert sqlite_path(sqlite_url("app.db")) == tmp_path / "app.db"

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "app.db",
            "/var/lib/app.db",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///a.db?mode=ro",
            "sqlite:///a\0.db",
            "mysql://root:hunter2@db/app",
            "postgres:hunter2",
            "redis://:hunter2@cache",
        ],
    )
    def test_no_file(self, url: str) -> None:
        """A URL that names no SQLite file is refused with an example, and what it holds is not repeated."""
        with pytest.raises(Misconfigured, match=r"use sqlite:////path/to/file\.db$") as refused:
            SqlStore(url)
        assert "hunter2" not in str(refused.value)


@pytest.mark.xdist_group("modes of folders that all tests share")
class TestRefusals:
    async def test_missing_folder(self, tmp_path: Path) -> None:
        """A folder that is not there is named. It is not made: its mode is somebody's decision."""
        path = tmp_path / "no" / "ostiary.db"

        assert await refusal(path) == f"the folder {tmp_path / 'no'} does not exist"
        with pytest.raises(Misconfigured, match="does not exist"):
            upgrade(sqlite_url(path))

    async def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is said to be missing, and is not made."""
        path = tmp_path / "ostiary.db"

        assert await refusal(path) == f"there is no database at {path}; run: ostiary init"
        assert not path.exists()

    async def test_empty_file(self, tmp_path: Path) -> None:
        """An empty file is an empty database."""
        path = tmp_path / "ostiary.db"
        path.touch()

        assert await refusal(path) == f"the database {path} is empty; run: ostiary init"

    async def test_folder(self, tmp_path: Path) -> None:
        """A folder is no file."""
        assert await refusal(tmp_path) == f"{tmp_path} is a folder; name a file in it"

    @pytest.mark.parametrize("content", [b"not a database, but long enough to look at\n" * 100, b"short"])
    async def test_not_a_database(self, tmp_path: Path, content: bytes) -> None:
        """Another kind of file is refused, and stays as it was."""
        path = tmp_path / "ostiary.db"
        path.write_bytes(content)

        assert await refusal(path) == f"{path} is not a database; name another file"
        with pytest.raises(Misconfigured, match="is not a database"):
            upgrade(sqlite_url(path))
        assert path.read_bytes() == content

    async def test_damaged(self, path: Path) -> None:
        """A database whose schema cannot be read is said to be damaged."""
        content = bytearray(path.read_bytes())
        content[100:4096] = b"\xff" * (4096 - 100)
        path.write_bytes(content)

        assert await refusal(path) == f"the database {path} is damaged; restore it from a backup"

    async def test_somebody_elses_database(self, tmp_path: Path) -> None:
        """The database of another application is refused, and gets no tables of ours."""
        path = tmp_path / "app.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE users (id INTEGER)")

        assert await refusal(path) == f"{path} holds the tables of something else; name another file"
        with pytest.raises(Misconfigured, match="something else"):
            upgrade(sqlite_url(path))

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            ("0000", "an older version (0000, not 0003); run: ostiary migrate"),
            ("9999", "a newer version (9999, not 0003); install that version"),
        ],
    )
    async def test_another_version(self, path: Path, found: str, said: str) -> None:
        """A schema of an older or a newer version is refused, and the way out is said."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE ostiary_version SET version_num = ?", [found])
            connection.commit()

        assert await refusal(path) == f"the database {path} is of {said}"

    async def test_newer_version_is_not_migrated(self, path: Path) -> None:
        """A newer schema is never touched by an older version."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE ostiary_version SET version_num = '9999'")
            connection.commit()

        with pytest.raises(Misconfigured, match="newer version"):
            upgrade(sqlite_url(path))

    async def test_read_only_file(self, path: Path) -> None:
        """A file that may only be read is refused at the start, not at the first login."""
        path.parent.chmod(0o777)
        path.chmod(0o444)
        with visible(path), powerless():
            said = await refusal(path)

        assert said == f"{path} and its folder must be writable for this user"

    async def test_read_only_folder(self, path: Path) -> None:
        """A folder in which SQLite could not keep its log is refused at the start."""
        path.chmod(0o666)
        path.parent.chmod(0o555)
        with visible(path), powerless():
            said = await refusal(path)
            with pytest.raises(Misconfigured, match="cannot be made: Permission denied"):
                upgrade(sqlite_url(path.parent / "another.db"))
        path.parent.chmod(0o700)

        assert said == f"{path} and its folder must be writable for this user"

    async def test_out_of_reach(self, path: Path) -> None:
        """A folder that may not be entered is said so."""
        path.parent.chmod(0o000)
        with powerless():
            said = await refusal(path)
        path.parent.chmod(0o700)

        assert said == f"the database {path} cannot be reached: Permission denied"


@contextmanager
def visible(path: Path) -> Generator[None]:
    """Let others through to a file's folder, for as long as the test looks from outside."""
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[1:] if os.geteuid() == 0}
    modes = {folder: mode for folder, mode in modes.items() if mode & PASS != PASS}
    for folder, mode in modes.items():
        folder.chmod(mode | PASS)
    try:
        yield
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)
