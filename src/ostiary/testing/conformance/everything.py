"""A block that writes into several tables, and what is there before and after it."""

import asyncio

from ostiary.core.floor import Entry, Head, Snapshot
from ostiary.core.throttle import Counter
from ostiary.ports import Store, Transaction
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import NOW


async def add_everything(tx: Transaction) -> None:
    """Write into several tables, and wait between."""
    await tx.users.add(given.user())
    await tx.identifiers.add(given.identifier())
    await asyncio.sleep(0)
    await tx.sessions.add(given.session())
    await tx.feed.append([given.floor("s1", 2), given.floor("s1", 3)])
    await given.put(tx, "k", Counter(count=1, at=NOW))
    await tx.events.add(given.event())


async def everything(store: Store) -> tuple[object, ...]:
    """Return all that `add_everything` would have written."""
    async with store.read() as tx:
        return (
            await tx.users.get("ada"),
            await tx.identifiers.get("email", "ada@example.com"),
            await tx.sessions.get("s1"),
            await tx.feed.snapshot(),
            (await store.news(0, limit=10)).entries,
            await given.counter(tx, "k"),
            await tx.events.of("ada", limit=10),
        )


def all_of_it(nothing: tuple[object, ...]) -> tuple[object, ...]:
    """Return what `everything` is after `add_everything`, given what it was before."""
    before = nothing[3]
    assert isinstance(before, Snapshot)
    entries = Entry(1, given.floor("s1", 2)), Entry(2, given.floor("s1", 3))
    snapshot = Snapshot(Head(before.head.incarnation, 2), (given.floor("s1", 3),))
    counter = Counter(count=1, at=NOW)
    return given.user(), given.identifier(), given.session(), snapshot, entries, counter, [given.event()]
