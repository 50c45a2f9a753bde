"""Records to store, of which a test names only what it is about."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ostiary.core.events import Event, Kind
from ostiary.core.floor import Floor
from ostiary.core.keys import Purpose
from ostiary.core.policy import Algorithm
from ostiary.core.session import Carrier, Device, Session
from ostiary.core.throttle import Counter
from ostiary.core.user import Credential, Identifier, User
from ostiary.ports import Challenge, KeyRecord, LetterRecord, Store, Transaction, VerifierRecord

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
"""A moment that a store of seconds or milliseconds would not keep."""

HOUR = timedelta(hours=1)
MANY = 50

Item = TypeVar("Item")
Result = TypeVar("Result")


def user(id: str = "ada", **more: Any) -> User:  # noqa: A002 - a record's own word
    """Return a user."""
    fields: dict[str, Any] = {"id": id, "name": "Ada", "roles": ("reader",), "created_at": NOW}
    return User(**fields | more)


def identifier(value: str = "ada@example.com", **more: Any) -> Identifier:
    """Return an address of Ada."""
    fields: dict[str, Any] = {"kind": "email", "value": value, "typed": value, "user_id": "ada"}
    return Identifier(**fields | more)


def credential(id: str = "password-of-ada", **more: Any) -> Credential:  # noqa: A002 - a record's own word
    """Return a password of Ada."""
    fields: dict[str, Any] = {
        "id": id,
        "user_id": "ada",
        "kind": "password",
        "secret": "$argon2id$1",
        "changed_at": NOW,
    }
    return Credential(**fields | more)


def session(id: str = "s1", **more: Any) -> Session:  # noqa: A002 - a record's own word
    """Return a living session of Ada."""
    fields: dict[str, Any] = {
        "id": id,
        "user_id": "ada",
        "carrier": Carrier.COOKIE,
        "client_id": "web",
        "device": Device(name="Ada's telephone", user_agent="Mozilla/5.0", ip="192.0.2.1"),
        "amr": ("pwd",),
        "auth_time": NOW,
        "created_at": NOW,
        "last_seen_at": NOW,
        "expires_at": NOW + 10 * HOUR,
        "tokens_until": NOW + HOUR,
        "turned_at": NOW,
    }
    return Session(**fields | more)


def floor(sid: str = "s1", number: int = 2, *, until: datetime = NOW + HOUR) -> Floor:
    """Return a floor."""
    return Floor(sid, number, until)


def key(id: str = "k1", **more: Any) -> KeyRecord:  # noqa: A002 - a record's own word
    """Return a key that verifies for ever."""
    fields: dict[str, Any] = {
        "id": id,
        "purpose": Purpose.ACCESS,
        "algorithm": Algorithm.ES256,
        "sealed": b"\x00\xff sealed",
        "created_at": NOW,
        "signs_from": NOW,
    }
    return KeyRecord(**fields | more)


def event(kind: Kind = Kind.LOGGED_IN, **more: Any) -> Event:
    """Return something that happened to Ada."""
    fields: dict[str, Any] = {"kind": kind, "at": NOW, "user_id": "ada"}
    return Event(**fields | more)


async def ada(store: Store, **more: Any) -> User:
    """Store the user that everything else here belongs to."""
    ada = user(**more)
    async with store.write() as tx:
        await tx.users.add(ada)
    return ada


def challenge(digest: str = "digest", **more: Any) -> Challenge:
    """Return a link that Ada can follow once."""
    fields: dict[str, Any] = {
        "purpose": "email",
        "digest": digest,
        "user_id": "ada",
        "body": '{"email": "ada@example.com"}',
        "expires_at": NOW + HOUR,
    }
    return Challenge(**fields | more)


def letter(id: str = "l1", **more: Any) -> LetterRecord:  # noqa: A002 - a record's own word
    """Return a letter that is due."""
    fields: dict[str, Any] = {"id": id, "sealed": b"\x00\xff sealed", "created_at": NOW, "due_at": NOW}
    return LetterRecord(**fields | more)


def verifier(name: str = "orders", **more: Any) -> VerifierRecord:
    """Return a service that may follow the feed."""
    fields: dict[str, Any] = {"id": f"id of {name}", "name": name, "digest": b"\x00\xff", "created_at": NOW}
    return VerifierRecord(**fields | more)


async def counter(tx: Transaction, key: str) -> Counter | None:
    """Return one counter."""
    return (await tx.counters.get([key])).get(key)


async def put(tx: Transaction, key: str, counter: Counter) -> None:
    """Set one counter, whatever it was."""
    assert await tx.counters.swap(await tx.counters.get([key]), {key: counter})


async def taken(store: Store, digest: str = "digest", *, purpose: str = "email") -> Challenge | None:
    """Take a challenge in a transaction of its own."""
    return await written(store, lambda tx: tx.challenges.take(purpose=purpose, digest=digest, now=NOW))


async def seen(
    store: Store, digest: str = "digest", *, purpose: str = "email", now: datetime = NOW
) -> Challenge | None:
    """Look at a challenge in a transaction of its own."""
    return await read(store, lambda tx: tx.challenges.get(purpose=purpose, digest=digest, now=now))


async def written(store: Store, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
    """Do something in a write transaction of its own."""
    async with store.write() as tx:
        return await work(tx)


async def read(store: Store, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
    """Look something up in a read transaction of its own."""
    async with store.read() as tx:
        return await work(tx)


async def race(
    store: Store, items: Iterable[Item], verb: Callable[[Transaction, Item], Awaitable[Result]]
) -> list[Result]:
    """Do the same with many things, each in a write transaction of its own, and all at once."""

    async def one(item: Item) -> Result:
        async with store.write() as tx:
            return await verb(tx, item)

    return await asyncio.gather(*(one(item) for item in items))
