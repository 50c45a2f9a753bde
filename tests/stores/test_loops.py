"""One store in several event loops, one after another, as when an application is started twice in one process."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ostiary.core.throttle import Counter
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.stores.sql import SqlStore, sqlite_url
from tests.conformance.suites import given
from tests.conformance.suites.given import NOW, read

MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SqlStore(sqlite_url(folder / "ostiary.db"), migrate=True),
}


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_second_loop(make: Callable[[Path], Store], tmp_path: Path, *, closes: bool) -> None:
    """A store serves the next event loop as it served the first, even if it was never closed, and forgets nothing."""
    store = make(tmp_path)
    asyncio.run(busy(store, closes=closes))

    assert asyncio.run(busy(store, closes=True)) == 20


async def busy(store: Store, *, closes: bool) -> int:
    """Let listeners wait, ten writers count at once and ten readers look at once. Return how far they have counted."""
    await store.open()

    async def count() -> None:
        async with store.write() as tx:
            before = await given.counter(tx, "k")
            await asyncio.sleep(0)
            await given.put(tx, "k", Counter(count=before.count + 1 if before else 1, at=NOW))

    async with asyncio.TaskGroup() as group:
        listeners = [group.create_task(store.changed(wait=5)) for _ in range(2)]
        await asyncio.sleep(0.01)  # both wait now
        for _ in range(10):
            group.create_task(count())
    counters = await asyncio.gather(*(read(store, lambda tx: given.counter(tx, "k")) for _ in range(10)))
    if closes:
        await store.close()

    assert [listener.result() for listener in listeners] == [True, True]
    assert counters == counters[:1] * 10
    assert counters[0] is not None
    return counters[0].count
