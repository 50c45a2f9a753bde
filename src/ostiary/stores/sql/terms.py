"""What we ask of a PostgreSQL server, and what we say when it will not do. Whatever driver carries it."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import URL

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql.place import named

OLDEST: Final = 15
"""The oldest PostgreSQL that is known to do."""

POSTGRESQL: Final[Any] = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
"""How statements are written: with `$1` for a value, as the server itself reads it."""

CHANNEL: Final = "ostiary_feed"
"""What is notified when the feed has grown."""

READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"  # not READ WRITE: that would overrule a read-only server

READING: Final = 2
"""Connections that are left to those who read, and so to the follower, however many wait for a row that is held."""

LIMITS: Final = {
    # A process that stands still in the middle of a transaction (stopped, swapped out, cut off) must not keep
    # everybody else from the head of the feed.
    "idle_in_transaction_session_timeout": "3s",
    "lock_timeout": "5s",
}

DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""What is acknowledged is on the disk, whatever a role or a database is set to. A stricter setting stays."""

MAY_ALL: Final = """
SELECT bool_and(has_table_privilege(name, privilege))
       AND has_sequence_privilege(pg_get_serial_sequence('events', 'id'), 'USAGE')
FROM unnest($1::text[]) AS name, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
"""

GIVEN_UP: Final = "the store cannot answer: the transaction was given up"


def can_be_sent(arguments: Sequence[object], *, keeps: bool) -> bool:
    """Tell whether PostgreSQL has all these texts. What it has not is called by nothing there, and cannot be kept."""
    for argument in arguments:
        if isinstance(argument, str) and not argument.isascii():
            try:
                argument.encode()
            except UnicodeEncodeError:
                if keeps:
                    raise
                return False
        if isinstance(argument, str) and "\0" in argument:
            if keeps:
                raise ValueError("a text with a NUL cannot be kept")
            return False
    return True


# ------------------------------------------------------------------------------------------------ what will not do


def not_accepted(url: URL) -> Misconfigured:
    """Say that the user or the password is wrong."""
    return Misconfigured(f"the database {named(url)} does not accept this user and password")


def not_there(url: URL) -> Misconfigured:
    """Say that the server has no such database."""
    return Misconfigured(f"there is no database {named(url)}; make it with createdb")


def nowhere() -> Misconfigured:
    """Say that the URL leads nowhere. It is not repeated: it may hold a password."""
    return Misconfigured("the store's URL names no host and port that there can be")


def not_usable(why: str) -> Misconfigured:
    """Say that the URL asks for something that there is not."""
    return Misconfigured(f"the store's URL cannot be used: {why}")


def takes_no_writes(url: URL) -> Unavailable:
    """Say that the server is a standby, or read-only."""
    return Unavailable(f"the database {named(url)} takes no writes; name the primary")


def not_readable(url: URL) -> Misconfigured:
    """Say that the tables are somebody else's."""
    return Misconfigured(f"this user may not read the tables of the database {named(url)}")


def see_age(url: URL, major: int) -> None:
    """See that the server is new enough.

    Raises:
        Misconfigured: it is not.
    """
    if major < OLDEST:
        raise Misconfigured(f"the database {named(url)} is PostgreSQL {major}; {OLDEST} or later is needed")


def see_may_all(url: URL, may: object) -> None:
    """See what the server said to `MAY_ALL`.

    Raises:
        Misconfigured: this user may not read and write all tables.
    """
    if not may:
        raise Misconfigured(
            f"this user may not write all tables of the database {named(url)}; make it their owner, or grant it "
            "SELECT, INSERT, UPDATE and DELETE on all tables and USAGE on all sequences"
        )
