"""PostgreSQL without an event loop: a few connections, each used by one thread at a time, and one that listens.

Who holds what, and in which isolation, stands in `ostiary.stores.sql.postgres`. A connection is taken at the first
statement. One whose answer did not come is thrown away, and so is one that the server has ended meanwhile.
"""

import os
import selectors
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy.engine import URL
from sqlalchemy.sql.selectable import SelectBase

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql.link import Compiled, Record, Statement, compiled
from ostiary.stores.sql.place import named
from ostiary.stores.sql.schema import see_version
from ostiary.stores.sql.terms import CHANNEL, GIVEN_UP, POSTGRESQL, READ, READING, WRITE, can_be_sent
from ostiary.sync import server
from ostiary.sync.listen import Listener
from ostiary.sync.server import Connection
from ostiary.sync.threads import left

Result = TypeVar("Result")

_LEFT_TO_THE_PARENT: Final[list["Opening"]] = []
"""What a fork brought along. To end a parent's connection is not ours."""


class Opening:
    """What belongs to one opening of the database, in one process."""

    def __init__(self, url: URL, *, connections: int, patience: float) -> None:
        self.process = os.getpid()
        self.listener = Listener(url, patience=patience)
        self._url = url
        self._patience = patience
        self._free = threading.BoundedSemaphore(connections)
        self._writing = threading.BoundedSemaphore(max(1, connections - READING))
        self._leaving = threading.Lock()
        """Held to close, and to give a connection back: whoever comes second ends it."""
        self._idle: list[Connection] = []
        self._is_closed = False

    @contextmanager
    def turn(self) -> Generator[None]:
        """Be one of those who write. They wait for each other, so they never have all the connections."""
        if not self._writing.acquire(timeout=left(self._patience)):
            raise Unavailable("the store cannot answer: others write already, and do not end")
        try:
            yield
        finally:
            self._writing.release()

    def see(self) -> None:
        """See that it is still open. Raises `Unavailable` when it is not."""
        if self._is_closed:
            raise Unavailable("the store cannot answer: it is not open")

    def take(self) -> Connection:
        """Return a connection that nobody else uses. It is to be given back."""
        if not self._free.acquire(timeout=left(self._patience)):
            raise Unavailable("the store cannot answer: others use all connections, and do not end")
        try:
            while self._idle:
                with suppress(IndexError):  # somebody else was quicker
                    connection = self._idle.pop()
                    if _is_quiet(connection):
                        return connection
                    connection.close()
            return server.connect(self._url, patience=self._patience)
        except BaseException:
            self._free.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Let others use a connection, if it is of use."""
        with self._leaving:
            if self._is_closed or connection.closed:
                connection.close()
            else:
                self._idle.append(connection)
        self._free.release()

    def ask(self, text: str, arguments: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Ask one thing, outside of a transaction: the answer is one way to the server and back from here."""
        self.see()
        connection = self.take()
        try:
            return connection.execute(text.encode(), arguments).fetchall()
        except psycopg.Error as error:
            if error.sqlstate is None:  # with one, it is an answer: a refusal
                connection.close()
            raise
        except BaseException:
            connection.close()
            raise
        finally:
            self.give_back(connection)

    def close(self) -> None:
        """End what nobody uses. The rest is ended by who uses it, and does nothing more."""
        with self._leaving:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self.listener.close()


class PostgresLink:
    """A transaction on a connection."""

    def __init__(self, opening: Opening, *, writes: bool) -> None:
        self._opening = opening
        self._writes = writes
        self._connection: Connection | None = None
        self._held: set[tuple[Statement, tuple[object, ...]]] = set()
        self._announced = False
        self._over = False
        self._failed = False
        self._unanswered = False

    def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        """Run a statement and return what `make` makes of each row."""
        prepared = self._prepared(statement)
        arguments = prepared.arguments(values)
        if not can_be_sent(arguments, keeps=prepared.keeps):
            return []
        found = self._run(lambda connection: connection.execute(prepared.text.encode(), arguments).fetchall())
        return [make(**prepared.row(each)) for each in found]

    def row(
        self, make: Callable[..., Record], statement: Statement, *, held: Statement | None = None, **values: object
    ) -> Record | None:
        """Run a statement and return what `make` makes of the one row it finds, or `None`."""
        found = self.rows(make, statement if held is None or not self._writes else held, **values)
        return found[0] if found else None

    def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        prepared = self._prepared(statement)
        arguments = prepared.arguments(values)
        if not can_be_sent(arguments, keeps=prepared.keeps):
            return 0
        return self._run(lambda connection: connection.execute(prepared.text.encode(), arguments).rowcount)

    def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values, all of them on one way to the server and back."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        if arguments and all(can_be_sent(each, keeps=prepared.keeps) for each in arguments):
            self._run(lambda connection: connection.cursor().executemany(prepared.text.encode(), arguments))

    def each(
        self, make: Callable[..., Record], statement: Statement, values: Sequence[Mapping[str, object]]
    ) -> list[Record]:
        """Run a statement once for each set of values, and return what `make` makes of all rows that they find."""
        prepared = self._prepared(statement)
        asked = [prepared.arguments(each) for each in values]
        arguments = [each for each in asked if can_be_sent(each, keeps=prepared.keeps)]
        if not arguments:
            return []
        found = self._run(lambda connection: _each(connection, prepared.text, arguments))
        return [make(**prepared.row(each)) for each in found]

    def hold(self, statement: Statement, **values: object) -> None:
        """Hold the rows that a statement finds until this transaction ends. Once is enough."""
        key = statement, tuple(values.values())
        if self._writes and key not in self._held:
            self.count(statement, **values)
            self._held.add(key)

    def announce(self) -> None:
        """Wake everybody who listens, once this transaction is durable."""
        self._announced = True

    def commit(self) -> None:
        """Make everything durable."""
        self._over = True
        connection = self._connection
        if connection is None:
            return
        if self._failed:
            raise Unavailable(GIVEN_UP)
        self._opening.see()
        words = f"NOTIFY {CHANNEL}; COMMIT" if self._announced else "COMMIT"
        self._unanswered = True
        with _answering():
            answer = connection.execute(words.encode())
            while answer.nextset():
                pass
        if answer.statusmessage != "COMMIT":
            raise Unavailable(GIVEN_UP)
        self._connection = None
        self._opening.give_back(connection)

    def end(self) -> None:
        """Let go of the connection, and of all that was not committed."""
        self._over = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not self._unanswered:
                connection.execute(b"ROLLBACK")
        except server.FAILURES:
            connection.close()
        finally:
            if self._unanswered:
                connection.close()
            self._opening.give_back(connection)

    def _prepared(self, statement: Statement) -> Compiled:
        prepared = compiled(statement, POSTGRESQL)
        if self._over or (prepared.changes and not self._writes):
            raise RuntimeError("only an open write transaction changes anything, and only an open one reads")
        return prepared

    def _run(self, work: Callable[[Connection], Result]) -> Result:
        if self._failed:
            raise Unavailable(GIVEN_UP)
        self._opening.see()
        self._failed = self._unanswered = True
        with _answering():
            connection = self._connection
            if connection is None:
                connection = self._connection = self._opening.take()
                connection.execute((WRITE if self._writes else READ).encode())
            try:
                result = work(connection)
            except psycopg.Error as error:
                self._unanswered = error.sqlstate is None  # with one, it has: with a refusal
                raise
        self._failed = self._unanswered = False
        return result


