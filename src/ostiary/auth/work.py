"""What one transaction changes, and what is told once that is durable.

The change, the audit record and the feed's entry are one transaction. Only when it is durable are this process's
floors raised and the sinks told; nothing is answered before that.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from ostiary.auth.letters import LetterSeal
from ostiary.core.events import Event, Kind
from ostiary.core.floor import NONE_IS_GOOD, Document, Floor, Floors
from ostiary.core.letter import About, Letter
from ostiary.core.session import Session, changed, revoked
from ostiary.core.user import Account
from ostiary.errors import Unavailable
from ostiary.feed.follower import Load
from ostiary.ports import Clock, EventSink, Store, StoredDocument, Stream, Transaction


@dataclass
class Work:
    """A transaction under way."""

    tx: Transaction
    now: datetime
    seal: LetterSeal | None = None
    """Without it nobody sends letters, and none are written."""
    changes: list[Floor | Document] = field(default_factory=list[Floor | Document])
    events: list[Event] = field(default_factory=list[Event])
    has_written: bool = False

    def tell(
        self, kind: Kind, *, user_id: str = "", session_id: str = "", actor: str = "", ip: str = "", **detail: str
    ) -> None:
        """Add an audit record."""
        self.events.append(
            Event(kind=kind, at=self.now, user_id=user_id, session_id=session_id, actor=actor, ip=ip, detail=detail)
        )

    async def write(self, about: About, *, to: str, language: str, user_id: str = "", **values: str) -> None:
        """Write a letter. It is in the outbox when the rest is durable, and leaves soon after.

        Which values there are, the table in `core.letter` says.
        """
        if self.seal is None:
            return
        letter = Letter(
            id=self.seal.name(),
            to=to,
            about=about,
            language=language,
            values={**values, "site": self.seal.site},
            created_at=self.now,
            user_id=user_id,
        )
        await self.tx.outbox.add(self.seal.seal(letter))
        self.has_written = True

    async def notify(self, account: Account, about: About, **values: str) -> None:
        """Write to a user about their own account, if their address is proved: else it may be a stranger's."""
        email = account.email
        if email is not None and email.verified_at is not None:
            user = account.user
            await self.write(about, to=email.value, language=user.language, user_id=user.id, **values)

    async def swap(self, old: Session, new: Session) -> None:
        """Store a session's change, and put its floor on the feed if its revision grew.

        Raises:
            Unavailable: somebody else was first, in spite of the store's promise. Nothing of the transaction happens.
        """
        if not await self.tx.sessions.swap(old, new):
            raise Unavailable("the session changed at the same moment")
        if new.revoked_at is not None:
            self.changes.append(Floor(new.id, NONE_IS_GOOD, new.tokens_until))
        elif new.revision > old.revision:
            self.changes.append(Floor(new.id, new.revision, new.tokens_until))

    async def end(self, session: Session, kind: Kind, *, actor: str) -> None:
        """Revoke a live session, with its audit record. One that is over already is left as it is."""
        if session.revoked_at is None:
            await self.swap(session, revoked(session, now=self.now))
            self.tell(kind, user_id=session.user_id, session_id=session.id, actor=actor)

    async def end_all(self, user_id: str, *, actor: str, but: str | None = None) -> int:
        """Revoke every live session of a user, save one. Returns how many."""
        others = [session for session in await self.tx.sessions.of(user_id) if session.id != but]
        await self.end_each(others, actor=actor)
        return len(others)

    async def end_each(self, sessions: Sequence[Session], *, actor: str) -> None:
        """Revoke some sessions of one user, in the order in which everybody changes them."""
        for session in _in_order(sessions):
            await self.end(session, Kind.REVOKED, actor=actor)

    async def raise_all(self, user_id: str) -> None:
        """Make every guard ask again what the user's sessions may do."""
        for session in _in_order(await self.tx.sessions.of(user_id)):
            await self.swap(session, changed(session))

    async def publish(self, name: str, body: str = "") -> None:
        """Store the next version of a document, and put it on the feed."""
        old = await self.tx.documents.get(name)
        new = StoredDocument(name=name, version=1 if old is None else old.version + 1, body=body)
        stored = await (self.tx.documents.add(new) if old is None else self.tx.documents.swap(old, new))
        if not stored:
            raise Unavailable(f"the document {name} changed at the same moment")
        self.changes.append(Document(name, new.version))


def _in_order(sessions: Sequence[Session]) -> list[Session]:
    return sorted(sessions, key=attrgetter("id"))


class Works:
    """Begins transactions that are told of when they are durable."""

    def __init__(
        self,
        *,
        store: Store,
        floors: Floors,
        clock: Clock,
        sink: EventSink,
        load: Load,
        stream: Stream | None,
        seal: LetterSeal | None,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._stream = stream
        self._floors = floors
        self._clock = clock
        self._sink = sink
        self._load = load
        self._seal = seal
        self._wake = wake

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[Work]:
        """Begin a write. When the block has ended everything is durable, in force here, and told."""
        async with self._store.write() as tx:
            work = Work(tx, self._clock.now(), self._seal)
            yield work
            await tx.events.add(*work.events)
            batch = await tx.feed.append(work.changes) if work.changes else None
        if batch is not None and self._stream is not None:
            self._stream.send(batch)
        for change in work.changes:
            if isinstance(change, Floor):
                self._floors.raise_to(change, elapsed=self._clock.elapsed())
        if any(isinstance(change, Document) for change in work.changes):
            with suppress(Unavailable):  # the follower will load it, and renews nothing before it has
                await self._load()
        if work.has_written:
            self._wake()
        for event in work.events:
            self._sink.report(event)
