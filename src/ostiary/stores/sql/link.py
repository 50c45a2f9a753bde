"""One transaction on one connection, as the tables see it, and the statements that it runs.

The statements are SQLAlchemy Core, built at import and compiled once for each dialect. The driver itself runs them: the
asynchronous layer of SQLAlchemy costs three times as much as the driver's own call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Dialect, Insert, Update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Statement = SelectBase | UpdateBase
Row = dict[str, Any]

Record = TypeVar("Record")


class Link(Protocol):
    """An open transaction. A statement that changes something is refused in one that only reads."""

    async def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        """Run a statement and return what `make` makes of the columns of each row that it finds, off the event loop."""
        ...

    async def row(
        self, make: Callable[..., Record], statement: Statement, *, held: Statement | None = None, **values: object
    ) -> Record | None:
        """Run a statement and return what `make` makes of the one row it finds, or `None`.

        `held` finds the same row, and holds it with its holder, in one way to the server and back: see `hold`.
        """
        ...

    async def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    async def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values."""
        ...

    async def each(
        self, make: Callable[..., Record], statement: Statement, values: Sequence[Mapping[str, object]]
    ) -> list[Record]:
        """Run a statement once for each set of values, and return what `make` makes of all rows that they find.

        All of it is one way to the server and back.
        """
        ...

    async def hold(self, statement: Statement, **values: object) -> None:
        """Hold the rows that a statement finds until this transaction ends, so that the next one to hold them waits.

        A user holds all that belongs to it, and the head of the feed holds the keys and the documents: who changes one
        of them holds its holder first, in this order, so that nobody waits in a circle. In a transaction that only
        reads, and in a database that writes one transaction at a time, there is nothing to do.
        """
        ...

    def announce(self) -> None:
        """Wake those who follow the feed, once this transaction is durable."""
        ...


class Compiled:
    """A statement in the words of one dialect."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - a Core statement compiles to SQL
        self.text = str(compiled)
        self.changes = isinstance(statement, UpdateBase)
        self.keeps = isinstance(statement, Insert | Update)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._binds = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        self._columns = [
            (str(column.key), column.type.dialect_impl(dialect).result_processor(dialect, None))
            for column in statement.exported_columns
        ]

    def arguments(self, values: Mapping[str, object]) -> list[Any]:
        """Return the values in the order of the text, as the driver takes them."""
        given = {**self._fixed, **values}
        return [given[name] if process is None else process(given[name]) for name, process in self._binds]

    def row(self, values: Sequence[Any]) -> Row:
        """Return what the driver found, by column."""
        return {
            key: value if process is None else process(value)
            for (key, process), value in zip(self._columns, values, strict=True)
        }


@cache
def compiled(statement: Statement, dialect: Dialect) -> Compiled:
    """Return the compiled statement. It is kept for ever, so statements are built at import, never for a call."""
    return Compiled(statement, dialect)


def columns(record: "DataclassInstance") -> Row:
    """Return the fields of a flat record, which are named as the columns of its table."""
    return {name: getattr(record, name) for name in _names(type(record))}


@cache
def _names(kind: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
