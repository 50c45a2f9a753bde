"""The schema in a database is the one the statements are made for, however it came to be."""

import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from ostiary.stores.sql import sqlite_url
from ostiary.stores.sql.migrations import config, upgrade
from ostiary.stores.sql.schema import REVISION, VERSION_TABLE, metadata
from tests.stores.conftest import Start, answer, go


def test_migrated_is_what_is_written_down(path: Path) -> None:
    """A migrated database has exactly the tables, columns, types, indexes and foreign keys of `schema`."""
    engine = create_engine(sqlite_url(path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def test_same_words(path: Path, tmp_path: Path) -> None:
    """What the migrations made and what the metadata would make are the same to the last constraint.

    Only the order of the columns may differ: a later step adds its own at the end.
    """
    made = tmp_path / "made.db"
    engine = create_engine(sqlite_url(made))
    metadata.create_all(engine)
    engine.dispose()

    assert words(path) - {(VERSION_TABLE,)} == words(made)


def test_newest_revision() -> None:
    """`REVISION` is the newest step, and the steps are one line without a fork."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(config(connection))
    engine.dispose()

    assert scripts.get_heads() == [REVISION]
    assert sorted(step.revision for step in scripts.walk_revisions()) == [
        f"{n + 1:04}" for n in range(len(list(scripts.walk_revisions())))
    ]


def test_migrated_twice(path: Path) -> None:
    """To migrate again changes nothing: neither the schema, nor what is stored, nor the feed's incarnation."""
    before = dump(path)
    upgrade(sqlite_url(path))

    assert dump(path) == before


def test_incarnations(tmp_path: Path) -> None:
    """Each database has an incarnation of its own, long enough not to meet another by chance."""
    incarnations: set[str] = set()
    for name in ("a", "b", "c"):
        upgrade(sqlite_url(tmp_path / name))
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            incarnations |= {row[0] for row in connection.execute("SELECT incarnation FROM feed_head")}

    assert len(incarnations) == 3
    assert min(len(incarnation) for incarnation in incarnations) >= 32


def test_two_processes(tmp_path: Path, start: Start) -> None:
    """Processes that migrate the same new file at the same time all succeed, and it is migrated once."""
    migrating = [start("migrate") for _ in range(3)]
    assert [answer(child) for child in migrating] == ["ready"] * 3
    for child in migrating:
        go(child)

    assert [answer(child) for child in migrating] == ["done"] * 3
    with closing(sqlite3.connect(tmp_path / "ostiary.db")) as connection:
        assert connection.execute("SELECT count(*) FROM feed_head").fetchall() == [(1,)]
        assert connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(REVISION,)]  # noqa: S608


def test_failed_migration(tmp_path: Path) -> None:
    """A migration that fails leaves nothing: no table, and no version."""
    path = tmp_path / "ostiary.db"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None))
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:  # noqa: PT012 - the block is what fails
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        metadata.create_all(connection)
        raise ZeroDivisionError
    engine.dispose()

    assert words(path) == set()


def test_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """A migration prints nothing and leaves the application's loggers alone."""
    before = logging.getLogger().handlers[:]
    upgrade(sqlite_url(tmp_path / "ostiary.db"))

    assert logging.getLogger().handlers == before
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def words(path: Path) -> set[tuple[str, ...]]:
    """Return what makes each table and index, in one spelling and one order."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(VERSION_TABLE,) if name == VERSION_TABLE else _clauses(sql) for name, sql in rows}


def _clauses(sql: str) -> tuple[str, ...]:
    head, _, body = " ".join(sql.split()).removesuffix(")").partition("(")
    return (head.strip(), *sorted(part.strip() for part in re.split(r",(?![^(]*\))", body)))


def dump(path: Path) -> list[str]:
    """Return everything that is in a database."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())
