"""Where a PostgreSQL server is, and whether it can be used. Everything wrong is said in one line, with what to do."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from sqlalchemy.engine import URL

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql.place import named
from ostiary.stores.sql.schema import VERSION_TABLE, metadata

OLDEST: Final = 15
"""The oldest PostgreSQL that is known to do."""

_SETTINGS: Final = {
    "application_name": "ostiary",
    "client_encoding": "UTF8",
    # A process that stands still in the middle of a transaction (stopped, swapped out, cut off) must not keep
    # everybody else from the head of the feed.
    "idle_in_transaction_session_timeout": "3s",
    "lock_timeout": "5s",
}


FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver was told a moment ago that the server ends the connection
    OSError,
    TimeoutError,
)
"""What the driver raises when the server, or the way to it, fails."""

_MAY_ALL: Final = """
SELECT bool_and(has_table_privilege(name, privilege))
       AND has_sequence_privilege(pg_get_serial_sequence('events', 'id'), 'USAGE')
FROM unnest($1::text[]) AS name, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
"""


_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""What is acknowledged is on the disk, whatever a role or a database is set to. A stricter setting stays."""


async def connect(url: URL, *, patience: float) -> "asyncpg.Connection[Any]":
    """Connect to a server that takes writes.

    Raises:
        Misconfigured: the user, the password, the database or the server's version will not do.
        Unavailable: nobody answers, or nobody who takes writes.
    """
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=patience,
            command_timeout=patience,
            server_settings=_SETTINGS,
            target_session_attrs=SessionAttribute.read_write,
        )
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        raise Misconfigured(f"the database {named(url)} does not accept this user and password") from None
    except asyncpg.InvalidCatalogNameError:
        raise Misconfigured(f"there is no database {named(url)}; make it with createdb") from None
    except asyncpg.ClientConfigurationError as error:
        raise Misconfigured(f"the store's URL cannot be used: {why(error)}") from None
    except (ValueError, OverflowError):  # its message may repeat the URL
        raise Misconfigured("the store's URL names no host and port that there can be") from None
    except asyncpg.TargetServerAttributeNotMatched:
        raise Unavailable(f"the database {named(url)} takes no writes; name the primary") from None
    except FAILURES as error:
        raise Unavailable(f"the database {named(url)} cannot be reached: {why(error)}") from None
    version = connection.get_server_version()
    if version.major < OLDEST:
        connection.terminate()
        raise Misconfigured(f"the database {named(url)} is PostgreSQL {version.major}; {OLDEST} or later is needed")
    try:
        with answering(url):
            await connection.execute(_DURABLE)
    except BaseException:  # who is cancelled here leaves no connection behind
        connection.terminate()
        raise
    return connection


@asynccontextmanager
async def connected(url: URL, *, patience: float) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """Connect for the length of a block."""
    connection = await connect(url, patience=patience)
    try:
        with answering(url):
            yield connection
    finally:
        connection.terminate()


@contextmanager
def answering(url: URL) -> Generator[None]:
    """Turn the driver's errors into `Unavailable`, in one line."""
    try:
        yield
    except FAILURES as error:
        raise Unavailable(f"the database {named(url)} cannot answer: {why(error)}") from None


async def revision(url: URL, *, patience: float = 10.0) -> str | None:
    """Return the revision of the schema in a database, `None` when it has none of our tables.

    Raises:
        Misconfigured, Unavailable: as `connect`.
    """
    async with connected(url, patience=patience) as connection:
        try:
            found = await connection.fetchval(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - our own name
        except asyncpg.UndefinedTableError:
            return None
        except asyncpg.InsufficientPrivilegeError:
            raise Misconfigured(f"this user may not read the tables of the database {named(url)}") from None
        return None if found is None else str(found)


async def see_rights(url: URL, *, patience: float) -> None:
    """See that this user may read and write all tables. Found at the start, it is not found at the first login.

    Raises:
        Misconfigured: it may not; the message says what to do.
        Unavailable: as `connect`.
    """
    async with connected(url, patience=patience) as connection:
        if not await connection.fetchval(_MAY_ALL, list(metadata.tables)):
            raise Misconfigured(
                f"this user may not write all tables of the database {named(url)}; make it their owner, or grant it "
                "SELECT, INSERT, UPDATE and DELETE on all tables and USAGE on all sequences"
            )


def why(error: BaseException) -> str:
    """Say what a driver's error is, without the values that it may quote."""
    match error:
        case asyncpg.PostgresError(message=str(message)):
            return message
        case OSError(strerror=str(strerror)):
            return strerror
        case TimeoutError():
            return "it does not answer in time"
        case asyncpg.InternalClientError():
            return "it has just ended the connection"
        case _:
            return str(error).partition("\n")[0] or type(error).__name__
