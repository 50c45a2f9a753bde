"""The tables, the same for every database. A change here is a new revision in `migrations/` as well."""

# ruff: noqa: ARG002 - how a type is called is SQLAlchemy's choice

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.ext.compiler import compiles

from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.keys import Purpose
from ostiary.core.policy import Algorithm
from ostiary.core.session import Carrier
from ostiary.errors import Misconfigured

REVISION: Final = "0003"
"""The newest of `migrations/versions`, which makes what stands here."""

VERSION_TABLE: Final = "ostiary_version"
"""Where the revision of a database is kept. Alembic's own name for it may be an application's in the same database."""


def see_version(found: str | None, *, where: str) -> None:
    """See that the schema of a database is the one that this version knows.

    Raises:
        Misconfigured: it is not; the message says what to do.
    """
    if found is None:
        raise Misconfigured(f"the database {where} is empty; run: ostiary init")
    if found < REVISION:
        raise Misconfigured(
            f"the database {where} is of an older version ({found}, not {REVISION}); run: ostiary migrate"
        )
    see_not_newer(found, where=where)


def see_not_newer(found: str | None, *, where: str) -> None:
    """See that a database was not migrated by a version that came after this one.

    Raises:
        Misconfigured: it was.
    """
    if found is not None and found > REVISION:
        raise Misconfigured(
            f"the database {where} is of a newer version ({found}, not {REVISION}); install that version"
        )


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Word = TypeVar("Word", bound=StrEnum)

# ------------------------------------------------------------------------------------------------ types


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, kept as microseconds since 1970: exact, ordered, and without a time zone to lose."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the microseconds. A naive time names no moment and is refused with a `TypeError`."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the moment."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Words(TypeDecorator[tuple[str, ...]]):
    """A tuple of strings, kept as a JSON array."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """Return the JSON text."""
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Return the tuple."""
        return None if value is None else tuple(json.loads(value))


class Pairs(TypeDecorator[dict[str, str]]):
    """A mapping of strings to strings, kept as a JSON object."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:
        """Return the JSON text."""
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str] | None:
        """Return the mapping."""
        return None if value is None else json.loads(value)


class OneOf(TypeDecorator[Word]):
    """A word of a closed set, kept as its text."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[Word]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Word | None, dialect: Dialect) -> str | None:
        """Return the text."""
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> Word | None:
        """Return the word."""
        return None if value is None else self.words(value)


TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared and ordered by its code points, as SQLite does."""

# ------------------------------------------------------------------------------------------------ tables

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _owner() -> Column[Any]:
    return Column("user_id", TEXT, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


users = Table(
    "users",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("roles", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    Column("revision", BigInteger, nullable=False),
    Column("language", TEXT, nullable=False, server_default=""),
)

identifiers = Table(
    "identifiers",
    metadata,
    Column("kind", TEXT, primary_key=True),
    Column("value", TEXT, primary_key=True),
    Column("typed", TEXT, nullable=False),
    _owner(),
    Column("verified_at", Moment),
    Index(None, "user_id"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", TEXT, primary_key=True),
    _owner(),
    Column("kind", TEXT, nullable=False),
    Column("secret", TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index(None, "user_id", "kind"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", TEXT, primary_key=True),
    _owner(),
    Column("carrier", OneOf(Carrier), nullable=False),
    Column("client_id", TEXT, nullable=False),
    Column("device_name", TEXT, nullable=False),
    Column("user_agent", TEXT, nullable=False),
    Column("ip", TEXT, nullable=False),
    Column("amr", Words, nullable=False),
    Column("auth_time", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("tokens_until", Moment, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("previous", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("turned_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_for", OneOf(Reason)),
    Index(None, "user_id"),
    Index(None, "expires_at"),
    Index(None, "revoked_at"),
)

# One row, made by the migration. Its lock is what makes `seq` contiguous.
feed_head = Table(
    "feed_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", TEXT, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

# A floor has `sid`, `floor` and `until`; a document has `name` and `version`.
feed = Table(
    "feed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sid", TEXT),
    Column("floor", BigInteger),
    Column("until", Moment),
    Column("name", TEXT),
    Column("version", BigInteger),
)

documents = Table(
    "documents",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("body", TEXT, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "at"),
)

challenges = Table(
    "challenges",
    metadata,
    Column("purpose", TEXT, primary_key=True),
    Column("digest", TEXT, primary_key=True),
    Column("user_id", TEXT, nullable=False),
    Column("body", TEXT, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "expires_at"),
)

# No foreign key: a letter may go to somebody who has no account yet, and all of it is sealed.
outbox = Table(
    "outbox",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("tries", BigInteger, nullable=False),
    Index(None, "due_at"),
)

verifiers = Table(
    "verifiers",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("purpose", OneOf(Purpose), nullable=False),
    Column("algorithm", OneOf(Algorithm)),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("signs_from", Moment, nullable=False),
    Column("verifies_until", Moment),
)

# No foreign key: the record of what happened outlives the user it happened to.
events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", OneOf(Kind), nullable=False),
    Column("at", Moment, nullable=False),
    Column("user_id", TEXT, nullable=False),
    Column("session_id", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("ip", TEXT, nullable=False),
    Column("detail", Pairs, nullable=False),
    Index(None, "user_id", "at"),
    Index(None, "at"),
)


# ------------------------------------------------------------------------------------------------ the head's truth


class Incarnation(ColumnElement[str]):
    """Which history of the feed this is.

    A SQLite file has one. A PostgreSQL server begins another when it is promoted or restored to an earlier moment (the
    timeline that it writes), when the table was restored from a dump (the file that it is in), and when a copy of the
    database took its name (the number of the database).
    """

    type = Text()
    inherit_cache = True


class TakesWrites(ColumnElement[bool]):
    """Whether this server takes writes. One that does not cannot know whether another one does meanwhile."""

    type = Boolean()
    inherit_cache = True


@compiles(Incarnation)
def _stored(*_: object, **__: object) -> str:
    return "feed_head.incarnation"


@compiles(Incarnation, "postgresql")
def _with_timeline(*_: object, **__: object) -> str:
    return (
        "feed_head.incarnation || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8)"
        " || '.' || (SELECT oid FROM pg_database WHERE datname = current_database())"
        " || '.' || pg_relation_filenode('feed_head')"
    )


@compiles(TakesWrites)
def _always(*_: object, **__: object) -> str:
    return "1 = 1"


@compiles(TakesWrites, "postgresql")
def _not_read_only(*_: object, **__: object) -> str:
    return "current_setting('default_transaction_read_only') = 'off'"
