"""Migrates a PostgreSQL database over the driver that the store itself uses."""

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ostiary.stores.sql import server
from ostiary.stores.sql.migrations.postgres import climb, meant
from ostiary.stores.sql.place import named
from ostiary.stores.sql.schema import see_not_newer


async def upgrade_postgres(url: URL, *, wait: float) -> None:
    """Bring a database to the schema of this version. Who migrates at the same time waits."""
    see_not_newer(await server.revision(url), where=named(url))
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: server.connect(url, patience=wait), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: climb(sync, wait=wait))
    except DBAPIError as error:
        raise meant(error, url) from error
