"""The relay: what a verifier that follows one process gets, and what it never gets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ostiary.core.floor import NONE_IS_GOOD, Document, Entry, Floor, Floors, Head
from ostiary.core.policy import Policy
from ostiary.errors import Overloaded, Unavailable
from ostiary.feed import relay as relay_module
from ostiary.feed.follower import Follower
from ostiary.feed.relay import Relay
from ostiary.feed.wire import BEAT, DocumentOut, read_id
from ostiary.ports import StoredDocument
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST, CountedEntropy, FakeClock

QUICK = replace(CHEAPEST, lease=timedelta(seconds=0.2))


class Place:
    """A relay, and the follower and the store that it lives by."""

    def __init__(self, policy: Policy) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.floors = Floors(policy)
        self.relay = Relay(
            store=self.store,
            floors=self.floors,
            clock=self.clock,
            entropy=CountedEntropy(),
            policy=policy,
            issuer="https://id.example",
        )
        self.load_fails = False
        self.is_welcome = True
        self.follower = Follower(
            store=self.store, floors=self.floors, clock=self.clock, policy=policy, load=self._load, relay=self.relay
        )

    async def _load(self) -> None:
        if self.load_fails:
            raise Unavailable("on purpose")
        async with self.store.read() as tx:
            stored = [await tx.documents.get(name) for name in ("keys", "roles", "verifiers")]
        self.relay.equip(
            DocumentOut(name=each.name, version=each.version, body=msgspec.json.decode(each.body or "null"))
            for each in stored
            if each is not None
        )

    @property
    def head(self) -> Head:
        assert self.floors.head is not None
        return self.floors.head

    async def revoke(self, *sids: str) -> None:
        """Put floors on the feed, and let the follower see them."""
        async with self.store.write() as tx:
            await tx.feed.append([Floor(sid, NONE_IS_GOOD, self.clock.now()) for sid in sids])
        await self.follower.catch_up()

    async def publish(self, name: str, version: int, body: str) -> None:
        """Put a document on the feed. The follower is not told."""
        async with self.store.write() as tx:
            old, new = await tx.documents.get(name), StoredDocument(name=name, version=version, body=body)
            assert await (tx.documents.add(new) if old is None else tx.documents.swap(old, new))
            await tx.feed.append([Document(name, version)])

    def follow(self, after: Head, verifier: str = "orders") -> AsyncGenerator[bytes]:
        return self.relay.follow(after, verifier=verifier, is_welcome=lambda: self.is_welcome)


@pytest.fixture
async def place(request: pytest.FixtureRequest) -> Place:
    """A relay that is open, of a follower that has begun."""
    place = Place(getattr(request, "param", QUICK))
    await place.store.open()
    await place.follower.begin()
    place.relay.open()
    return place


Event = tuple[int | None, str, Any]


def parse(chunk: bytes) -> list[Event]:
    """Read a chunk as events: `seq`, name, data. Comments are passed over."""
    events: list[Event] = []
    for text in chunk.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
        if fields:
            head = read_id(fields.get("id", ""))
            events.append((None if head is None else head.seq, fields["event"], msgspec.json.decode(fields["data"])))
    return events


async def read(stream: AsyncGenerator[bytes], count: int) -> list[Event]:
    """Read so many events."""
    events: list[Event] = []
    while len(events) < count:
        events += parse(await anext(stream))
    return events


async def rest(stream: AsyncGenerator[bytes]) -> list[Event]:
    """Read to the end."""
    return [event for chunk in [chunk async for chunk in stream] for event in parse(chunk)]


# ------------------------------------------------------------------------------------------------ what comes


async def test_what_follows(place: Place) -> None:
    """A reader hears at once that it is heard, and then of everything after its head, in order, as it happens."""
    async with aclosing(place.follow(place.head)) as stream:
        first = await anext(stream)
        coming = asyncio.create_task(read(stream, 3))
        await asyncio.sleep(0.01)
        await place.revoke("a")
        await place.publish("roles", 1, '{"editor":["edit"]}')
        await place.revoke("b")
        events = await coming

    until = place.clock.now().timestamp()
    assert first == BEAT
    assert events == [
        (1, "floor", {"sid": "a", "floor": None, "until": until}),
        (2, "document", {"name": "roles", "version": 1, "body": {"editor": ["edit"]}}),
        (3, "floor", {"sid": "b", "floor": None, "until": until}),
    ]


async def test_a_floor_that_is_no_end(place: Place) -> None:
    """A floor that some revision still reaches is sent as the number it is."""
    async with place.store.write() as tx:
        await tx.feed.append([Floor("a", 7, place.clock.now())])
    start = place.head
    await place.follower.catch_up()

    async with aclosing(place.follow(start)) as stream:
        events = await read(stream, 1)

    assert [(seq, data["floor"]) for seq, _, data in events] == [(1, 7)]


async def test_one_who_was_away(place: Place) -> None:
    """Who comes back gets what was missed, many events in a chunk, and each exactly once."""
    start = place.head
    await place.revoke(*(f"s{i}" for i in range(700)))

    async with aclosing(place.follow(start)) as stream:
        chunks = [await anext(stream) for _ in range(3)]

    assert chunks[0] == BEAT
    assert [event[0] for chunk in chunks for event in parse(chunk)] == list(range(1, 701))


async def test_longer_away_than_we_remember(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not remembered any more comes from the store, and the rest from memory, without a gap between them."""
    monkeypatch.setattr(relay_module, "_REMEMBERED", 100)
    start = place.head
    for batch in range(30):
        await place.revoke(*(f"s{batch}.{i}" for i in range(40)))
    assert place.relay._start > 500

    async with aclosing(place.follow(start)) as stream:
        events = await read(stream, 1200)

    assert [event[0] for event in events] == list(range(1, 1201))


