"""The ports' tables over one state. What each verb promises stands in `ostiary.ports`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from ostiary.core.events import Event
from ostiary.core.floor import Batch, Document, Entry, Floor, Head, Snapshot
from ostiary.core.session import COMPARED, Device, Session
from ostiary.core.throttle import Counter
from ostiary.core.user import Credential, Identifier, User
from ostiary.ports import Challenge, KeyRecord, LetterRecord, StoredDocument, VerifierRecord
from ostiary.stores.memory._state import FEED, State


class Users:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, *users: User) -> None:
        for user in users:
            self._state.users.add(user.id, user)

    async def get(self, user_id: str) -> User | None:
        return self._state.users.get(user_id)

    async def swap(self, old: User, new: User) -> bool:
        stored = self._state.users.get(old.id)
        if stored is None or stored.revision != old.revision:
            return False
        self._state.users.put(old.id, new)
        return True

    async def remove(self, user_id: str) -> bool:
        for table in (self._state.identifiers, self._state.credentials, self._state.sessions):
            table.remove(lambda row: row.user_id == user_id)
        return self._state.users.remove(lambda user: user.id == user_id) > 0

    async def page(self, *, after: str, limit: int) -> Sequence[User]:
        return sorted(self._state.users.where(lambda user: user.id > after), key=lambda user: user.id)[:limit]

    async def holds(self, role: str, *, but: str = "") -> bool:
        return bool(self._state.users.where(lambda user: role in user.roles and user.id != but))


class Identifiers:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, *identifiers: Identifier) -> bool:
        return len(identifiers) == sum(self._added(identifier) for identifier in identifiers)

    async def get(self, kind: str, value: str) -> Identifier | None:
        return self._state.identifiers.get((kind, value))

    async def taken(self, kind: str, values: Collection[str]) -> Collection[str]:
        return {value for value in values if self._state.identifiers.get((kind, value)) is not None}

    async def of(self, user_id: str) -> Sequence[Identifier]:
        if not user_id:
            return []
        found = self._state.identifiers.where(lambda identifier: identifier.user_id == user_id)
        return sorted(found, key=lambda identifier: (identifier.kind, identifier.value))

    async def remove(self, identifier: Identifier) -> bool:
        key = (identifier.kind, identifier.value)
        stored = self._state.identifiers.get(key)
        if stored is None or stored.user_id != identifier.user_id:
            return False
        self._state.identifiers.drop(key)
        return True

    def _added(self, identifier: Identifier) -> bool:
        self._state.owned(identifier.user_id)
        key = (identifier.kind, identifier.value)
        if self._state.identifiers.get(key) is not None:
            return False
        self._state.identifiers.add(key, identifier)
        return True


class Credentials:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, *credentials: Credential) -> None:
        for credential in credentials:
            self._state.owned(credential.user_id)
            self._state.credentials.add(credential.id, credential)

    async def get(self, credential_id: str) -> Credential | None:
        return self._state.credentials.get(credential_id)

    async def swap(self, old: Credential, new: Credential) -> bool:
        stored = self._state.credentials.get(old.id)
        if stored is None or (stored.version, stored.secret) != (old.version, old.secret):
            return False
        self._state.credentials.put(old.id, new)
        return True

    async def of(self, user_id: str, kind: str) -> Sequence[Credential]:
        if not user_id:
            return []
        found = self._state.credentials.where(lambda each: each.user_id == user_id and each.kind == kind)
        return sorted(found, key=lambda credential: credential.id)


class Sessions:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, session: Session) -> None:
        self._state.owned(session.user_id)
        self._state.sessions.add(session.id, session)

    async def get(self, sid: str) -> Session | None:
        return self._state.sessions.get(sid)

    async def swap(self, old: Session, new: Session) -> bool:
        stored = self._state.sessions.get(old.id)
        if stored is None or stored.revoked_at is not None or _compared(stored) != _compared(old):
            return False
        self._state.sessions.put(old.id, new)
        return True

    async def of(self, user_id: str) -> Sequence[Session]:
        if not user_id:
            return []
        found = self._state.sessions.where(lambda each: each.user_id == user_id and each.revoked_at is None)
        return sorted(found, key=lambda session: (session.created_at, session.id))

    async def known(self, user_id: str, device: Device) -> bool:
        def alike(session: Session) -> bool:
            same = device.name == session.device.name or device.user_agent == session.device.user_agent
            return session.user_id == user_id and session.device.ip == device.ip and same

        return bool(self._state.sessions.where(alike))

    async def seen(self, moments: Mapping[str, datetime]) -> None:
        for sid, at in moments.items():
            stored = self._state.sessions.get(sid)
            if stored is not None and stored.revoked_at is None and stored.last_seen_at < at:
                self._state.sessions.put(sid, replace(stored, last_seen_at=at))

    async def purge(self, *, ended_before: datetime, limit: int) -> int:
        def ended(session: Session) -> bool:
            revoked = session.revoked_at is not None and session.revoked_at < ended_before
            return revoked or session.expires_at < ended_before

        return self._state.sessions.remove(ended, limit=limit)


class Feed:
    def __init__(self, state: State) -> None:
        self._state = state

    async def append(self, changes: Sequence[Floor | Document]) -> Batch:
        head = await self.head()
        entries = tuple(Entry(seq, change) for seq, change in enumerate(changes, head.seq + 1))
        for entry in entries:
            self._state.feed.add(entry.seq, entry)
        self._state.head.put(FEED, Head(head.incarnation, head.seq + len(entries)))
        return Batch(head.incarnation, entries)

    async def head(self) -> Head:
        return self._state.head.rows[FEED]

    async def snapshot(self) -> Snapshot:
        floors: dict[str, Floor] = {}
        for entry in self._state.feed.rows.values():
            if isinstance(entry.change, Floor):
                new, old = entry.change, floors.get(entry.change.sid, entry.change)
                floors[new.sid] = Floor(new.sid, max(old.floor, new.floor), max(old.until, new.until))
        return Snapshot(await self.head(), tuple(floors[sid] for sid in sorted(floors)))

    async def purge(self, *, up_to: int, until_before: datetime, limit: int) -> int:
        def past(entry: Entry) -> bool:
            over = isinstance(entry.change, Document) or entry.change.until < until_before
            return entry.seq <= up_to and over

        return self._state.feed.remove(past, limit=limit)


class Documents:
    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, name: str) -> StoredDocument | None:
        return self._state.documents.get(name)

    async def add(self, document: StoredDocument) -> bool:
        if self._state.documents.get(document.name) is not None:
            return False
        self._state.documents.add(document.name, document)
        return True

    async def swap(self, old: StoredDocument, new: StoredDocument) -> bool:
        stored = self._state.documents.get(old.name)
        if stored is None or stored.version != old.version:
            return False
        self._state.documents.put(old.name, new)
        return True


class Counters:
    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, keys: Collection[str]) -> Mapping[str, Counter]:
        found = {key: self._state.counters.get(key) for key in keys}
        return {key: counter for key, counter in found.items() if counter is not None}

    async def swap(self, old: Mapping[str, Counter], new: Mapping[str, Counter]) -> bool:
        if any(self._state.counters.get(key) != old.get(key) for key in {**old, **new}):
            return False
        for key in old:
            self._state.counters.drop(key)
        for key, counter in new.items():
            self._state.counters.put(key, counter)
        return True

    async def purge(self, *, before: datetime, limit: int) -> int:
        return self._state.counters.remove(lambda counter: counter.at < before, limit=limit)


class Challenges:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, challenge: Challenge) -> None:
        self._state.challenges.add((challenge.purpose, challenge.digest), challenge)

    async def get(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        found = self._state.challenges.get((purpose, digest))
        return None if found is None or found.expires_at <= now else found

    async def take(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        found = await self.get(purpose=purpose, digest=digest, now=now)
        if found is not None:
            self._state.challenges.drop((purpose, digest))
        return found

    async def purge(self, *, expired_before: datetime, limit: int) -> int:
        return self._state.challenges.remove(lambda each: each.expires_at < expired_before, limit=limit)


class Outbox:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, letter: LetterRecord) -> None:
        self._state.outbox.add(letter.id, letter)

    async def first(self) -> datetime | None:
        return min((letter.due_at for letter in self._state.outbox.rows.values()), default=None)

    async def claim(self, *, now: datetime, until: datetime) -> LetterRecord | None:
        due = self._state.outbox.where(lambda letter: letter.due_at <= now)
        if not due:
            return None
        first = min(due, key=lambda letter: (letter.due_at, letter.id))
        claimed = replace(first, due_at=until, tries=first.tries + 1)
        self._state.outbox.put(first.id, claimed)
        return claimed

    async def again(self, letter: LetterRecord, *, at: datetime) -> bool:
        stored = self._state.outbox.get(letter.id)
        if stored is None or stored.tries != letter.tries:
            return False
        self._state.outbox.put(letter.id, replace(stored, due_at=at))
        return True

    async def done(self, letter_id: str) -> bool:
        return self._state.outbox.remove(lambda letter: letter.id == letter_id) > 0


class Verifiers:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, verifier: VerifierRecord) -> bool:
        if self._state.verifiers.get(verifier.name) is not None:
            return False
        self._state.verifiers.add(verifier.name, verifier)
        return True

    async def all(self) -> Sequence[VerifierRecord]:
        return sorted(self._state.verifiers.rows.values(), key=lambda each: each.name)

    async def remove(self, name: str) -> bool:
        return self._state.verifiers.remove(lambda each: each.name == name) > 0


class Keys:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, key: KeyRecord) -> None:
        self._state.keys.add(key.id, key)

    async def all(self) -> Sequence[KeyRecord]:
        return sorted(self._state.keys.rows.values(), key=lambda key: (key.created_at, key.id))

    async def swap(self, old: KeyRecord, new: KeyRecord) -> bool:
        stored = self._state.keys.get(old.id)
        if stored is None or stored.verifies_until != old.verifies_until:
            return False
        self._state.keys.put(old.id, new)
        return True


class Events:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, *events: Event) -> None:
        newest = next(reversed(self._state.events.rows), 0)
        for number, event in enumerate(events, newest + 1):
            self._state.events.add(number, event)

    async def of(self, user_id: str, *, limit: int) -> Sequence[Event]:
        if not user_id:
            return []
        found = self._state.events.where(lambda event: event.user_id == user_id)
        return sorted(found, key=lambda event: event.at)[::-1][:limit]

    async def forget(self, user_id: str) -> int:
        personal = [
            (number, event)
            for number, event in self._state.events.rows.items()
            if user_id and event.user_id == user_id and event.ip
        ]
        for number, event in personal:
            self._state.events.put(number, replace(event, ip=""))
        return len(personal)

    async def purge(self, *, before: datetime, limit: int) -> int:
        return self._state.events.remove(lambda event: event.at < before, limit=limit)


_compared = attrgetter(*COMPARED)
