"""Where a PostgreSQL server is, and whether it can be used. Everything wrong is said in one line, with what to do."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from sqlalchemy.engine import URL

from ostiary.errors import Unavailable
from ostiary.stores.sql import terms
from ostiary.stores.sql.place import named
from ostiary.stores.sql.schema import VERSION_TABLE, metadata

_SETTINGS: Final = {"application_name": "ostiary", "client_encoding": "UTF8", **terms.LIMITS}

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver was told a moment ago that the server ends the connection
    OSError,
    TimeoutError,
)
"""What the driver raises when the server, or the way to it, fails."""


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
        raise terms.not_accepted(url) from None
    except asyncpg.InvalidCatalogNameError:
        raise terms.not_there(url) from None
    except asyncpg.ClientConfigurationError as error:
        raise terms.not_usable(why(error)) from None
    except (ValueError, OverflowError):  # its message may repeat the URL
        raise terms.nowhere() from None
    except asyncpg.TargetServerAttributeNotMatched:
        raise terms.takes_no_writes(url) from None
    except FAILURES as error:
        raise Unavailable(f"the database {named(url)} cannot be reached: {why(error)}") from None
    try:
        terms.see_age(url, connection.get_server_version().major)
        with answering(url):
            await connection.execute(terms.DURABLE)
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
            raise terms.not_readable(url) from None
        return None if found is None else str(found)


async def see_rights(url: URL, *, patience: float) -> None:
    """See that this user may read and write all tables. Found at the start, it is not found at the first login.

    Raises:
        Misconfigured: it may not; the message says what to do.
        Unavailable: as `connect`.
    """
    async with connected(url, patience=patience) as connection:
        terms.see_may_all(url, await connection.fetchval(terms.MAY_ALL, list(metadata.tables)))


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
