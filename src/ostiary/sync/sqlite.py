"""SQLite without an event loop: one connection that writes, a few that read, each used by one thread at a time."""

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy.sql.selectable import SelectBase

from ostiary.errors import Unavailable
from ostiary.stores.sql.connection import answering, connect
from ostiary.stores.sql.link import Compiled, Record, Statement, compiled
from ostiary.stores.sql.place import revision, uri
from ostiary.stores.sql.schema import see_version
from ostiary.stores.sql.sqlite import READERS, SQLITE, begun, commit, found
from ostiary.stores.sql.watch import POLL_SECONDS

Result = TypeVar("Result")

_LEFT_TO_THE_PARENT: Final[list["Opening"]] = []
"""What a fork brought along. To close a parent's connection here would take its locks and its log away."""


class SqliteLink:
    """A transaction on a connection."""

    def __init__(self, opening: "Opening", connection: sqlite3.Connection, *, writes: bool) -> None:
        self._opening = opening
        self._connection = connection
        self._writes = writes
        self._begun = writes
        self._over = False

    def rows(self, make: Callable[..., Record], statement: Statement, **values: object) -> list[Record]:
        """Run a statement and return what `make` makes of each row."""
        prepared = self._prepared(statement)

        def taken(cursor: sqlite3.Cursor) -> list[Record]:
            return [make(**prepared.row(each)) for each in cursor]

        return self._execute(prepared, values, taken, nothing=[])

    def row(
        self, make: Callable[..., Record], statement: Statement, *, held: Statement | None = None, **values: object
    ) -> Record | None:
        """Run a statement and return what `make` makes of the one row it finds, or `None`."""
        del held  # only one transaction writes at a time
        found = self.rows(make, statement, **values)
        return found[0] if found else None

    def count(self, statement: Statement, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        return self._execute(self._prepared(statement), values, lambda cursor: cursor.rowcount, nothing=0)

    def many(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> None:
        """Run a statement once for each set of values."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        if arguments:
            self._run(lambda connection: connection.executemany(prepared.text, arguments))

    def each(
        self, make: Callable[..., Record], statement: Statement, values: Sequence[Mapping[str, object]]
    ) -> list[Record]:
        """Run a statement once for each set of values, and return what `make` makes of all rows that they find."""
        prepared = self._prepared(statement)
        arguments = [prepared.arguments(each) for each in values]
        return self._run(lambda connection: found(connection, make, prepared, arguments)) if arguments else []

    def hold(self, statement: Statement, **values: object) -> None:
        """Do nothing: only one transaction writes at a time."""

    def announce(self) -> None:
        """Do nothing: every commit is noticed."""

    def end(self) -> None:
        """Let no more statements in."""
        self._over = True

    def _prepared(self, statement: Statement) -> Compiled:
        prepared = compiled(statement, SQLITE)
        if self._over or (prepared.changes and not self._writes):
            raise RuntimeError("only an open write transaction changes anything, and only an open one reads")
        return prepared

    def _execute(
        self,
        prepared: Compiled,
        values: Mapping[str, object],
        take: Callable[[sqlite3.Cursor], Result],
        *,
        nothing: Result,
    ) -> Result:
        arguments = prepared.arguments(values)
        try:
            return self._run(lambda connection: take(connection.execute(prepared.text, arguments)))
        except UnicodeEncodeError:
            # Half a surrogate pair is text to Python and to nobody else. It cannot be kept, so nothing is called that.
            if prepared.keeps:
                raise
            return nothing

    def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._opening.using(self._connection), answering():
            if not self._begun:
                self._connection.execute("BEGIN")
                self._begun = True
            elif not self._connection.in_transaction:
                # SQLite itself has rolled back, after an error that the block survived.
                raise sqlite3.OperationalError("the transaction was given up")
            return work(self._connection)


@dataclass(kw_only=True)
class Opening:
    """What belongs to one opening of the database, in one process."""

    writer: sqlite3.Connection
    readers: list[sqlite3.Connection]
    watcher: sqlite3.Connection
    """It never writes, so its `data_version` tells of every commit."""
    known: int
    idle: queue.LifoQueue[sqlite3.Connection] = field(default_factory=queue.LifoQueue[sqlite3.Connection])
    turn: threading.Lock = field(default_factory=threading.Lock)
    watching: threading.Lock = field(default_factory=threading.Lock)
    written: threading.Event = field(default_factory=threading.Event)
    process: int = field(default_factory=os.getpid)
    leaving: threading.Lock = field(default_factory=threading.Lock)
    """Held to close, and to give a connection back: whoever comes second closes it."""
    writing: threading.Lock = field(default_factory=threading.Lock)
    is_closed: bool = False

    def see(self) -> None:
        """See that it is still open. Raises `Unavailable` when it is not."""
        if self.is_closed:
            raise Unavailable("the store cannot answer: it is not open")

    @contextmanager
    def using(self, connection: sqlite3.Connection) -> Generator[None]:
        """Do one thing with a connection. The one that writes is closed between two of them, and holds nobody up."""
        if connection is not self.writer:
            self.see()
            yield
            return
        with self.writing:
            self.see()
            yield

    def leave(self, reader: sqlite3.Connection) -> None:
        """Give a reader back."""
        with self.leaving:
            if self.is_closed:
                reader.close()
            else:
                self.idle.put(reader)

    def close(self) -> None:
        """Close what nobody reads with, and what writes. The rest is closed by who uses it, and does nothing more."""
        with self.leaving:
            self.is_closed = True
            with suppress(queue.Empty):
                while True:
                    self.idle.get_nowait().close()
        with self.writing:
            self.writer.close()
        self.written.set()
        with self.watching:
            self.watcher.close()


class Sqlite:
    """The connections of this process to one file."""

    def __init__(self, path: Path, *, patience: timedelta) -> None:
        self._path = path
        self._uri = uri(path)
        self._patience = patience.total_seconds()
        self._opening: Opening | None = None

    def revision(self) -> str | None:
        """Return the revision of the schema, `None` when there is no table yet."""
        return revision(self._path)

    def open(self) -> None:
        """Connect, if the schema is the one that this version knows."""
        see_version(self.revision(), where=str(self._path))
        self.close()
        made: list[sqlite3.Connection] = []
        try:
            with answering():
                made.append(connect(self._uri, 0.0))
                made += [connect(self._uri, self._patience) for _ in range(READERS)]
                watcher = connect(self._uri, 0.0)
                made.append(watcher)
                version = _version(watcher)
        except BaseException:
            for connection in made:
                connection.close()
            raise
        opening = Opening(writer=made[0], readers=made[1:-1], watcher=watcher, known=version)
        for reader in opening.readers:
            opening.idle.put(reader)
        self._opening = opening

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
    def read(self) -> Generator[SqliteLink]:
        """Begin a transaction. What it sees is fixed by its first statement."""
        opening = self.opened()
        try:
            reader = opening.idle.get(timeout=self._patience)
        except queue.Empty:
            raise Unavailable("the store cannot answer: others read already, and do not end") from None
        link = SqliteLink(opening, reader, writes=False)
        try:
            yield link
        finally:
            link.end()
            with suppress(sqlite3.Error):
                reader.rollback()
            opening.leave(reader)

    @contextmanager
    def write(self) -> Generator[SqliteLink]:
        """Begin a transaction when all writes that asked before have ended. It is on the disk when the block ends."""
        opening = self.opened()
        deadline = time.monotonic() + self._patience
        if not opening.turn.acquire(timeout=self._patience):
            raise Unavailable("the store cannot answer: the writes before this one keep it busy")
        try:
            link = SqliteLink(opening, opening.writer, writes=True)
            try:
                _begin(opening, deadline)
                yield link
                link.end()
                with opening.using(opening.writer), answering():
                    commit(opening.writer)
            except BaseException:
                link.end()
                with suppress(sqlite3.Error):
                    opening.writer.rollback()
                raise
        finally:
            opening.turn.release()
        opening.written.set()

    def ask(self, make: Callable[..., Record], statement: SelectBase, **values: object) -> list[Record]:
        """Ask one thing. A transaction costs nothing here."""
        with self.read() as link:
            return link.rows(make, statement, **values)

    def changed(self, *, wait: float) -> bool:
        """Return `True` soon after a commit on any connection of any process, or `False` after `wait` seconds.

        One thread listens, the follower's: of several, each change would wake but one.
        """
        opening = self.opened()
        end = time.monotonic() + wait
        while self._opening is opening:
            with opening.watching, answering():
                version = _version(opening.watcher)
            if version != opening.known:
                opening.known = version
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            opening.written.wait(min(POLL_SECONDS, left))
            opening.written.clear()
        raise Unavailable("the store cannot answer: it is not open")

    def opened(self) -> Opening:
        """Return the present opening. Raises `Unavailable` when there is none."""
        if self._opening is None:
            raise Unavailable("the store cannot answer: it is not open")
        return self._opening


def _begin(opening: Opening, deadline: float) -> None:
    pause = 0.001
    while True:
        with opening.using(opening.writer), answering():
            if begun(opening.writer):
                return
        if time.monotonic() >= deadline:
            raise Unavailable("the store cannot answer: another process keeps it locked")
        time.sleep(pause)
        pause = min(2 * pause, 0.004)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
