"""What it costs to watch a file."""

import asyncio
import time

import pytest

from ostiary.stores.sql import SqlStore
from tests.conformance.suites.given import ada


@pytest.mark.xdist_group("timing")
async def test_cost_of_watching(store: SqlStore) -> None:
    """To watch a file in which nothing happens costs about 1 % of a core, and never 3 %."""
    before, started = time.process_time(), time.perf_counter()
    assert not await store.changed(wait=1.0)

    share = (time.process_time() - before) / (time.perf_counter() - started)
    assert share < 0.03


@pytest.mark.xdist_group("timing")
async def test_own_writes_are_heard_at_once(store: SqlStore) -> None:
    """A write of this process is heard without waiting for the next poll."""
    delays: list[float] = []

    async def hear() -> float:
        await store.changed(wait=5)
        return time.perf_counter()

    for n in range(20):
        hearing = asyncio.create_task(hear())
        await asyncio.sleep(0.005)
        await ada(store, id=f"u{n}")
        written = time.perf_counter()
        delays.append(await hearing - written)

    assert sorted(delays)[10] < 0.005
