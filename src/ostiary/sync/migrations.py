"""Brings the schema of a database to this version, over the driver of the twin."""

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ostiary.stores.sql import place
from ostiary.stores.sql.migrations import WAIT_SECONDS, upgrade_sqlite
from ostiary.stores.sql.schema import see_not_newer


def upgrade(url: str) -> None:
    """Bring a database to the schema of this version: see `ostiary.stores.sql.migrations.upgrade`.

    Raises:
        Misconfigured: the place cannot be used, or its schema is of a newer version.
        Unavailable: the database did not answer.
    """
    if place.is_postgres(url):
        _upgrade_postgres(url)
    else:
        upgrade_sqlite(place.sqlite_path(url))


def _upgrade_postgres(url: str) -> None:
    import psycopg

    from ostiary.stores.sql.migrations.postgres import climb, meant
    from ostiary.sync import server

    where = place.postgres_url(url)
    see_not_newer(server.revision(where, patience=WAIT_SECONDS), where=place.named(where))

    def connect() -> server.Connection:
        connection = server.connect(where, patience=WAIT_SECONDS)
        connection.autocommit, connection.cursor_factory = False, psycopg.Cursor  # as SQLAlchemy expects
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            climb(connection, wait=WAIT_SECONDS)
    except DBAPIError as error:
        raise meant(error, where) from error