async def test_a_document_is_not_loaded(place: Place) -> None:
    """A document that was announced and cannot be loaded holds back itself and what follows it, and the snapshot."""
    await place.publish("keys", 1, '{"keys":[]}')
    await place.revoke("a")
    start = place.head
    await place.publish("keys", 2, '{"keys":[{"kid":"new"}]}')
    place.load_fails = True
    with pytest.raises(Unavailable):
        await place.revoke("b")
    assert place.head.seq == start.seq + 2

    async with aclosing(place.follow(start)) as stream:
        assert await anext(stream) == BEAT
        coming = asyncio.create_task(read(stream, 2))
        await asyncio.sleep(0.02)
        came_early = coming.done()
        with pytest.raises(Unavailable, match="not loaded"):
            place.relay.snapshot()
        place.load_fails = False
        await place.follower.catch_up()
        events = await coming

    assert not came_early
    assert [(seq, name) for seq, name, _ in events] == [(start.seq + 1, "document"), (start.seq + 2, "floor")]
    assert events[0][2] == {"name": "keys", "version": 2, "body": {"keys": [{"kid": "new"}]}}
    assert [document.version for document in place.relay.snapshot().documents] == [2]


async def test_a_document_of_a_later_version(place: Place) -> None:
    """What only a newer process of ours knows, and who the verifiers are, is announced without a body."""
    start = place.head
    async with place.store.write() as tx:
        await tx.feed.append([Document("clients", 4)])
    await place.publish("verifiers", 1, "")
    await place.follower.catch_up()

    async with aclosing(place.follow(start)) as stream:
        events = await read(stream, 2)

    assert [data for _, _, data in events] == [
        {"name": "clients", "version": 4, "body": None},
        {"name": "verifiers", "version": 1, "body": None},
    ]
    assert place.relay.snapshot().documents == ()


