"""One store in several event loops, one after another, as when an application is started twice in one process."""

import asyncio
import gc
import warnings
from pathlib import Path

import pytest

from ostiary.core.throttle import Counter
from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import NOW, read
from tests.conftest import STORES, Make


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
@pytest.mark.parametrize("make", STORES.values(), ids=STORES)
def test_second_loop(request: pytest.FixtureRequest, make: Make, tmp_path: Path, *, closes: bool) -> None:
    """A store serves the next event loop as it served the first, even if it was never closed, and forgets nothing."""
    store = make(request, tmp_path)
    with warnings.catch_warnings(category=ResourceWarning, action="error" if closes else "ignore"):
        asyncio.run(busy(store, closes=closes))
        counted = asyncio.run(busy(store, closes=True))
        gc.collect()

    assert counted == 20


async def busy(store: Store, *, closes: bool) -> int:
    """Let listeners wait, ten writers count at once and ten readers look at once. Return how far they have counted."""
    await store.open()

    async def count() -> None:
        counted = False
        while not counted:
            async with store.write() as tx:
                before = await tx.counters.get(["k"])
                await asyncio.sleep(0)
                after = Counter(count=before["k"].count + 1 if before else 1, at=NOW)
                counted = await tx.counters.swap(before, {"k": after})
                if counted:
                    await tx.feed.append([given.floor()])

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
