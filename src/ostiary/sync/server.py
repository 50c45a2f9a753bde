"""A PostgreSQL server without an event loop: how it is reached through psycopg, and what its failures mean here."""

import math
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy.engine import URL

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql import terms
from ostiary.stores.sql.place import named
from ostiary.stores.sql.schema import VERSION_TABLE, metadata
from ostiary.sync.threads import left

try:
    import psycopg
    from psycopg.rows import TupleRow
except ModuleNotFoundError:
    raise Misconfigured("install ostiary[psycopg]: it brings the driver for PostgreSQL") from None

FAILURES: Final = (psycopg.Error, OSError)
"""What the driver raises when the server, or the way to it, fails."""

_SETTINGS: Final = "; ".join([f"SET {name} = '{value}'" for name, value in terms.LIMITS.items()] + [terms.DURABLE])

Result = TypeVar("Result")


class Connection(psycopg.Connection[TupleRow]):
    """A connection that waits no longer than it was told to. One on which a wait ended is of no use any more."""

    patience: float = math.inf

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the driver's own, of each version
        """Let the driver wait for the socket, but not for ever."""
        return super().wait(_bounded(gen, time.monotonic() + left(self.patience)), *args, **kwargs)


def _bounded(steps: Generator[Any, Any, Result], end: float) -> Generator[Any, Any, Result]:
    """Go through what the driver does. It looks up a few times a second while there is no answer."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= end:
                raise TimeoutError
            wanted = steps.send(ready)
    except StopIteration as over:
        return over.value  # type: ignore[no-any-return]


def connect(url: URL, *, patience: float) -> Connection:
    """Connect to a server that takes writes.

    Raises:
        Misconfigured: the user, the password, the database or the server's version will not do.
        Unavailable: nobody answers, or nobody who takes writes.
    """
    try:
        connection = Connection.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False),
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            application_name="ostiary",
            client_encoding="UTF8",
            connect_timeout=math.ceil(left(patience)),
            target_session_attrs="read-write",
            # A way that was cut is noticed by the system. Nobody has to ask on a connection that only listens.
            keepalives_idle=5,
            keepalives_interval=1,
            keepalives_count=3,
        )
    except (psycopg.ProgrammingError, ValueError, OverflowError):  # its message may repeat the URL
        raise terms.nowhere() from None
    except FAILURES as error:
        raise _meant(error, url) from None
    connection.patience = patience
    try:
        terms.see_age(url, connection.info.server_version // 10_000)
        with answering(url):
            connection.execute(_SETTINGS.encode())
    except BaseException:
        connection.close()
        raise
    return connection


def _meant(error: Exception, url: URL) -> Misconfigured | Unavailable:
    """Say why nobody let us in. The driver has no code for that, only the server's sentence."""
    said = str(error)
    refused = said.partition("FATAL:")[2]
    if "password" in refused or "role " in refused or "no password supplied" in said:
        return terms.not_accepted(url)
    if "database " in refused and "does not exist" in refused:
        return terms.not_there(url)
    if said.startswith("connection is bad: invalid"):  # it did not even try
        return terms.not_usable(said.partition(": ")[2])
    if "session is read-only" in said or "hot standby" in said:
        return terms.takes_no_writes(url)
    return Unavailable(f"the database {named(url)} cannot be reached: {why(error)}")


@contextmanager
def answering(url: URL) -> Generator[None]:
    """Turn the driver's errors into `Unavailable`, in one line."""
    try:
        yield
    except FAILURES as error:
        raise Unavailable(f"the database {named(url)} cannot answer: {why(error)}") from None


def revision(url: URL, *, patience: float) -> str | None:
    """Return the revision of the schema in a database, `None` when it has none of our tables.

    Raises:
        Misconfigured, Unavailable: as `connect`.
    """
    with closing(connect(url, patience=patience)) as connection, answering(url):
        try:
            found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}".encode()).fetchone()  # noqa: S608 - ours
        except psycopg.errors.UndefinedTable:
            return None
        except psycopg.errors.InsufficientPrivilege:
            raise terms.not_readable(url) from None
        return None if found is None else str(found[0])


def see_rights(url: URL, *, patience: float) -> None:
    """See that this user may read and write all tables. Found at the start, it is not found at the first login.

    Raises:
        Misconfigured: it may not; the message says what to do.
        Unavailable: as `connect`.
    """
    with closing(connect(url, patience=patience)) as connection, answering(url):
        found = connection.execute(terms.MAY_ALL.encode(), [list(metadata.tables)]).fetchone()
    terms.see_may_all(url, found and found[0])


def why(error: BaseException) -> str:
    """Say what a driver's error is, without the values that it may quote."""
    match error:
        case psycopg.Error(diag=psycopg.errors.Diagnostic(message_primary=str(message))):
            return message
        case TimeoutError() | psycopg.errors.ConnectionTimeout():
            return "it does not answer in time"
        case OSError(strerror=str(strerror)):
            return strerror
        case _:
            return str(error).partition("\n")[0] or type(error).__name__
