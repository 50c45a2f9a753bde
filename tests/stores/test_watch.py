"""What it costs to watch a file."""

import asyncio
import time
from pathlib import Path

import pytest

from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.place import uri
from ostiary.stores.sql.watch import POLL_SECONDS, Watch
from ostiary.testing.conformance.given import ada


async def test_cost_of_watching(path: Path) -> None:
    """A file in which nothing happens is looked at 50 times in a second at most, and nobody is woken."""
    looks: list[str] = []
    rings: list[float] = []
    began = time.monotonic()
    watch = Watch(uri(path), asyncio.get_running_loop(), lambda: rings.append(time.monotonic()))
    watch._connection.set_trace_callback(looks.append)
    await asyncio.sleep(1)
    watch.stop()

    assert 0 < len(looks) <= (time.monotonic() - began) / POLL_SECONDS + 1
    assert rings == []


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

    assert sorted(delays)[10] < POLL_SECONDS / 2  # what waiting for the next look takes
