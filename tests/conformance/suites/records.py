"""Counters, keys at rest, and the audit log."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from ostiary.core.events import Kind
from ostiary.core.keys import Purpose
from ostiary.core.throttle import Counter
from ostiary.ports import Store
from tests.conformance.suites import given
from tests.conformance.suites.given import HOUR, MANY, NOW, ada, race, read, written


class CountersSuite:
    async def test_put(self, store: Store) -> None:
        """A counter is what was put last, under its own key only."""
        await written(store, lambda tx: tx.counters.put("login:ada", Counter(count=1, at=NOW)))
        await written(store, lambda tx: tx.counters.put("login:ada", Counter(count=2, at=NOW + HOUR)))

        async with store.read() as tx:
            assert await tx.counters.get("login:ada") == Counter(count=2, at=NOW + HOUR)
            assert await tx.counters.get("login:bob") is None
            assert await tx.counters.get("") is None

    async def test_remove(self, store: Store) -> None:
        """A counter that is removed starts from nothing; another with the same count stays."""
        same = Counter(count=3, at=NOW)
        async with store.write() as tx:
            await tx.counters.put("a", same)
            await tx.counters.put("b", same)
        async with store.write() as tx:
            await tx.counters.remove("a")
            await tx.counters.remove("never there")

        async with store.read() as tx:
            assert await tx.counters.get("a") is None
            assert await tx.counters.get("b") == same

    async def test_no_try_is_lost(self, store: Store) -> None:
        """Of fifty parallel tries each is counted, however long each thinks between reading and writing."""

        async def attempt() -> None:
            async with store.write() as tx:
                counter = await tx.counters.get("k") or Counter(count=0, at=NOW)
                await asyncio.sleep(0)
                await tx.counters.put("k", replace(counter, count=counter.count + 1))

        await asyncio.gather(*(attempt() for _ in range(MANY)))

        assert await read(store, lambda tx: tx.counters.get("k")) == Counter(count=MANY, at=NOW)

    async def test_purge(self, store: Store) -> None:
        """Counters last changed before a time go, in steps of at most the limit."""
        async with store.write() as tx:
            for n in range(5):
                await tx.counters.put(f"k{n}", Counter(count=1, at=NOW - HOUR))
            await tx.counters.put("now", Counter(count=1, at=NOW))

        steps = [await written(store, lambda tx: tx.counters.purge(before=NOW, limit=2)) for _ in range(4)]

        assert steps == [2, 2, 1, 0]
        assert await read(store, lambda tx: tx.counters.get("k0")) is None
        assert await read(store, lambda tx: tx.counters.get("now")) == Counter(count=1, at=NOW)


class KeysSuite:
    async def test_keys_come_back(self, store: Store) -> None:
        """Keys come back as they were added, the oldest first."""
        young = given.key("a", created_at=NOW + HOUR, verifies_until=NOW + 9 * HOUR)
        old = given.key("z", purpose=Purpose.SESSION, algorithm=None, sealed=b"")
        async with store.write() as tx:
            await tx.keys.add(young)
            await tx.keys.add(old)

        assert await read(store, lambda tx: tx.keys.all()) == [old, young]

    async def test_added_twice(self, store: Store) -> None:
        """A key whose id is taken is refused, and the first stays as it was."""
        await written(store, lambda tx: tx.keys.add(given.key()))

        with pytest.raises(ValueError, match=r"."):
            await written(store, lambda tx: tx.keys.add(given.key(sealed=b"another")))
        assert await read(store, lambda tx: tx.keys.all()) == [given.key()]

    @pytest.mark.parametrize("until", [None, NOW + HOUR], ids=["verifies for ever", "verifies until"])
    async def test_swap(self, store: Store, until: datetime | None) -> None:
        """A swap replaces a key whose end is still the one it was made from, and only that key."""
        old, other = given.key(verifies_until=until), given.key("k2", created_at=NOW + HOUR)
        new = replace(old, verifies_until=NOW + 2 * HOUR)
        late = replace(old, verifies_until=NOW + 3 * HOUR)
        async with store.write() as tx:
            await tx.keys.add(old)
            await tx.keys.add(other)

        assert await written(store, lambda tx: tx.keys.swap(old, new))
        assert not await written(store, lambda tx: tx.keys.swap(old, late))
        assert not await written(store, lambda tx: tx.keys.swap(given.key("k3"), given.key("k3")))
        assert await read(store, lambda tx: tx.keys.all()) == [new, other]

    async def test_parallel_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one state exactly one wins."""
        old = given.key()
        await written(store, lambda tx: tx.keys.add(old))
        news = [replace(old, verifies_until=NOW + n * HOUR) for n in range(MANY)]

        won = await race(store, news, lambda tx, new: tx.keys.swap(old, new))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.keys.all()) == [news[won.index(True)]]


class EventsSuite:
    async def test_of(self, store: Store) -> None:
        """The newest events of one user come first, up to a limit; of two at one moment, the one added later."""
        first = given.event(Kind.REGISTERED, session_id="s1", actor="cli", ip="::1", detail={"carrier": "cookie"})
        second = given.event(Kind.LOGGED_IN)
        earlier = given.event(Kind.LOGIN_FAILED, at=NOW - HOUR)
        async with store.write() as tx:
            for event in (first, second, earlier, given.event(user_id="bob"), given.event(user_id="")):
                await tx.events.add(event)

        async with store.read() as tx:
            assert await tx.events.of("ada", limit=10) == [second, first, earlier]
            assert await tx.events.of("ada", limit=2) == [second, first]

    async def test_empty_filter(self, store: Store) -> None:
        """An empty user id finds nothing, not even what happened to nobody known."""
        await written(store, lambda tx: tx.events.add(given.event(user_id="")))

        assert await read(store, lambda tx: tx.events.of("", limit=10)) == []

    async def test_outlive_the_user(self, store: Store) -> None:
        """What happened needs no user to be recorded, and stays when the user goes."""
        await ada(store)
        event = given.event(Kind.USER_DELETED)
        async with store.write() as tx:
            await tx.events.add(event)
            await tx.users.remove("ada")
            await tx.events.add(event)

        assert await read(store, lambda tx: tx.events.of("ada", limit=10)) == [event, event]

    async def test_purge(self, store: Store) -> None:
        """Events older than a time go, in steps of at most the limit."""
        kept = given.event()
        async with store.write() as tx:
            for _ in range(5):
                await tx.events.add(given.event(at=NOW - HOUR))
            await tx.events.add(kept)

        steps = [await written(store, lambda tx: tx.events.purge(before=NOW, limit=2)) for _ in range(4)]

        assert steps == [2, 2, 1, 0]
        assert await read(store, lambda tx: tx.events.of("ada", limit=10)) == [kept]
