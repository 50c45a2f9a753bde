"""What other processes do with a store: `python -m tests.stores.children WHAT URL`. A line is an answer."""

import asyncio
import sys
from dataclasses import replace
from datetime import datetime

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.ports import Store
from ostiary.stores.sql import SqlStore
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import MANY, NOW


def say(*words: object) -> None:
    """Answer the parent, at once."""
    print(*words, flush=True)


async def follow(store: Store) -> None:
    """Read the feed from its beginning, as it grows, until the parent has appended all; each number is a line."""
    seen = 0
    say("ready")
    while seen < 2 * MANY:
        news = await store.news(seen, limit=1000)
        assert [entry.seq for entry in news.entries] == list(range(seen + 1, news.head.seq + 1))
        seen = news.head.seq
        await store.changed(wait=1)
    say(seen)


async def append(store: Store) -> None:
    """Append to the feed, and count, each time in one transaction."""
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    for n in range(MANY):
        async with store.write() as tx:
            counter = await given.counter(tx, "k") or Counter(count=0, at=NOW)
            await given.put(tx, "k", replace(counter, count=counter.count + 1))
            await tx.feed.append([given.floor(f"s{n}")])
    say("done")


async def swap(store: Store) -> None:
    """Change the same state of the same session as everybody else, and say who won."""
    async with store.read() as tx:
        old = await tx.sessions.get("s1")
    assert old is not None
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    async with store.write() as tx:
        say(await tx.sessions.swap(old, replace(old, issued=old.issued + 1)))


async def write_for_ever(store: Store) -> None:
    """Write, and say of each write that it was acknowledged."""
    async with store.read() as tx:
        n = (await tx.feed.head()).seq
    while True:
        n += 1
        async with store.write() as tx:
            await tx.sessions.add(given.session(f"s{n}"))
            await tx.feed.append([given.floor(f"s{n}")])
        say(n)


async def hear(store: Store) -> None:
    """Say when something was heard of, in the time of all processes."""
    say("ready")
    for _ in range(20):
        assert await store.changed(wait=10)
        say(datetime.now().astimezone().timestamp())


async def hold(store: Store) -> None:
    """Hold the write lock until the parent says something."""
    async with store.write() as tx:
        await given.put(tx, "held", Counter(count=1, at=NOW))
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
    say("done")


async def stand_still(store: Store) -> None:
    """Append to the feed, and let the parent stop us in the middle of it. Say whether that was ever durable."""
    try:
        async with store.write() as tx:
            await tx.feed.append([given.floor("stood-still")])
            say("ready")
            await asyncio.to_thread(sys.stdin.readline)
    except Unavailable as error:
        say(error)
    else:
        say("done")


async def look(store: Store) -> None:
    """Say who is there."""
    async with store.read() as tx:
        say(*(user.id for user in await tx.users.page(after="", limit=10)))


async def forget(store: Store) -> None:
    """End without closing the store."""
    async with store.read() as tx:
        say(await tx.users.get("ada"))


async def main() -> None:
    """Do one of these."""
    what, url = sys.argv[1:]
    if what == "migrate":
        from ostiary.stores.sql.migrations import upgrade  # noqa: PLC0415 - the others start faster without Alembic

        say("ready")
        sys.stdin.readline()
        await asyncio.to_thread(upgrade, url)
        say("done")
        return
    store = SqlStore(url)
    await store.open()
    await globals()[what](store)
    if what != "forget":
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
