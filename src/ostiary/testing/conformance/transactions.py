"""All or nothing, one at a time, one consistent state."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.ports import Store, Transaction
from ostiary.testing.conformance import given
from ostiary.testing.conformance.everything import add_everything, all_of_it, everything
from ostiary.testing.conformance.given import HOUR, MANY, NOW, ada, read, written


class TransactionsSuite:
    """A write does all or nothing, a read sees one state, and what a write has read it holds."""

    async def test_failed_block(self, store: Store) -> None:
        """A block that raises leaves nothing, its exception comes out as it was, and the next one works."""
        before = await everything(store)

        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what fails
            async with store.write() as tx:
                await add_everything(tx)
                raise ZeroDivisionError
        assert await everything(store) == before

        await written(store, add_everything)
        assert await everything(store) == all_of_it(before)

    async def test_own_writes(self, store: Store) -> None:
        """A block sees what it has written itself."""
        async with store.write() as tx:
            await add_everything(tx)
            assert await tx.users.get("ada") == given.user()
            assert await tx.sessions.of("ada") == [given.session()]
            assert (await tx.feed.head()).seq == 2
            assert await tx.users.remove("ada")
            assert await tx.sessions.get("s1") is None

    async def test_contradiction_within_a_block(self, store: Store) -> None:
        """A block that goes on after the store refused something is kept whole but for that, or not at all."""
        await ada(store)
        with suppress(Unavailable):
            async with store.write() as tx:
                await tx.users.add(given.user("before"))
                with pytest.raises(ValueError, match=r"."):
                    await tx.users.add(given.user(name="Eve"))
                await tx.users.add(given.user("after"))

        async with store.read() as tx:
            assert await tx.users.get("ada") == given.user()
            assert (await tx.users.get("before") is None) == (await tx.users.get("after") is None)

    async def test_writes_take_turns(self, store: Store) -> None:
        """Writes that read one user come one after the other, however they come to it; each sees those before it."""
        await ada(store)
        await written(store, lambda tx: tx.sessions.add(given.session()))
        await written(store, lambda tx: tx.credentials.add(given.credential()))
        ways: list[Callable[[Transaction], Awaitable[object]]] = [
            lambda tx: tx.users.get("ada"),
            lambda tx: tx.sessions.get("s1"),
            lambda tx: tx.sessions.of("ada"),
            lambda tx: tx.credentials.get("password-of-ada"),
            lambda tx: tx.credentials.of("ada", "password"),
        ]
        inside: list[int] = []

        async def write(n: int) -> None:
            async with store.write() as tx:
                await ways[n % len(ways)](tx)
                inside.append(n)
                user = await tx.users.get("ada")
                await asyncio.sleep(0)
                assert user is not None
                assert await tx.users.swap(user, replace(user, revision=user.revision + 1))
                assert inside == [n]
                inside.remove(n)

        await asyncio.gather(*(write(n) for n in range(MANY)))

        user = await read(store, lambda tx: tx.users.get("ada"))
        assert user is not None
        assert user.revision == given.user().revision + MANY

    async def test_nobody_waits_in_a_circle(self, store: Store) -> None:
        """Writes that come to one user, its sessions and the feed from different sides all go through."""
        await ada(store)
        for n in range(5):
            await written(store, lambda tx, n=n: tx.sessions.add(given.session(f"s{n}")))  # type: ignore[misc]

        async def of_one(n: int) -> None:
            async with store.write() as tx:
                session = await tx.sessions.get(f"s{n % 5}")
                assert session is not None
                assert await tx.sessions.swap(session, replace(session, revision=session.revision + 1))
                await tx.feed.append([given.floor(session.id, session.revision)])

        async def of_all() -> None:
            async with store.write() as tx:
                user = await tx.users.get("ada")
                assert user is not None
                for session in await tx.sessions.of("ada"):
                    assert await tx.sessions.swap(session, replace(session, revision=session.revision + 1))
                assert await tx.users.swap(user, replace(user, revision=user.revision + 1))
                await tx.feed.append([given.floor()])

        async def of_last_uses(n: int) -> None:
            later = {f"s{m}": NOW + n * HOUR for m in reversed(range(5))}
            await written(store, lambda tx: tx.sessions.seen(later))

        work = [work for n in range(20) for work in (of_one(n), of_all(), of_last_uses(n))]
        outcomes = await asyncio.gather(*work, return_exceptions=True)

        assert [outcome for outcome in outcomes if outcome is not None] == []

    async def test_reader_keeps_its_state(self, store: Store) -> None:
        """What a read transaction has begun to see does not change under it, and is no obstacle to a write."""
        old = await ada(store)
        async with store.read() as tx:
            assert await tx.users.get("ada") == old
            async with store.write() as other:
                await other.users.swap(old, replace(old, name="changed", revision=2))
                await other.sessions.add(given.session())
                await other.feed.append([given.floor()])
            assert await tx.users.get("ada") == old
            assert await tx.sessions.of("ada") == []
            assert (await tx.feed.snapshot()).floors == ()

        async with store.read() as tx:
            assert await tx.users.get("ada") == replace(old, name="changed", revision=2)
            assert await tx.sessions.of("ada") == [given.session()]

    async def test_no_half_state(self, store: Store) -> None:
        """Readers beside a writer of pairs never see one of a pair without the other."""
        done = asyncio.Event()

        async def write() -> None:
            for n in range(MANY):
                async with store.write() as tx:
                    await given.put(tx, "left", Counter(count=n, at=NOW))
                    await asyncio.sleep(0)
                    await given.put(tx, "right", Counter(count=n, at=NOW))
            done.set()

        async def look() -> int:
            looks = 0
            while not done.is_set():
                async with store.read() as tx:
                    left = await given.counter(tx, "left")
                    await asyncio.sleep(0)
                    assert left == await given.counter(tx, "right")
                looks += 1
            return looks

        _, *looks = await asyncio.gather(write(), look(), look())

        assert all(looks)

    async def test_readers_beside_each_other(self, store: Store) -> None:
        """Many may read at once, and all get an answer."""
        await ada(store)

        found = await asyncio.gather(*(read(store, lambda tx: tx.users.get("ada")) for _ in range(MANY)))

        assert found == [given.user()] * MANY

    async def test_read_changes_nothing(self, store: Store) -> None:
        """A read transaction that is asked to write refuses, and the store is as it was."""
        before = await everything(store)
        async with store.read() as tx:
            with pytest.raises(RuntimeError):
                await tx.users.add(given.user())
            with pytest.raises(RuntimeError):
                await tx.feed.append([given.floor()])
            with pytest.raises(RuntimeError):
                await given.put(tx, "k", Counter(count=1, at=NOW))
            with pytest.raises(RuntimeError):
                await tx.sessions.purge(ended_before=NOW, limit=1)

        assert await everything(store) == before

    async def test_block_that_is_over(self, store: Store) -> None:
        """A transaction that was kept beyond its block writes nothing any more."""
        async with store.write() as kept:
            await given.put(kept, "k", Counter(count=1, at=NOW))
        over = [kept]
        with suppress(ZeroDivisionError):
            async with store.write() as failed:
                over.append(failed)
                raise ZeroDivisionError

        for tx in over:
            with pytest.raises(RuntimeError):
                await given.put(tx, "k", Counter(count=2, at=NOW))
        assert await read(store, lambda tx: given.counter(tx, "k")) == Counter(count=1, at=NOW)

    async def test_closed(self, store: Store) -> None:
        """A store that is closed is unavailable until it is opened again, and then has what it had."""
        await ada(store)
        await store.close()
        await store.close()

        with pytest.raises(Unavailable):
            await read(store, lambda tx: tx.users.get("ada"))
        with pytest.raises(Unavailable):
            await written(store, lambda tx: tx.users.remove("ada"))

        await store.open()
        assert await read(store, lambda tx: tx.users.get("ada")) == given.user()

    async def test_closed_within_a_block(self, store: Store) -> None:
        """A block whose store is closed under it fails, and leaves nothing."""
        with pytest.raises(Unavailable):  # noqa: PT012 - the block is what fails
            async with store.write() as tx:
                await tx.users.add(given.user())
                await store.close()

        await store.open()
        assert await read(store, lambda tx: tx.users.get("ada")) is None

    async def test_reopened_within_a_block(self, store: Store) -> None:
        """A block that outlives a close and an open fails, and undoes nothing of what was written since."""
        with pytest.raises(Unavailable):  # noqa: PT012 - the block is what fails
            async with store.write() as tx:
                await given.put(tx, "old", Counter(count=1, at=NOW))
                await store.close()
                await store.open()
                await written(store, lambda tx: given.put(tx, "new", Counter(count=1, at=NOW)))

        assert await read(store, lambda tx: given.counter(tx, "old")) is None
        assert await read(store, lambda tx: given.counter(tx, "new")) == Counter(count=1, at=NOW)
