"""The follower: what it takes for memory to answer, and what ends that."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ostiary.core.floor import NONE_IS_GOOD, Document, Entry, Floor, Floors, Head, News, Renewal, Snapshot
from ostiary.errors import Unavailable
from ostiary.feed.follower import Follower
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST, FakeClock

LEASE = CHEAPEST.lease.total_seconds()


class Troubled:
    """A store whose reads can fail or hang, and whose head can lie."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.fails = False
        self.hangs = False
        self.head: Head | None = None
        self.has_snapshots = True
        self.snapshot_takes = 0.0

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Any]:
        await self._reached()
        async with self.store.read() as tx:
            if self.head is not None:
                tx.feed.head = self._lie  # type: ignore[method-assign]
            if not self.has_snapshots:
                tx.feed.snapshot = self._no_snapshot  # type: ignore[method-assign]
            if self.snapshot_takes:
                tx.feed.snapshot = self._slowly(tx.feed.snapshot)  # type: ignore[method-assign]
            yield tx

    async def news(self, seq: int, *, limit: int) -> News:
        await self._reached()
        news = await self.store.news(seq, limit=limit)
        return news if self.head is None else replace(news, head=self.head)

    async def _reached(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise Unavailable("on purpose")

    def _slowly(self, snapshot: Callable[[], Awaitable[Snapshot]]) -> Callable[[], Coroutine[Any, Any, Snapshot]]:
        async def slow() -> Snapshot:
            await asyncio.sleep(self.snapshot_takes)
            return await snapshot()

        return slow

    async def _no_snapshot(self) -> Snapshot:
        raise Unavailable("on purpose")

    async def _lie(self) -> Head:
        assert self.head is not None
        return self.head

    async def changed(self, *, wait: float) -> bool:
        await asyncio.sleep(min(wait, 0.01))
        return False


class Place:
    """A follower, and everything around it."""

    def __init__(self) -> None:
        self.store = Troubled()
        self.clock = FakeClock()
        self.floors = Floors(CHEAPEST)
        self.loads = 0
        self.load_fails = False
        self.follower = Follower(
            store=self.store,  # type: ignore[arg-type] # a store by delegation
            floors=self.floors,
            clock=self.clock,
            policy=CHEAPEST,
            load=self._load,
        )

    async def _load(self) -> None:
        if self.load_fails:
            raise Unavailable("on purpose")
        self.loads += 1

    async def append(self, *changes: Floor | Document) -> None:
        async with self.store.store.write() as tx:
            await tx.feed.append(changes)

    @property
    def is_fresh(self) -> bool:
        return self.clock.elapsed() < self.floors.fresh_until


@pytest.fixture
async def place() -> Place:
    """A follower of an open store that has not begun."""
    place = Place()
    await place.store.store.open()
    return place


def floor(place: Place, sid: str) -> Floor:
    """Return the floor of a session that was just revoked."""
    return Floor(sid, NONE_IS_GOOD, place.clock.now())


async def test_never_empty(place: Place) -> None:
    """Before the first round nothing is answered from memory; after it, everything that was revoked before is known."""
    await place.append(floor(place, "a"), floor(place, "b"))

    before = place.is_fresh
    await place.follower.round()

    assert not before
    assert place.is_fresh
    assert set(place.floors.of) == {"a", "b"}
    assert place.loads == 1


async def test_a_lease_is_counted_from_the_asking(place: Place) -> None:
    """The lease ends Δ after the question was sent, however long the answer took."""
    await place.follower.round()
    asked = place.clock.elapsed()
    news = place.store.news

    async def slow_news(seq: int, *, limit: int) -> News:
        place.clock.advance(timedelta(seconds=1.5))
        return await news(seq, limit=limit)

    place.store.news = slow_news  # type: ignore[method-assign]
    await place.follower.round()

    assert place.floors.fresh_until == asked + LEASE


async def test_no_answer_renews_nothing(place: Place) -> None:
    """While the store fails, the lease runs out; when it answers again, so does memory."""
    await place.follower.round()
    place.store.fails = True

    place.clock.advance(timedelta(seconds=1.9))
    with pytest.raises(Unavailable):
        await place.follower.round()
    still = place.is_fresh
    place.clock.advance(timedelta(seconds=0.1))
    over = not place.is_fresh
    place.store.fails = False
    await place.follower.round()

    assert still
    assert over
    assert place.is_fresh


async def test_a_hanging_store_is_given_up(place: Place) -> None:
    """A question that hangs is given up before the lease is over, and asked again."""
    place.store.hangs = True
    running = asyncio.create_task(place.follower.run())

    await asyncio.sleep(LEASE / 2 + 0.3)
    place.store.hangs = False
    await asyncio.sleep(LEASE / 2)
    running.cancel()

    assert place.is_fresh


async def test_a_document_must_be_loaded(place: Place) -> None:
    """Keys that were announced and not loaded are a view that has not caught up: nothing is renewed until they are."""
    await place.follower.round()
    await place.append(Document("keys", 2))
    place.load_fails = True
    place.clock.advance(timedelta(seconds=1))

    for _ in range(2):
        with pytest.raises(Unavailable):
            await place.follower.round()
    place.clock.advance(timedelta(seconds=1))
    over = not place.is_fresh
    place.load_fails = False
    await place.follower.round()

    assert over
    assert place.is_fresh
    assert place.loads == 2


@pytest.mark.parametrize(
    "lie",
    [lambda head: replace(head, incarnation="another"), lambda head: replace(head, seq=head.seq - 1)],
    ids=["incarnation", "back"],
)
async def test_another_history(place: Place, lie: Any) -> None:
    """A feed with another incarnation, or one that went back, is started over from its snapshot."""
    await place.append(floor(place, "a"), floor(place, "b"))
    await place.follower.round()
    place.floors.of["of another history"] = 7
    place.store.head = lie(place.floors.head)

    await place.follower.round()

    assert set(place.floors.of) == {"a", "b"}


async def test_a_view_that_is_over_stays_over(place: Place) -> None:
    """A head that went back ends the view, even if no snapshot comes before the feed has come as far again."""
    await place.append(floor(place, "a"))
    await place.follower.round()
    head = place.floors.head
    assert head is not None
    place.store.head, place.store.has_snapshots = replace(head, seq=0), False
    with pytest.raises(Unavailable):
        await place.follower.round()
    over = not place.is_fresh
    place.store.head, place.store.has_snapshots = None, True
    place.floors.of["of another history"] = 7

    await place.follower.round()

    assert over
    assert place.is_fresh
    assert set(place.floors.of) == {"a"}


async def test_a_floor_is_kept_from_when_it_came(place: Place) -> None:
    """A round in which the machine slept does not make its floors older: what was read meanwhile is still believed."""
    await place.follower.round()
    await place.append(floor(place, "a"))
    asked = place.clock.elapsed()
    news = place.store.news

    async def slept_through(seq: int, *, limit: int) -> News:
        place.clock.advance(timedelta(minutes=6))
        return await news(seq, limit=limit)

    place.store.news = slept_through  # type: ignore[method-assign]
    await place.follower.round()

    kept = CHEAPEST.access_life + CHEAPEST.leeway + CHEAPEST.lease
    assert place.floors.forget(elapsed=asked + kept.total_seconds(), wall=float("inf")) == 0


async def test_a_gap(place: Place) -> None:
    """Entries that were purged before this follower read them are a gap: it starts over and misses nothing."""
    await place.follower.round()
    await place.append(floor(place, "a"))
    await place.append(floor(place, "b"))
    async with place.store.store.write() as tx:
        assert await tx.feed.purge(up_to=1, until_before=place.clock.now() + timedelta(days=1), limit=10) == 1
    place.floors.of["from before"] = 7

    assert await place.follower.round() is Renewal.RENEWED

    assert set(place.floors.of) == {"b"}
    assert place.is_fresh


async def test_a_long_way_behind(place: Place) -> None:
    """Far behind, the follower reads in batches, and renews nothing before it has read everything."""
    await place.follower.round()
    for at in range(25):
        await place.append(*(floor(place, f"{at}.{index}") for index in range(100)))
    place.clock.advance(CHEAPEST.lease)

    renewals = [await place.follower.round() for _ in range(3)]

    assert renewals == [Renewal.BEHIND, Renewal.BEHIND, Renewal.RENEWED]
    assert len(place.floors.of) == 2500


async def test_a_large_snapshot(place: Place) -> None:
    """A snapshot that takes longer than anybody waits is not given up: the follower starts over all the same."""
    await place.follower.begin()
    place.store.snapshot_takes = LEASE / 2 + 0.3
    place.store.head = Head("another", 0)

    with pytest.raises(Unavailable):
        await place.follower.catch_up()
    await asyncio.sleep(0.6)

    assert place.is_fresh
    assert place.floors.head == place.store.head


async def test_a_head_that_the_stream_has_overtaken(place: Place) -> None:
    """What the stream brings while the head is on its way is no history that went back: it is asked again, at most."""
    await place.follower.round()
    before = place.floors.fresh_until
    place.clock.advance(timedelta(seconds=0.5))
    place.store.head, place.store.has_snapshots = place.floors.head, False
    assert place.store.head is not None
    new = Entry(place.store.head.seq + 1, floor(place, "a"))
    ask = place.store.news

    async def overtaken(seq: int, *, limit: int) -> News:
        news = await ask(seq, limit=limit)
        place.floors.apply([new], elapsed=place.clock.elapsed())
        return news

    place.store.news = overtaken  # type: ignore[method-assign]
    renewal = await place.follower.round()

    assert renewal is Renewal.BEHIND
    assert place.floors.fresh_until == before
    assert place.floors.head == replace(place.store.head, seq=new.seq)


async def test_ended_while_somebody_waits(place: Place) -> None:
    """Whoever waits for a question that is given up hears that nobody can answer, and is not cancelled with it."""
    await place.follower.round()
    place.store.hangs = True
    waiting = [asyncio.create_task(place.follower.catch_up()) for _ in range(3)]
    given_up = asyncio.create_task(place.follower.catch_up())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    given_up.cancel()
    place.follower.end()
    outcomes = await asyncio.gather(*waiting, given_up, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3 + [asyncio.CancelledError]