class Postgres:
    """The connections of this process to one database."""

    def __init__(self, url: URL, *, connections: int, patience: timedelta) -> None:
        self._url = url
        self._connections = connections
        self._patience = patience.total_seconds()
        self._opening: Opening | None = None

    def revision(self) -> str | None:
        """Return the revision of the schema, `None` when there is no table of ours yet."""
        return server.revision(self._url, patience=self._patience)

    def open(self) -> None:
        """Connect and listen, if the schema is the one that this version knows."""
        see_version(self.revision(), where=named(self._url))
        server.see_rights(self._url, patience=self._patience)
        self.close()
        self._opening = Opening(self._url, connections=self._connections, patience=self._patience)

    def close(self) -> None:
        """Close every connection. A transaction that is still open has failed."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        if opening.process != os.getpid():
            _LEFT_TO_THE_PARENT.append(opening)
            return
        opening.close()

    @contextmanager
    def read(self) -> Generator[PostgresLink]:
        """Begin a transaction. What it sees is fixed by its first statement."""
        link = PostgresLink(self.opened(), writes=False)
        try:
            yield link
        finally:
            link.end()

    @contextmanager
    def write(self) -> Generator[PostgresLink]:
        """Begin a transaction. It is on the disk when the block has ended."""
        opening = self.opened()
        link = PostgresLink(opening, writes=True)
        with opening.turn():
            try:
                yield link
                link.commit()
            finally:
                link.end()

    def ask(self, make: Callable[..., Record], statement: SelectBase, **values: object) -> list[Record]:
        """Ask one thing, in one way to the server and back: as `rows` of a read, but no `BEGIN` goes before it."""
        prepared = compiled(statement, POSTGRESQL)
        arguments = prepared.arguments(values)
        if not can_be_sent(arguments, keeps=prepared.keeps):
            return []
        with _answering():
            found = self.opened().ask(prepared.text, arguments)
        return [make(**prepared.row(each)) for each in found]

    def changed(self, *, wait: float) -> bool:
        """Return `True` soon after an append to the feed was committed by anybody, or `False` after `wait` seconds.

        One thread listens, the follower's: of several, each change would wake but one.
        """
        return self.opened().listener.heard(wait=wait)

    def opened(self) -> Opening:
        """Return the present opening. Raises `Unavailable` when there is none."""
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening


def _each(connection: Connection, text: str, arguments: Sequence[Sequence[object]]) -> list[Sequence[Any]]:
    cursor = connection.cursor()
    cursor.executemany(text.encode(), arguments, returning=True)
    found: list[Sequence[Any]] = [*cursor.fetchall()]
    while cursor.nextset():
        found += cursor.fetchall()
    return found


def _is_quiet(connection: Connection) -> bool:
    """Tell whether an idle connection is whole. A server that has something to say unasked has most likely ended it."""
    with suppress(*server.FAILURES, ValueError), selectors.DefaultSelector() as looking:
        looking.register(connection.fileno(), selectors.EVENT_READ)
        return not looking.select(timeout=0)
    return False


@contextmanager
def _answering() -> Generator[None]:
    """Turn the driver's errors into ours: a contradiction is a `ValueError`, a silent store is `Unavailable`."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise ValueError(server.why(error)) from None
    except Misconfigured as error:  # it did let us in when we started
        raise Unavailable(f"the store cannot answer: {error}") from None
    except server.FAILURES as error:
        raise Unavailable(f"the store cannot answer: {server.why(error)}") from error
