"""Hashes wait in a short queue, off the event loop, and never in its way."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from statistics import median

import pytest

from ostiary.core.policy import WEB
from ostiary.errors import Overloaded, Unavailable
from ostiary.methods.argon2 import Hasher
from ostiary.testing import CHEAPEST


class Gate:
    """Work that begins when a thread takes it and ends when the test says so."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(20)
        return "done"


@asynccontextmanager
async def busy(*, waiting: int, threads: int = 1) -> AsyncGenerator[tuple[Hasher, Gate, list[asyncio.Task[str]]]]:
    """A hasher all of whose threads are held at a gate."""
    hasher = Hasher(replace(CHEAPEST.password, waiting=waiting), threads=threads)
    gate = Gate()
    held = [asyncio.create_task(hasher.run(gate)) for _ in range(threads)]
    try:
        await asyncio.to_thread(gate.begun.wait, 20)
        yield hasher, gate, held
    finally:
        gate.may_end.set()
        await asyncio.gather(*held, return_exceptions=True)
        hasher.close()


async def settle() -> None:
    """Let every task go as far as it can without a thread."""
    for _ in range(10):
        await asyncio.sleep(0)


async def eventually(true: Callable[[], bool]) -> bool:
    """Wait for something that a thread does."""
    for _ in range(1000):
        if true():
            return True
        await asyncio.sleep(0.005)
    return False


# ------------------------------------------------------------------------------------------------ the queue


@pytest.mark.parametrize("threads", [1, 3])
async def test_the_queue_is_bounded(threads: int) -> None:
    """With every thread busy, `waiting` more wait; the next is told at once to come back. All that waited is done."""
    async with busy(waiting=5, threads=threads) as (hasher, gate, held):
        waiters = [asyncio.create_task(hasher.hash("x")) for _ in range(5)]
        await settle()
        for _ in range(3):
            with pytest.raises(Overloaded) as refused:
                await hasher.hash("one too many")

            assert isinstance(refused.value.retry_after, int)
            assert refused.value.retry_after >= 1
        gate.may_end.set()

        assert await asyncio.gather(*held) == ["done"] * threads
        assert all(stored.startswith("$argon2id$") for stored in await asyncio.gather(*waiters))
        assert await hasher.hash("room again")


async def test_no_queue_at_all() -> None:
    """A policy that lets nothing wait still lets each thread work."""
    async with busy(waiting=0) as (hasher, gate, held):
        with pytest.raises(Overloaded):
            await hasher.verify(hasher.dummy, "x")
        gate.may_end.set()
        await asyncio.gather(*held)

        assert not await hasher.verify(hasher.dummy, "x")


@pytest.mark.parametrize(
    ("threads", "waiting", "average", "seconds"),
    [(1, 4, 0.0, 1), (1, 4, 0.02, 1), (1, 4, 1.0, 5), (1, 4, 1.1, 6), (2, 4, 1.0, 3), (2, 14, 0.3, 3)],
)
async def test_how_long_to_stay_away(threads: int, waiting: int, average: float, seconds: int) -> None:
    """The advice is the time that everything before would take, in whole seconds and one at least."""
    async with busy(waiting=waiting, threads=threads) as (hasher, _, _):
        hasher._average = average
        waiters = [asyncio.create_task(hasher.hash("x")) for _ in range(waiting)]
        await settle()
        with pytest.raises(Overloaded) as refused:
            await hasher.hash("one too many")
        for waiter in waiters:
            waiter.cancel()

        assert refused.value.retry_after == seconds


async def test_the_average_follows_what_is_measured(hasher: Hasher) -> None:
    """Slow work makes the expected time longer, quick work makes it shorter again."""
    before = hasher._average
    for _ in range(3):
        await hasher.run(lambda: time.sleep(0.05))
    slow = hasher._average
    for _ in range(30):
        await hasher.run(lambda: None)

    assert slow > 0.01
    assert before < slow
    assert hasher._average < slow / 2


async def test_never_more_at_once_than_threads() -> None:
    """However many are asked for, no more hashes are computed at once than there are threads."""
    hasher = Hasher(CHEAPEST.password, threads=2)
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    await asyncio.gather(*(hasher.run(work) for _ in range(20)))
    hasher.close()

    assert most == 2


@pytest.mark.parametrize("failing", [ValueError("of its own"), Unavailable("of its own")])
async def test_work_that_fails(failing: Exception) -> None:
    """An error reaches the one who asked, and its place is free again."""

    def work() -> None:
        raise failing

    hasher = Hasher(replace(CHEAPEST.password, waiting=0), threads=1)
    for _ in range(3):
        with pytest.raises(type(failing), match="of its own"):
            await hasher.run(work)

    assert await hasher.hash("x")
    hasher.close()


