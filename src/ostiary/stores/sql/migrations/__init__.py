"""Brings the schema of a database to this version. Each step in `versions/` stays as it is for ever."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ostiary.errors import Unavailable
from ostiary.stores.sql import place
from ostiary.stores.sql.schema import see_not_newer

WAIT_SECONDS: Final = 30.0
"""How long to wait for another process that migrates the same database."""


def upgrade(url: str) -> None:
    """Bring a database to the schema of this version, and make it if it is not there. Done already is done well.

    All steps are one transaction that nobody can enter: of two processes that migrate at once, the second finds nothing
    left to do. It runs an event loop of its own for PostgreSQL, so it is called from none.

    Raises:
        Misconfigured: the place cannot be used, or its schema is of a newer version.
        Unavailable: the database did not answer.
    """
    if place.is_postgres(url):
        from ostiary.stores.sql.migrations.by_asyncpg import upgrade_postgres  # noqa: PLC0415 - its driver is an extra

        asyncio.run(upgrade_postgres(place.postgres_url(url), wait=WAIT_SECONDS))
    else:
        upgrade_sqlite(place.sqlite_path(url))


def upgrade_sqlite(path: Path) -> None:
    """Bring a file to the schema of this version, and make it if it is not there."""
    place.make(path)
    see_not_newer(place.revision(path), where=str(path))
    engine = create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver itself begins nothing
            command.upgrade(config(connection), "head")
    except DBAPIError as error:
        raise Unavailable(f"the database {path} cannot be migrated now: {error.orig}") from error


def config(connection: Connection) -> Config:
    """Return what Alembic needs to know: where its scripts are, and on which connection to work."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(place.uri(path), uri=True, timeout=WAIT_SECONDS, isolation_level=None)
    deadline = time.monotonic() + WAIT_SECONDS
    while not _in_wal_mode(connection):
        if time.monotonic() >= deadline:
            connection.close()
            raise sqlite3.OperationalError("another process keeps it locked")
        time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _in_wal_mode(connection: sqlite3.Connection) -> bool:
    # The one statement that SQLite does not wait for when another process has the file open.
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if place.primary(error) == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