async def test_a_gap(place: Place) -> None:
    """What lies behind a gap was not applied here, and is not passed on either."""
    start, now = place.head, place.clock.now()
    entries = [Entry(start.seq + by, Floor(f"s{by}", NONE_IS_GOOD, now)) for by in (1, 3)]

    assert not place.floors.apply(entries, elapsed=place.clock.elapsed())
    place.relay.applied(entries)

    async with aclosing(place.follow(start)) as stream:
        events = await read(stream, 1)
        rest_of_it = asyncio.create_task(read(stream, 1))
        await asyncio.sleep(0.01)
        assert not rest_of_it.done()
        rest_of_it.cancel()
        await asyncio.gather(rest_of_it, return_exceptions=True)
    assert [seq for seq, _, _ in events] == [start.seq + 1]


# ------------------------------------------------------------------------------------------------ reset


async def test_another_history(place: Place) -> None:
    """Who has read another incarnation starts over."""
    assert await rest(place.follow(Head("another", place.head.seq))) == [(None, "reset", {})]


async def test_the_store_has_forgotten(place: Place) -> None:
    """Who was away longer than the store remembers starts over, and is not given the part that is left."""
    start = place.head
    await place.revoke("a")
    await place.revoke("b")
    async with place.store.write() as tx:
        await tx.feed.purge(up_to=1, until_before=place.clock.now() + timedelta(days=1), limit=9)
    place.relay.started(place.head)
    await place.follower.round()

    assert await rest(place.follow(start)) == [(None, "reset", {})]


async def test_the_view_starts_over(place: Place) -> None:
    """When the view of the process starts over, so does everybody who follows it, however far they are."""
    async with aclosing(place.follow(place.head)) as stream:
        assert await anext(stream) == BEAT
        coming = asyncio.create_task(rest(stream))
        await asyncio.sleep(0.01)
        place.relay.started(place.head)

        assert await coming == [(None, "reset", {})]


async def test_ahead_of_this_process(place: Place) -> None:
    """Who has read more elsewhere waits until it is here too, and gets what comes after it only."""
    ahead = replace(place.head, seq=2)

    async with aclosing(place.follow(ahead)) as stream:
        assert await anext(stream) == BEAT
        coming = asyncio.create_task(read(stream, 1))
        await asyncio.sleep(0.02)
        await place.revoke("a", "b")
        await place.revoke("c")

        assert [(seq, data["sid"]) for seq, _, data in await coming] == [(3, "c")]


async def test_ahead_for_too_long(place: Place) -> None:
    """Who has read what does not come here within a lease has read a history that is gone."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    events = await rest(place.follow(replace(place.head, seq=5)))

    assert events == [(None, "reset", {})]
    assert loop.time() - began >= 0.2


# ------------------------------------------------------------------------------------------------ the end of a stream


async def test_not_welcome_any_more(place: Place) -> None:
    """A stream ends when its reader is not welcome any more, before anything else is sent to it."""
    async with aclosing(place.follow(place.head)) as stream:
        assert await anext(stream) == BEAT
        coming = asyncio.create_task(rest(stream))
        await asyncio.sleep(0.01)
        place.is_welcome = False
        await place.revoke("a")

        assert await coming == []
    assert place.relay.streams == 0


async def test_the_process_stops(place: Place) -> None:
    """Who follows a process that stops is sent away without a reset, and nobody new is let in."""
    async with aclosing(place.follow(place.head)) as stream:
        assert await anext(stream) == BEAT
        coming = asyncio.create_task(rest(stream))
        await asyncio.sleep(0.01)
        place.relay.close()

        assert await coming == []
    with pytest.raises(Unavailable):
        place.follow(place.head)


@pytest.mark.parametrize("place", [replace(QUICK, stream_life=timedelta(milliseconds=80))], indirect=True)
async def test_a_life(place: Place) -> None:
    """A stream lives for three quarters of its life at least, and for all of it at most; no two for the same time."""
    loop = asyncio.get_running_loop()
    lives: list[float] = []
    for _ in range(5):
        began = loop.time()
        assert await rest(place.follow(place.head)) == []
        lives.append(loop.time() - began)

    assert min(lives) >= 0.06
    assert len({place.relay._life() for _ in range(20)}) > 15
    assert all(0.06 <= place.relay._life() <= 0.08 for _ in range(300))


async def test_beats(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens, something is sent all the same: so a connection that is gone is noticed."""
    monkeypatch.setattr(relay_module, "_BEAT_EVERY", 0.01)

    async with aclosing(place.follow(place.head)) as stream:
        chunks = [await anext(stream) for _ in range(4)]

    assert chunks == [BEAT] * 4