# ------------------------------------------------------------------------------------------------ giving up


async def test_who_gives_up_gives_the_place_back() -> None:
    """A waiter that is cancelled is never hashed, and another may wait in its place at once."""
    async with busy(waiting=2) as (hasher, gate, _):
        hashed: list[str] = []
        waiters = [asyncio.create_task(hasher.run(partial(hashed.append, who))) for who in ("first", "second")]
        await settle()
        waiters[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiters[0]
        third = asyncio.create_task(hasher.run(partial(hashed.append, "third")))
        await settle()
        with pytest.raises(Overloaded):
            await hasher.hash("fourth")
        gate.may_end.set()
        await asyncio.gather(waiters[1], third)

        assert hashed == ["second", "third"]


async def test_a_hash_that_has_begun_keeps_its_place() -> None:
    """Giving up does not stop a thread, so its place stays taken until it is done."""
    async with busy(waiting=0) as (hasher, gate, held):
        held[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await held[0]
        with pytest.raises(Overloaded):
            await hasher.hash("x")
        gate.may_end.set()

        assert await eventually(lambda: hasher._taken == 0)
        assert await hasher.hash("x")


async def test_a_time_out_is_a_time_out() -> None:
    """A caller's own time limit comes out as that, and gives the place back."""
    async with busy(waiting=1) as (hasher, _, _):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await hasher.hash("x")

        assert hasher._taken == 1


# ------------------------------------------------------------------------------------------------ the end


async def test_closing() -> None:
    """Closing finishes what has begun, refuses what waits and what comes later, and leaves no thread."""
    async with busy(waiting=3) as (hasher, gate, held):
        waiters = [asyncio.create_task(hasher.hash("x")) for _ in range(3)]
        await settle()
        closing = asyncio.create_task(asyncio.to_thread(hasher.close))
        answers = await asyncio.gather(*waiters, return_exceptions=True)
        gate.may_end.set()
        await closing

        assert [type(answer) for answer in answers] == [Unavailable] * 3
        assert await asyncio.gather(*held) == ["done"]
        with pytest.raises(Unavailable):
            await hasher.verify(hasher.dummy, "x")
        assert not hasher.needs_rehash(hasher.dummy)
        assert hasher._taken == 0
        assert not any(thread.is_alive() for thread in hasher._pool._threads)


async def test_closing_does_not_hide_a_cancellation() -> None:
    """A waiter that was cancelled hears that, even when the hasher closes at the same moment."""
    async with busy(waiting=1) as (hasher, gate, _):
        waiter = asyncio.create_task(hasher.hash("x"))
        await settle()
        waiter.cancel()
        gate.may_end.set()
        hasher.close()

        with pytest.raises(asyncio.CancelledError):
            await waiter


def test_several_event_loops() -> None:
    """One hasher serves event loops in several threads."""
    hasher = Hasher(CHEAPEST.password, threads=2)
    answers: list[bool] = []

    async def login() -> None:
        stored = await hasher.hash("x")
        answers.extend([await hasher.verify(stored, "x"), not await hasher.verify(stored, "y")])

    loops = [threading.Thread(target=asyncio.run, args=(login(),)) for _ in range(4)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(20)
    hasher.close()

    assert answers == [True] * 8


# ------------------------------------------------------------------------------------------------ out of the way


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread its own priority")
async def test_hashing_steps_back(hasher: Hasher) -> None:
    """Threads that hash have a lower priority than the event loop, whose own is untouched."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    hashing = await hasher.run(niceness)

    assert hashing == max(10, before)
    assert niceness() == before


def test_a_processor_is_left_to_the_event_loop() -> None:
    """By default there is one thread fewer than there are processors, and one at least."""
    hasher = Hasher(CHEAPEST.password)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    assert hasher._threads == max(1, processors - 1)
    hasher.close()


@pytest.mark.xdist_group("timing")
async def test_the_event_loop_goes_on() -> None:
    """With 64 hashes of the real cost in flight, the event loop is not kept waiting by them.

    A hash that ran in the loop, or that held the interpreter's lock, would make every gap last as long as a hash.
    """
    hasher = Hasher(WEB.password)
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    started = time.perf_counter()
    await hasher.verify(hasher.dummy, "x")
    one_hash = time.perf_counter() - started
    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(hasher.hash("x") for _ in range(64)))
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    hasher.close()

    assert len(gaps) > 64
    assert median(gaps) < one_hash / 2
