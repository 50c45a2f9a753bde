"""Who is told that the feed has grown."""

import asyncio
from contextlib import suppress

from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.everything import add_everything
from ostiary.testing.conformance.given import read, written


async def grow(store: Store, sid: str = "s1") -> None:
    """Append to the feed."""
    await written(store, lambda tx: tx.feed.append([given.floor(sid)]))


class ChangedSuite:
    """Who waits for a change is woken by one, in this process or in another."""

    async def test_nothing_changed(self, store: Store) -> None:
        """Nobody is told anything while nothing is written: the wait runs out."""
        await read(store, lambda tx: tx.users.get("ada"))

        assert not await store.changed(wait=0.1)

    async def test_told(self, store: Store) -> None:
        """Everybody who waits is told that it has grown, long before the wait runs out, and of each once."""

        async def told() -> tuple[bool, bool]:
            return await store.changed(wait=5), await store.changed(wait=0.1)

        waiting = [asyncio.create_task(told()) for _ in range(3)]
        await asyncio.sleep(0.05)
        await grow(store)

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
        await grow(store)
        await asyncio.sleep(0.1)
        await grow(store)
        await asyncio.sleep(0.1)
        busy.set()

        assert await asyncio.gather(*listening) == [[True, True, False]] * 2

    async def test_each_call_in_its_own_task(self, store: Store) -> None:
        """Who wraps each call in a new task hears of each write once, too."""

        async def changed() -> bool:
            return await asyncio.create_task(store.changed(wait=0.15))

        await grow(store)
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

        async def look(sid: str) -> bool:
            await store.changed(wait=5)
            floors = (await read(store, lambda tx: tx.feed.snapshot())).floors
            return sid in {floor.sid for floor in floors}

        for n in range(20):
            looking = asyncio.create_task(look(f"s{n}"))
            await asyncio.sleep(0)
            await grow(store, f"s{n}")
            assert await looking
