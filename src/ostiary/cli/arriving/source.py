"""What all sources share: how a database is read row by row, and how a row that cannot be used is told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnClause, TableClause, column, create_engine, event, inspect, table
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import Select

from ostiary.core.arrival import Arrival
from ostiary.errors import Misconfigured

Row = Mapping[str, Any]

AT_ONCE: Final = 1000
"""Accounts that are in memory at once, and come in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command was told beside the place."""

    table: str | None = None
    """The table of the users, if it has another name than the library gives it."""
    email: str = "email"
    password: str = "password"  # noqa: S105 - the name of a column
    name: str | None = None
    salt: str | None = field(default=None, repr=False)
    """`SECURITY_PASSWORD_SALT` of a Flask-Security application."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that is no account, and why."""

    where: str
    why: str


class Tables:
    """The other system's database, read only.

    Values come as the driver gives them: what a type cannot be made of is one row's trouble and not the end.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inspector = inspect(connection)
        self._names = set(self._inspector.get_table_names())

    def find(self, name: str, *columns: str) -> TableClause:
        """Return a table as it is there.

        Raises:
            Misconfigured: it is not there, or lacks one of the columns.
        """
        if name not in self._names:
            raise Misconfigured(f"there is no table {name}; say which one it is with --table")
        found = [str(each["name"]) for each in self._inspector.get_columns(name)]
        missing = [each for each in columns if each not in found]
        if missing:
            raise Misconfigured(f"the table {name} has no column {missing[0]}")
        there: list[ColumnClause[Any]] = [column(each) for each in found]
        return table(name, *there)

    def has(self, *names: str) -> bool:
        """Say whether all of these tables are there."""
        return self._names.issuperset(names)

    def rows(self, statement: Select[Any]) -> Iterator[Row]:
        """Return the rows as they come, a few hundred in memory at once."""
        found = self._connection.execution_options(yield_per=AT_ONCE).execute(statement)
        yield from (dict(row) for row in found.mappings())


def accounts(
    url: str, select: Callable[[Tables], Select[Any]], account: Callable[[Sequence[Row]], Arrival]
) -> Iterator[Arrival]:
    """Read accounts from a database. The rows of one account, one for each of its roles, come together, by its `id`.

    Raises:
        Misconfigured: the database cannot be read.
    """
    place = _place(url)
    try:
        engine = create_engine(place, poolclass=NullPool)
        if place.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _read_only)
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            tables = Tables(connection)
            for _, rows in groupby(tables.rows(select(tables)), key=lambda row: row["id"]):
                yield account(list(rows))
    except (SQLAlchemyError, NoSuchModuleError, ModuleNotFoundError) as error:
        first = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise Misconfigured(f"cannot read {place.render_as_string(hide_password=True)}: {first}") from None


def text(value: object) -> str:
    """Return a value as text: nothing for `NULL`, and for bytes what they spell."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return "" if value is None else str(value)


def moment(value: object) -> datetime | None:
    """Return a moment as a database or a file says it. One without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(found, datetime):
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return None


def role(name: object) -> str:
    """Return the name of a group as a role has it: in one word."""
    return "-".join(text(name).split())


def _place(url: str) -> URL:
    try:
        place = make_url(url)
    except ArgumentError:
        raise Misconfigured("this is no URL of a database: sqlite:///FILE or postgresql://USER@HOST/DATABASE") from None
    match place.get_backend_name():
        case "postgresql":
            return place.set(drivername="postgresql+psycopg")
        case "sqlite":
            if not Path(place.database or "").is_file():  # to connect would make it
                raise Misconfigured(f"there is no file {place.database}")
            return place.set(drivername="sqlite")
        case other:
            raise Misconfigured(f"{other} cannot be read; write a csv file with its own tools")


def _read_only(connection: Any, _: object) -> None:  # noqa: ANN401 - a connection of the driver's
    # Bytes that are no UTF-8 are one row's trouble as well.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    connection.execute("PRAGMA query_only = ON")
