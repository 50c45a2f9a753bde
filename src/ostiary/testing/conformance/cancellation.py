"""A block that is cancelled, wherever it waits."""

import asyncio

import pytest

from ostiary.core.throttle import Counter
from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.cancelling import Cancelled, cancelled_at
from ostiary.testing.conformance.everything import add_everything, all_of_it, everything
from ostiary.testing.conformance.given import NOW, ada, read, written


class CancellationSuite:
    """A write that is cancelled happens whole or not at all, and the next one works."""

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
            await asyncio.wait_for(written(store, lambda tx: tx.counters.swap({}, {})), timeout=2)

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
            await written(store, lambda tx: given.put(tx, str(n), Counter(count=n, at=NOW)))

        async with store.write() as tx:
            waiting = [asyncio.create_task(put(n)) for n in range(3)]
            await asyncio.sleep(0.01)
            waiting[1].cancel()
            await given.put(tx, "first", Counter(count=1, at=NOW))
        results = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
        async with store.read() as tx:
            found = [await given.counter(tx, str(n)) for n in range(3)]
        assert found == [Counter(count=0, at=NOW), None, Counter(count=2, at=NOW)]
