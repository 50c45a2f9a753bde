"""Migrates a PostgreSQL database."""

from typing import Final

from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql.migrations import config
from ostiary.stores.sql.place import named

_LOCK: Final = 0x6F737469617279  # "ostiary"
"""Nobody else who takes an advisory lock in the same database is likely to take this one."""

_DUPLICATE_TABLE: Final = "42P07"
_INSUFFICIENT_PRIVILEGE: Final = "42501"


def climb(connection: Connection, *, wait: float) -> None:
    """Take all steps that are left, in the transaction of a connection. Who migrates at the same time waits."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{wait:.0f}s'"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    command.upgrade(config(connection), "head")


def meant(error: DBAPIError, url: URL) -> Misconfigured | Unavailable:
    """Say what an error on the way means."""
    match getattr(error.orig, "sqlstate", None):
        case str(state) if state == _DUPLICATE_TABLE:
            return Misconfigured(
                f"the database {named(url)} holds tables of something else, named as ours; name another"
            )
        case str(state) if state == _INSUFFICIENT_PRIVILEGE:
            return Misconfigured(f"this user may not make tables in the database {named(url)}; make it the owner")
        case _:
            return Unavailable(f"the database {named(url)} cannot be migrated now: {error.orig}")
