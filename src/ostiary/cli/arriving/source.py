"""What all sources share: how a database is read row by row, and how a row that cannot be used is told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import MetaData, Table, create_engine, inspect
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.sql import Select

from ostiary.core.arrival import Arrival
from ostiary.errors import Misconfigured

Row = Mapping[str, Any]

_AT_ONCE: Final = 500
_SAFE: Final = "sqlite", "postgresql"


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
    """The other system's database, read only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names = set(inspect(connection).get_table_names())
        self._metadata = MetaData()

    def find(self, name: str, *columns: str) -> Table:
        """Return a table as it is there.

        Raises:
            Misconfigured: it is not there, or lacks one of the columns.
        """
        if name not in self._names:
            raise Misconfigured(f"there is no table {name}; say which one it is with --table")
        table = Table(name, self._metadata, autoload_with=self._connection, resolve_fks=False)
        missing = [column for column in columns if column not in table.c]
        if missing:
            raise Misconfigured(f"the table {name} has no column {missing[0]}")
        return table

    def has(self, *names: str) -> bool:
        """Say whether all of these tables are there."""
        return self._names.issuperset(names)

    def rows(self, statement: Select[Any]) -> Iterator[Row]:
        """Return the rows as they come, a few hundred in memory at once."""
        found = self._connection.execution_options(yield_per=_AT_ONCE).execute(statement)
        yield from (dict(row) for row in found.mappings())


def accounts(
    url: str, select: Callable[[Tables], Select[Any]], account: Callable[[Sequence[Row]], Arrival | Broken]
) -> Iterator[Arrival | Broken]:
    """Read accounts from a database. The rows of one account, one for each of its roles, come together, by its `id`.

    Raises:
        Misconfigured: the database cannot be read.
    """
    try:
        place = make_url(url)
    except ArgumentError:
        raise Misconfigured("this is no URL of a database: sqlite:///FILE or postgresql://USER@HOST/DATABASE") from None
    if place.get_backend_name() not in _SAFE:
        raise Misconfigured(f"{place.get_backend_name()} cannot be read; write a csv file with its own tools")
    if place.get_backend_name() == "postgresql":
        place = place.set(drivername="postgresql+psycopg")
    try:
        with create_engine(place).connect() as connection:
            tables = Tables(connection)
            for _, rows in groupby(tables.rows(select(tables)), key=lambda row: row["id"]):
                yield account(list(rows))
    except (SQLAlchemyError, NoSuchModuleError, ModuleNotFoundError) as error:
        first = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise Misconfigured(f"cannot read {place.render_as_string(hide_password=True)}: {first}") from None


def moment(value: object) -> datetime | None:
    """Return a moment as a database or a file says it. One without a zone is in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
