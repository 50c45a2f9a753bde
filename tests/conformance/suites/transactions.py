"""All or nothing, one at a time, one consistent state; and who is told."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from ostiary.core.floor import Entry, Head, Snapshot
from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.ports import Store, Transaction
from tests.conformance.suites import given
from tests.conformance.suites.cancelling import Cancelled, cancelled_at
from tests.conformance.suites.given import MANY, NOW, ada, read, written


async def add_everything(tx: Transaction) -> None:
    """Write into several tables, and wait between."""
    await tx.users.add(given.user())
    await tx.identifiers.add(given.identifier())
    await asyncio.sleep(0)
    await tx.sessions.add(given.session())
    await tx.feed.append([given.floor("s1", 2), given.floor("s1", 3)])
    await tx.counters.put("k", Counter(count=1, at=NOW))
    await tx.events.add(given.event())


async def everything(store: Store) -> tuple[object, ...]:
    """Return all that `add_everything` would have written."""
    async with store.read() as tx:
        return (
            await tx.users.get("ada"),
            await tx.identifiers.get("email", "ada@example.com"),
            await tx.sessions.get("s1"),
            await tx.feed.snapshot(),
            await tx.feed.since(0, limit=10),
            await tx.counters.get("k"),
            await tx.events.of("ada", limit=10),
        )


def all_of_it(nothing: tuple[object, ...]) -> tuple[object, ...]:
    """Return what `everything` is after `add_everything`, given what it was before."""
    before = nothing[3]
    assert isinstance(before, Snapshot)
    entries = [Entry(1, given.floor("s1", 2)), Entry(2, given.floor("s1", 3))]
    snapshot = Snapshot(Head(before.head.incarnation, 2), (given.floor("s1", 3),))
    counter = Counter(count=1, at=NOW)
    return given.user(), given.identifier(), given.session(), snapshot, entries, counter, [given.event()]


class TransactionsSuite:
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
        """A block may survive what the store refused: that is then the only thing missing."""
        await ada(store)
        async with store.write() as tx:
            await tx.counters.put("before", Counter(count=1, at=NOW))
            with pytest.raises(ValueError, match=r"."):
                await tx.users.add(given.user(name="Eve"))
            await tx.counters.put("after", Counter(count=2, at=NOW))

        async with store.read() as tx:
            assert await tx.users.get("ada") == given.user()
            assert await tx.counters.get("before") == Counter(count=1, at=NOW)
            assert await tx.counters.get("after") == Counter(count=2, at=NOW)

    async def test_writes_take_turns(self, store: Store) -> None:
        """Writes come one after the other, in the order in which they asked."""
        inside: list[int] = []
        order: list[int] = []

        async def write(n: int) -> None:
            async with store.write() as tx:
                inside.append(n)
                await tx.counters.put("k", Counter(count=n, at=NOW))
                await asyncio.sleep(0)
                assert inside == [n]
                inside.remove(n)
                order.append(n)

        await asyncio.gather(*(write(n) for n in range(MANY)))

        assert order == list(range(MANY))

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
                    await tx.counters.put("left", Counter(count=n, at=NOW))
                    await asyncio.sleep(0)
                    await tx.counters.put("right", Counter(count=n, at=NOW))
            done.set()

        async def look() -> int:
            looks = 0
            while not done.is_set():
                async with store.read() as tx:
                    left = await tx.counters.get("left")
                    await asyncio.sleep(0)
                    assert left == await tx.counters.get("right")
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
                await tx.counters.put("k", Counter(count=1, at=NOW))
            with pytest.raises(RuntimeError):
                await tx.sessions.purge(ended_before=NOW, limit=1)

        assert await everything(store) == before

    async def test_block_that_is_over(self, store: Store) -> None:
        """A transaction that was kept beyond its block writes nothing any more."""
        async with store.write() as kept:
            await kept.counters.put("k", Counter(count=1, at=NOW))
        over = [kept]
        with suppress(ZeroDivisionError):
            async with store.write() as failed:
                over.append(failed)
                raise ZeroDivisionError

        for tx in over:
            with pytest.raises(RuntimeError):
                await tx.counters.put("k", Counter(count=2, at=NOW))
        assert await read(store, lambda tx: tx.counters.get("k")) == Counter(count=1, at=NOW)

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


class CancellationSuite:
    @pytest.mark.parametrize("after", [0.0, 0.003], ids=["at once", "while it runs"])
    async def test_cancelled_write(self, store: Store, after: float) -> None:
        """A write cancelled at any wait leaves nothing, or all once its block has ended; the store goes on at once."""
        nothing = found = await everything(store)
        ended = False

        async def block() -> None:
            nonlocal ended
            async with store.write() as tx:
                await add_everything(tx)
                await asyncio.sleep(0)
                ended = True

        waits = 0
        while found == nothing:
            waits += 1
            outcome = await cancelled_at(waits, block(), after=after)
            found = await everything(store)
            assert found == nothing or ended
            assert outcome is Cancelled.YES or ended
            await asyncio.wait_for(written(store, lambda tx: tx.counters.remove("another")), timeout=2)

        assert waits > 1 or after
        assert found == all_of_it(nothing)

    async def test_cancelled_read(self, store: Store) -> None:
        """Reads cancelled at any wait, more of them than may read at once, leave the next ones their turn."""
        await ada(store)

        async def block() -> None:
            async with store.read() as tx:
                await tx.users.get("ada")
                await asyncio.sleep(0)
                await tx.sessions.of("ada")

        waits = 1
        while await cancelled_at(waits, block(), after=0) is Cancelled.YES:
            waits += 1
            for _ in range(10):
                await cancelled_at(waits, block(), after=0)

        assert waits > 1
        assert await asyncio.wait_for(read(store, lambda tx: tx.users.get("ada")), timeout=2) == given.user()

    async def test_cancelled_while_waiting_for_a_turn(self, store: Store) -> None:
        """Who gives up waiting for its turn is passed over, and changes nothing."""

        async def put(n: int) -> None:
            await written(store, lambda tx: tx.counters.put(str(n), Counter(count=n, at=NOW)))

        async with store.write() as tx:
            waiting = [asyncio.create_task(put(n)) for n in range(3)]
            await asyncio.sleep(0.01)
            waiting[1].cancel()
            await tx.counters.put("first", Counter(count=1, at=NOW))
        results = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
        async with store.read() as tx:
            found = [await tx.counters.get(str(n)) for n in range(3)]
        assert found == [Counter(count=0, at=NOW), None, Counter(count=2, at=NOW)]


class ChangedSuite:
    async def test_nothing_changed(self, store: Store) -> None:
        """Nobody is told anything while nothing is written: the wait runs out."""
        await read(store, lambda tx: tx.users.get("ada"))

        assert not await store.changed(wait=0.1)

    async def test_told(self, store: Store) -> None:
        """Everybody who waits is told of a write, long before the wait runs out, and of each once."""

        async def told() -> tuple[bool, bool]:
            return await store.changed(wait=5), await store.changed(wait=0.1)

        waiting = [asyncio.create_task(told()) for _ in range(3)]
        await asyncio.sleep(0.05)
        await ada(store)

        assert await asyncio.wait_for(asyncio.gather(*waiting), timeout=2) == [(True, False)] * 3

    async def test_nobody_misses_it(self, store: Store) -> None:
        """Who was busy while something was written is told at the next call, even if another was told before."""
        busy = asyncio.Event()

        async def listen() -> list[bool]:
            heard = [await store.changed(wait=5)]
            await busy.wait()
            return [*heard, await store.changed(wait=0.2), await store.changed(wait=0.1)]

        listening = [asyncio.create_task(listen()) for _ in range(2)]
        await asyncio.sleep(0.05)
        await ada(store)
        await asyncio.sleep(0.1)
        await written(store, lambda tx: tx.users.remove("ada"))
        await asyncio.sleep(0.1)
        busy.set()

        assert await asyncio.gather(*listening) == [[True, True, False]] * 2

    async def test_each_call_in_its_own_task(self, store: Store) -> None:
        """Who wraps each call in a new task hears of each write once, too."""

        async def changed() -> bool:
            return await asyncio.create_task(store.changed(wait=0.15))

        await ada(store)
        await asyncio.sleep(0.1)

        assert [await changed(), await changed()] == [True, False]

    async def test_failed_write(self, store: Store) -> None:
        """Nobody is told of a write that failed."""
        with suppress(ZeroDivisionError):
            async with store.write() as tx:
                await add_everything(tx)
                raise ZeroDivisionError

        assert not await store.changed(wait=0.1)

    async def test_told_after_it_can_be_read(self, store: Store) -> None:
        """Who is told and looks finds what was written."""

        async def look() -> object:
            await store.changed(wait=5)
            return await read(store, lambda tx: tx.users.get("ada"))

        for _ in range(10):
            looking = asyncio.create_task(look())
            await asyncio.sleep(0)
            await ada(store)
            assert await looking == given.user()
            looking = asyncio.create_task(look())
            await asyncio.sleep(0)
            await written(store, lambda tx: tx.users.remove("ada"))
            assert await looking is None
