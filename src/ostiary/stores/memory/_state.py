"""All rows at one moment."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final, Generic, TypeVar

from ostiary.core.events import Event
from ostiary.core.floor import Entry, Head
from ostiary.core.session import Session
from ostiary.core.throttle import Counter
from ostiary.core.user import Credential, Identifier, User
from ostiary.ports import Challenge, KeyRecord, LetterRecord, StoredDocument, VerifierRecord

FEED: Final = "feed"
"""The key of the only head there is."""

Key = TypeVar("Key")
Row = TypeVar("Row")


class Table(Generic[Key, Row]):
    """Rows by their key, in the order they were added. A frozen table is never changed, so it can be shared."""

    def __init__(self, rows: dict[Key, Row] | None = None, *, frozen: bool = True) -> None:
        self.rows = {} if rows is None else rows
        self._frozen = frozen
        self._copied = False

    def thawed(self) -> "Table[Key, Row]":
        """Return a table that can be changed. It shares the rows until then."""
        return Table(self.rows, frozen=False)

    def freeze(self) -> None:
        self._frozen = True

    def get(self, key: Key) -> Row | None:
        return self.rows.get(key)

    def where(self, matches: Callable[[Row], bool]) -> list[Row]:
        return [row for row in self.rows.values() if matches(row)]

    def add(self, key: Key, row: Row) -> None:
        if key in self.rows:
            raise ValueError(f"{key!r} is there already")
        self.put(key, row)

    def put(self, key: Key, row: Row) -> None:
        self._changeable()[key] = row

    def drop(self, key: Key) -> None:
        self._changeable().pop(key, None)

    def remove(self, matches: Callable[[Row], bool], *, limit: int | None = None) -> int:
        """Delete the oldest rows that match, up to `limit`. Returns how many."""
        rows = self._changeable()
        doomed = [key for key, row in rows.items() if matches(row)][:limit]
        for key in doomed:
            del rows[key]
        return len(doomed)

    def _changeable(self) -> dict[Key, Row]:
        if self._frozen:
            raise RuntimeError("only an open write transaction changes anything")
        if not self._copied:
            self.rows = dict(self.rows)
            self._copied = True
        return self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All tables at one moment."""

    head: Table[str, Head]
    users: Table[str, User] = field(default_factory=Table[str, User])
    identifiers: Table[tuple[str, str], Identifier] = field(default_factory=Table[tuple[str, str], Identifier])
    credentials: Table[str, Credential] = field(default_factory=Table[str, Credential])
    sessions: Table[str, Session] = field(default_factory=Table[str, Session])
    feed: Table[int, Entry] = field(default_factory=Table[int, Entry])
    documents: Table[str, StoredDocument] = field(default_factory=Table[str, StoredDocument])
    counters: Table[str, Counter] = field(default_factory=Table[str, Counter])
    challenges: Table[tuple[str, str], Challenge] = field(default_factory=Table[tuple[str, str], Challenge])
    outbox: Table[str, LetterRecord] = field(default_factory=Table[str, LetterRecord])
    verifiers: Table[str, VerifierRecord] = field(default_factory=Table[str, VerifierRecord])
    keys: Table[str, KeyRecord] = field(default_factory=Table[str, KeyRecord])
    events: Table[int, Event] = field(default_factory=Table[int, Event])

    def tables(self) -> dict[str, Table[Any, Any]]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def thawed(self) -> "State":
        return State(**{name: table.thawed() for name, table in self.tables().items()})

    def freeze(self) -> None:
        for table in self.tables().values():
            table.freeze()

    def owned(self, user_id: str) -> None:
        """Refuse to keep what would belong to nobody."""
        if user_id not in self.users.rows:
            raise ValueError(f"there is no user {user_id!r}")
