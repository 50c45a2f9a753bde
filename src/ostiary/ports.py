"""What the verbs need from the world, as small protocols. Each verb states its guarantee; no port has an upsert.

A store is used through transactions. `read()` sees one consistent state. `write()` does all or nothing, and what it
reads it holds: of two writes that read the same user, or a credential or session of that user, or that append to the
feed or read the keys or a document, the second waits for the first and sees what it did. The conformance suites in
`ostiary.testing.conformance` hold every store to these texts.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied
from ostiary.core.events import Event
from ostiary.core.floor import Batch, Document, Floor, Head, News, Snapshot
from ostiary.core.keys import Keyring, Purpose
from ostiary.core.letter import Letter
from ostiary.core.policy import Algorithm
from ostiary.core.session import Device, Session
from ostiary.core.throttle import Counter
from ostiary.core.user import Credential, Identifier, User

# ------------------------------------------------------------------------------------------------ time and chance


class Clock(Protocol):
    """Time. The wall clock never goes back within a process and never runs slower than elapsed time."""

    offset: float
    """Seconds to add to `elapsed()` for seconds since the epoch. It only grows."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        ...

    def elapsed(self) -> float:
        """Return seconds of a clock that counts sleep and is never put right."""
        ...


class Entropy(Protocol):
    """Chance."""

    def bytes(self, count: int) -> bytes:
        """Return unpredictable bytes."""
        ...


# ------------------------------------------------------------------------------------------------ records


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key at rest: its private part sealed under the master key."""

    id: str
    purpose: Purpose
    algorithm: Algorithm | None
    sealed: bytes = field(repr=False)
    created_at: datetime
    signs_from: datetime
    verifies_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Something that can be redeemed once: a link, a code, a ceremony under way.

    It is found by its purpose and the digest of its secret, which is not stored. `body` is what was begun, as text.
    """

    purpose: str
    digest: str
    user_id: str
    body: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRecord:
    """A letter at rest: all of it is sealed, the address and the values. It leaves when it is due."""

    id: str
    sealed: bytes = field(repr=False)
    created_at: datetime
    due_at: datetime
    tries: int = 0
    """How often it was claimed, to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierRecord:
    """A service that may follow the feed. Its key is not stored, only the SHA-256 of it."""

    id: str
    name: str
    digest: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A document that the feed announces (`keys`, `roles`, `verifiers`): its version, and its text.

    That of `keys` and `verifiers` is empty: their tables say it.
    """

    name: str
    version: int
    body: str


# ------------------------------------------------------------------------------------------------ tables


class Users(Protocol):
    """Accounts."""

    async def add(self, *users: User) -> None:
        """Add new users."""
        ...

    async def get(self, user_id: str) -> User | None:
        """Return the user, or `None`."""
        ...

    async def swap(self, old: User, new: User) -> bool:
        """Replace `old` by `new` if the stored revision is still that of `old`. Of parallel swaps, one wins."""
        ...

    async def remove(self, user_id: str) -> bool:
        """Remove a user with its identifiers, credentials and sessions. `False` when there was none."""
        ...

    async def page(self, *, after: str, limit: int) -> Sequence[User]:
        """Return users in the order of their ids, beginning after an id."""
        ...

    async def holds(self, role: str, *, but: str = "") -> bool:
        """Tell whether any user has this role, save one."""
        ...


class Identifiers(Protocol):
    """What finds a user."""

    async def add(self, *identifiers: Identifier) -> bool:
        """Add each, unless its kind and value are taken: then `False`. Of parallel adds of one value, one wins."""
        ...

    async def get(self, kind: str, value: str) -> Identifier | None:
        """Return the identifier with this canonical value, or `None`."""
        ...

    async def taken(self, kind: str, values: Collection[str]) -> Collection[str]:
        """Return those of these canonical values that somebody has."""
        ...

    async def of(self, user_id: str) -> Sequence[Identifier]:
        """Return the identifiers of one user. An empty id finds nothing."""
        ...

    async def remove(self, identifier: Identifier) -> bool:
        """Remove it, if it is still this user's: then its value is free. Of parallel removes, one gets `True`."""
        ...


