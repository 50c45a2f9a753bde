"""Migrates a PostgreSQL database."""

from typing import Final

import asyncpg
from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql import server
from ostiary.stores.sql.migrations import config
from ostiary.stores.sql.place import named
from ostiary.stores.sql.schema import see_not_newer

_LOCK: Final = 0x6F737469617279  # "ostiary"
"""Nobody else who takes an advisory lock in the same database is likely to take this one."""


async def upgrade_postgres(url: URL, *, wait: float) -> None:
    """Bring a database to the schema of this version. Who migrates at the same time waits."""
    see_not_newer(await server.revision(url), where=named(url))
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: server.connect(url, patience=wait), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{wait:.0f}s'"))
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))
    except DBAPIError as error:
        match getattr(error.orig, "sqlstate", None):
            case asyncpg.DuplicateTableError.sqlstate:
                raise Misconfigured(
                    f"the database {named(url)} holds tables of something else, named as ours; name another"
                ) from None
            case asyncpg.InsufficientPrivilegeError.sqlstate:
                raise Misconfigured(
                    f"this user may not make tables in the database {named(url)}; make it the owner"
                ) from None
            case _:
                pass
        raise Unavailable(f"the database {named(url)} cannot be migrated now: {error.orig}") from error