@pytest.mark.parametrize("place", [replace(QUICK, most_streams=2)], indirect=True)
async def test_too_many(place: Place) -> None:
    """So many follow and no more, however they come; the place of one who leaves is free."""
    one, two, three = (place.follow(place.head) for _ in range(3))
    assert [await anext(one), await anext(two)] == [BEAT, BEAT]

    with pytest.raises(StopAsyncIteration):  # promised when there was room, and too late
        await anext(three)
    with pytest.raises(Overloaded):
        place.follow(place.head)
    await one.aclose()
    four = place.follow(place.head)

    assert await anext(four) == BEAT
    assert place.relay.streams == 2
    await asyncio.gather(two.aclose(), four.aclose())
    assert place.relay.streams == 0


@pytest.mark.parametrize("place", [replace(QUICK, most_streams=2)], indirect=True)
async def test_one_that_follows_too_often(place: Place) -> None:
    """A verifier that has opened all the streams that it may keeps no other out."""
    greedy = [place.follow(place.head) for _ in range(2)]
    for stream in greedy:
        await anext(stream)

    with pytest.raises(Overloaded):
        place.follow(place.head)
    other = place.follow(place.head, "bills")

    assert await anext(other) == BEAT
    assert place.relay.streams == 3
    await asyncio.gather(*(stream.aclose() for stream in (*greedy, other)))
    assert place.relay.streams == 0


async def test_the_store_is_away(place: Place) -> None:
    """When only the store has what was missed and it cannot answer, the stream ends: nobody need start over."""
    start = place.head
    await place.revoke("a")
    place.relay.started(place.head)
    await place.store.close()

    assert await rest(place.follow(start)) == []


# ------------------------------------------------------------------------------------------------ head and snapshot


async def test_what_is_left_of_the_lease(place: Place) -> None:
    """The head says what is left of this process's own lease; when nothing is left, it says nothing."""
    place.clock.advance(timedelta(seconds=0.15))
    left = place.relay.head()
    place.clock.advance(timedelta(seconds=0.051))

    with pytest.raises(Unavailable):
        place.relay.head()
    with pytest.raises(Unavailable):
        place.relay.snapshot()

    assert left.read() == place.head
    assert left.lease == pytest.approx(0.05)


async def test_a_snapshot(place: Place) -> None:
    """A snapshot has every floor in force, once and with its end, and what is needed to make sense of them."""
    await place.publish("keys", 1, '{"keys":[]}')
    await place.publish("roles", 1, "{}")
    later = place.clock.now() + timedelta(minutes=5)
    async with place.store.write() as tx:
        await tx.feed.append([Floor("a", 2, place.clock.now()), Floor("b", 3, later)])
    await place.revoke("a")

    snapshot = place.relay.snapshot()

    assert snapshot.read() == place.head
    assert sorted((floor.read() for floor in snapshot.floors), key=lambda floor: floor.sid) == [
        Floor("a", NONE_IS_GOOD, place.clock.now()),
        Floor("b", 3, later),
    ]
    assert [(document.name, document.version) for document in snapshot.documents] == [("keys", 1), ("roles", 1)]
    assert (snapshot.issuer, snapshot.lease, snapshot.access_life, snapshot.leeway) == (
        "https://id.example",
        0.2,
        600.0,
        30.0,
    )


async def test_a_floor_that_was_forgotten(place: Place) -> None:
    """What has outlived all it kills is not in a snapshot any more."""
    await place.revoke("a")
    place.clock.advance(timedelta(hours=1))
    await place.follower.catch_up()

    assert place.relay.snapshot().floors == ()