class Credentials(Protocol):
    """What proves a user."""

    async def add(self, *credentials: Credential) -> None:
        """Add new credentials."""
        ...

    async def get(self, credential_id: str) -> Credential | None:
        """Return the credential, or `None`."""
        ...

    async def swap(self, old: Credential, new: Credential) -> bool:
        """Replace `old` by `new` if version and secret are still those of `old`. Of parallel swaps, one wins."""
        ...

    async def of(self, user_id: str, kind: str) -> Sequence[Credential]:
        """Return the credentials of one kind of one user. An empty id finds nothing."""
        ...


class Sessions(Protocol):
    """The records of logins."""

    async def add(self, session: Session) -> None:
        """Add a new session."""
        ...

    async def get(self, sid: str) -> Session | None:
        """Return the session, dead or alive, or `None`."""
        ...

    async def swap(self, old: Session, new: Session) -> bool:
        """Replace `old` by `new` if its counters and its revision are still those of `old` and it is not revoked.

        Of parallel swaps of one state, one wins. A revoked session is never changed again.
        """
        ...

    async def of(self, user_id: str) -> Sequence[Session]:
        """Return the sessions of one user that were not revoked, the oldest first. An empty id finds nothing.

        Who changes several of them changes them in the order of their ids.
        """
        ...

    async def known(self, user_id: str, device: Device) -> bool:
        """Tell whether a session of this user, dead or alive, began on such a device.

        It has the same network address, and the same name or the same user agent. All of it is only what it says.
        """
        ...

    async def seen(self, moments: Mapping[str, datetime]) -> None:
        """Move `last_seen_at` of several sessions forward. It never goes back, and a revoked session is not touched."""
        ...

    async def purge(self, *, ended_before: datetime, limit: int) -> int:
        """Delete up to `limit` sessions that were revoked or expired before a time. Returns how many."""
        ...


class Feed(Protocol):
    """The ordered, gap-free log of floors and documents. What is appended is seen exactly when its transaction is."""

    async def append(self, changes: Sequence[Floor | Document]) -> Batch:
        """Append changes with the next contiguous `seq`s, under the lock of the head."""
        ...

    async def head(self) -> Head:
        """Return where the feed stands."""
        ...

    async def snapshot(self) -> Snapshot:
        """Return the head and every floor that is kept, one per session, the highest."""
        ...

    async def purge(self, *, up_to: int, until_before: datetime, limit: int) -> int:
        """Delete up to `limit` entries with a `seq` of at most `up_to` whose `until` lies before a time."""
        ...


class Documents(Protocol):
    """Small texts that every guard holds a copy of."""

    async def get(self, name: str) -> StoredDocument | None:
        """Return the document, or `None`."""
        ...

    async def add(self, document: StoredDocument) -> bool:
        """Add a document, unless its name is taken: then `False`."""
        ...

    async def swap(self, old: StoredDocument, new: StoredDocument) -> bool:
        """Replace `old` by `new` if the stored version is still `old.version`. Of parallel swaps, one wins."""
        ...


class Counters(Protocol):
    """How often something was tried.

    They may be kept apart from the rest (in Redis): then each verb is atomic by itself, is in force at once, and is not
    undone with its transaction. What then ends by itself need not be purged.
    """

    async def get(self, keys: Collection[str]) -> Mapping[str, Counter]:
        """Return the counters that there are."""
        ...

    async def swap(self, old: Mapping[str, Counter], new: Mapping[str, Counter]) -> bool:
        """Put `new` in the place of `old`, if everything named in either is still as `old` says: there, or missing.

        What `new` does not name is gone. Of parallel swaps of one state, one wins; a swap happens whole or not at all.
        """
        ...

    async def purge(self, *, before: datetime, limit: int) -> int:
        """Delete up to `limit` counters last changed before a time. Returns how many."""
        ...


class Challenges(Protocol):
    """What can be redeemed once. They may be kept apart from the rest, as `Counters`."""

    async def add(self, challenge: Challenge) -> None:
        """Add a new challenge."""
        ...

    async def get(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        """Return the challenge, which stays, or `None` if there is none of this purpose, or it has expired."""
        ...

    async def take(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        """Return the challenge and end it, or `None` if there is none of this purpose, or it has expired.

        Of parallel takes of one challenge, one gets it.
        """
        ...

    async def purge(self, *, expired_before: datetime, limit: int) -> int:
        """Delete up to `limit` challenges that expired before a time. Returns how many."""
        ...


class Outbox(Protocol):
    """Letters that have not left yet."""

    async def add(self, letter: LetterRecord) -> None:
        """Add a new letter."""
        ...

    async def first(self) -> datetime | None:
        """Return when the next letter is due, or `None` if there is none."""
        ...

    async def claim(self, *, now: datetime, until: datetime) -> LetterRecord | None:
        """Return the letter that has been due longest, or `None` if none is due.

        Nobody else is given it before `until`: it comes back as it is from then on, due at `until`, with one try more.
        Of parallel claims, each gets another.
        """
        ...

    async def again(self, letter: LetterRecord, *, at: datetime) -> bool:
        """Make a claimed letter due at another time, unless it is gone or was claimed by somebody else since."""
        ...

    async def done(self, letter_id: str) -> bool:
        """Remove a letter. `False` when it is gone already."""
        ...


class Verifiers(Protocol):
    """The services that may follow the feed."""

    async def add(self, verifier: VerifierRecord) -> bool:
        """Add one, unless its name is taken: then `False`. Of parallel adds of one name, one wins."""
        ...

    async def all(self) -> Sequence[VerifierRecord]:
        """Return all of them, in the order of their names."""
        ...

    async def remove(self, name: str) -> bool:
        """Remove one. `False` when there is none of this name."""
        ...


class Keys(Protocol):
    """Keys at rest."""

    async def add(self, key: KeyRecord) -> None:
        """Add a new key."""
        ...

    async def all(self) -> Sequence[KeyRecord]:
        """Return every key, the oldest first."""
        ...

    async def swap(self, old: KeyRecord, new: KeyRecord) -> bool:
        """Replace `old` by `new` if the stored `verifies_until` is still that of `old`. Of parallel swaps, one wins."""
        ...


class Events(Protocol):
    """The audit log. Append-only; only what is personal in it can be blanked."""

    async def add(self, *events: Event) -> None:
        """Append records."""
        ...

    async def of(self, user_id: str, *, limit: int) -> Sequence[Event]:
        """Return the newest records of one user, the newest first. An empty id finds nothing."""
        ...

    async def forget(self, user_id: str) -> int:
        """Blank what is personal in the records of one user, the address they came from. Returns how many it was."""
        ...

    async def purge(self, *, before: datetime, limit: int) -> int:
        """Delete up to `limit` records older than a time. Returns how many."""
        ...


class Transaction(Protocol):
    """All tables, in one transaction.

    A `ValueError` says that a record contradicts what is there: an id that is taken, a user that is not there. Then the
    transaction can only be given up.
    """

    users: Users
    identifiers: Identifiers
    credentials: Credentials
    sessions: Sessions
    feed: Feed
    documents: Documents
    counters: Counters
    challenges: Challenges
    outbox: Outbox
    keys: Keys
    verifiers: Verifiers
    events: Events


class Store(Protocol):
    """Where everything is kept. Each verb raises `Unavailable` when the store cannot answer."""

    async def open(self) -> None:
        """Connect, and check that the schema is the one this version knows.

        Raises:
            Misconfigured: the place cannot be used; the message says why and what to do.
        """
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction that sees one consistent state and changes nothing."""
        ...

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction that does all or nothing. It is durable when the block has ended."""
        ...

    def counting(self) -> AbstractAsyncContextManager[Counters]:
        """Begin a write of counters alone. Where they are kept apart from the rest, the rest is not touched."""
        ...

    async def changed(self, *, wait: float) -> bool:
        """Return `True` soon after anybody has appended to the feed, in any process, or `False` after `wait` seconds.

        It only wakes: a ring may come without need, or, when a connection was lost, not at all.
        """
        ...

    async def news(self, seq: int, *, limit: int) -> News:
        """Return the head of the feed and its first entries after `seq`, in order, as both are at one moment.

        It is what a logout waits for everywhere else, so it takes one way to the store and back, and no transaction.
        A store that cannot know where the feed ends, for others may write to it meanwhile, cannot answer.
        """
        ...


class Stream(Protocol):
    """Carries entries of the feed to other processes, to spare each of them the question. The store stays the truth.

    What a stream loses, doubles or brings out of order is found by `seq`; and nothing that it brings renews a lease.
    """

    async def open(self) -> None:
        """Begin to carry, and go on beginning whenever the connection was lost.

        Raises:
            Misconfigured: the place cannot be used.
            Unavailable: it cannot be reached now.
        """
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    def send(self, batch: Batch) -> None:
        """Hand on what has just been made durable. It does not wait and does not fail."""
        ...

    async def next(self, *, wait: float) -> Sequence[Batch]:
        """Return what came since the last call, or nothing after `wait` seconds.

        Raises:
            Unavailable: it carries nothing now. The store's own bell must do.
        """
        ...


# ------------------------------------------------------------------------------------------------ keys and reports


class Vault(Protocol):
    """Makes keys, and opens those at rest."""

    def create(self) -> None:
        """Make the master key if there is none. Called only while the store has no key at all.

        Raises:
            Misconfigured: it cannot be made.
        """
        ...

    def make(self, purpose: Purpose, *, algorithm: Algorithm | None, now: datetime, signs_from: datetime) -> KeyRecord:
        """Make a new key, sealed."""
        ...

    def open(self, records: Sequence[KeyRecord]) -> Keyring:
        """Open sealed keys.

        Raises:
            Misconfigured: the master key is not the one that sealed them.
        """
        ...

    def derive(self, purpose: str) -> Sequence[bytes]:
        """Return secrets of 32 bytes for a purpose, the newest first, that every process with the master key has, too.

        Who seals or authenticates something uses the first, and accepts all.

        Raises:
            Misconfigured: the master key is missing or cannot be used.
        """
        ...


class Opened(Protocol):
    """What is opened before it is used, and may be opened again after it was closed."""

    def open(self) -> None:
        """Begin, or begin again after a `close`."""
        ...

    def close(self) -> None:
        """Let go of the threads."""
        ...


class PasswordMethod(Opened, Protocol):
    """Proves a user by a password. Everything that hashes runs off the event loop and may raise `Overloaded`."""

    async def prove(self, store: "Store", *, address: str, password: str, now: datetime) -> Proof | Denied:
        """Prove whoever has this address. Unknown, wrong and disabled cost the same."""
        ...

    async def reprove(self, store: "Store", *, user_id: str, password: str, now: datetime) -> Proof | Denied:
        """Prove a user who is known already, once more."""
        ...

    async def credential(
        self, user_id: str, password: str, *, credential_id: str, now: datetime, words: Sequence[str]
    ) -> Credential:
        """Make a credential of a new password. Raises `WeakPassword`; `words` are the user's own, easily guessed."""
        ...

    async def replaced(self, old: Credential, password: str, *, now: datetime, words: Sequence[str]) -> Credential:
        """Make the next version of a credential from another password. Raises `WeakPassword`."""
        ...

    async def matches(self, credential: Credential | None, password: str) -> bool:
        """Tell whether this is the password of a credential. With no credential it is not, and that costs the same."""
        ...

    def reads(self, secret: str) -> bool:
        """Say whether this is a hash that a password can be compared with, made here or elsewhere."""
        ...


class Mailer(Protocol):
    """Puts letters into words, and sends them. It is asked beside the requests, one letter at a time."""

    async def send(self, letter: Letter) -> None:
        """Send one letter. When this returns, somebody else has taken it, and it is theirs to deliver.

        Raises:
            Undeliverable: it was refused for good. Anything else that is raised means: try again later.
        """
        ...


class EventSink(Protocol):
    """Hears of every audit record once it is durable: logs, metrics, alarms. It must not fail and must not wait."""

    def report(self, event: Event) -> None:
        """Take note of a record."""
        ...
