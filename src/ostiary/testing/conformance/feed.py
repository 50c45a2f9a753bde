"""The feed, and the documents it announces."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from ostiary.core.floor import NONE_IS_GOOD, Batch, Document, Entry, Floor, Head, News, Snapshot
from ostiary.errors import Unavailable
from ostiary.ports import Store, StoredDocument
from ostiary.testing.conformance import given
from ostiary.testing.conformance.cancelling import Cancelled, cancelled_at
from ostiary.testing.conformance.given import HOUR, MANY, NOW, race, read, written


class FeedSuite:
    """The feed is ordered and without gaps, and is seen exactly when its transaction is."""

    async def test_empty_feed(self, store: Store) -> None:
        """A new feed has a head at 0, an incarnation that stays, and nothing else."""
        head = await read(store, lambda tx: tx.feed.head())

        assert head == Head(head.incarnation, 0)
        assert head.incarnation
        assert await store.news(0, limit=10) == News(head, ())
        assert await read(store, lambda tx: tx.feed.snapshot()) == Snapshot(head, ())
        assert await read(store, lambda tx: tx.feed.head()) == head

    async def test_append(self, store: Store) -> None:
        """What is appended gets the next numbers, in its order, and comes back as it was."""
        changes: list[Floor | Document] = [given.floor("s1", 2), Document("roles", 3), given.floor("s2", NONE_IS_GOOD)]

        batches = [
            await written(store, lambda tx: tx.feed.append(changes)),
            await written(store, lambda tx: tx.feed.append([given.floor("s3", 4)])),
        ]

        first, second = (batch.entries for batch in batches)
        assert [*first, *second] == [Entry(n, change) for n, change in enumerate([*changes, given.floor("s3", 4)], 1)]
        head = await read(store, lambda tx: tx.feed.head())
        assert head.seq == 4
        assert {batch.incarnation for batch in batches} == {head.incarnation}
        assert await store.news(0, limit=10) == News(head, (*first, *second))

    async def test_news(self, store: Store) -> None:
        """News are the head as it is, and the first entries after a number, no more than asked for, in order."""
        changes = [given.floor(f"s{n}", 2) for n in range(1, 6)]
        batch = await written(store, lambda tx: tx.feed.append(changes))
        head = Head(batch.incarnation, 5)

        assert await store.news(0, limit=2) == News(head, batch.entries[:2])
        assert await store.news(2, limit=3) == News(head, batch.entries[2:])
        assert await store.news(2, limit=10) == News(head, batch.entries[2:])
        assert await store.news(5, limit=10) == News(head, ())
        assert await store.news(2**40, limit=10) == News(head, ())

    async def test_news_of_a_purged_feed(self, store: Store) -> None:
        """Of what was purged the head still tells, so whoever follows sees that something is missing."""
        changes = [given.floor("over", until=NOW - HOUR), given.floor("lasting")]
        batch = await written(store, lambda tx: tx.feed.append(changes))
        head = Head(batch.incarnation, 2)

        await written(store, lambda tx: tx.feed.purge(up_to=1, until_before=NOW, limit=9))
        assert await store.news(0, limit=10) == News(head, batch.entries[1:])

        await written(store, lambda tx: tx.feed.purge(up_to=2, until_before=NOW + 2 * HOUR, limit=9))
        assert await store.news(0, limit=10) == News(head, ())

    async def test_news_of_a_closed_store(self, store: Store) -> None:
        """A store that is not open has no news, and says so; opened again, it has them all."""
        batch = await written(store, lambda tx: tx.feed.append([given.floor()]))

        await store.close()
        with pytest.raises(Unavailable):
            await store.news(0, limit=10)

        await store.open()
        assert await store.news(0, limit=10) == News(Head(batch.incarnation, 1), batch.entries)

    async def test_cancelled_news(self, store: Store) -> None:
        """Who gives up asking for news takes nothing with them: whoever asks next is answered."""
        batch = await written(store, lambda tx: tx.feed.append([given.floor()]))

        async def ask() -> None:
            await store.news(0, limit=10)

        waits = 1
        while await cancelled_at(waits, ask(), after=0) is Cancelled.YES:
            waits += 1

        news = await asyncio.gather(*(store.news(0, limit=10) for _ in range(MANY)))
        assert news == [News(Head(batch.incarnation, 1), batch.entries)] * MANY

    async def test_append_nothing(self, store: Store) -> None:
        """To append nothing uses up no number."""
        batch = await written(store, lambda tx: tx.feed.append([]))

        head = await read(store, lambda tx: tx.feed.head())
        assert batch == Batch(head.incarnation, ())
        assert head.seq == 0

    async def test_failed_append(self, store: Store) -> None:
        """An append whose transaction fails is never seen, and its numbers are given to the next."""
        with suppress(ZeroDivisionError):
            async with store.write() as tx:
                await tx.feed.append([given.floor("lost", 2), given.floor("lost", 3)])
                raise ZeroDivisionError

        [entry] = (await written(store, lambda tx: tx.feed.append([given.floor("kept", 2)]))).entries
        assert entry == Entry(1, given.floor("kept", 2))
        assert (await store.news(0, limit=10)).entries == (entry,)

    async def test_seen_with_its_transaction(self, store: Store) -> None:
        """An entry is seen exactly when what was changed with it is: not before, and not after."""
        async with store.write() as tx:
            await tx.users.add(given.user())
            await tx.feed.append([given.floor()])
            async with store.read() as other:
                head = await other.feed.head()
                assert head.seq == 0
                assert await store.news(0, limit=10) == News(head, ())
                assert await other.users.get("ada") is None

        async with store.read() as tx:
            head = await tx.feed.head()
            assert head.seq == 1
            assert await store.news(0, limit=10) == News(head, (Entry(1, given.floor()),))
            assert await tx.users.get("ada") is not None

    async def test_parallel_appends(self, store: Store) -> None:
        """Fifty parallel appends get contiguous numbers, and a follower that reads all along never sees a gap."""
        seen: list[Entry] = []

        async def append(n: int) -> None:
            await written(store, lambda tx: tx.feed.append([given.floor(f"s{n}", 2), given.floor(f"s{n}", 3)]))

        async def follow() -> None:
            while len(seen) < 2 * MANY:
                news = await store.news(len(seen), limit=1000)
                assert [entry.seq for entry in news.entries] == list(range(len(seen) + 1, news.head.seq + 1))
                seen.extend(news.entries)
                await asyncio.sleep(0)

        await asyncio.gather(follow(), *(append(n) for n in range(MANY)))

        assert len({entry.change for entry in seen}) == 2 * MANY

    async def test_snapshot(self, store: Store) -> None:
        """A snapshot has the head and of each session the highest floor, however old, and no documents."""
        later = NOW + 5 * HOUR
        changes: list[Floor | Document] = [
            given.floor("low then high", 2),
            given.floor("high then low", 9),
            Document("roles", 2),
            given.floor("low then high", 3, until=later),
            given.floor("high then low", 8),
            given.floor("dead", NONE_IS_GOOD),
        ]
        await written(store, lambda tx: tx.feed.append(changes))

        snapshot = await read(store, lambda tx: tx.feed.snapshot())

        assert snapshot.head.seq == 6
        assert set(snapshot.floors) == {
            given.floor("low then high", 3, until=later),
            given.floor("high then low", 9),
            given.floor("dead", NONE_IS_GOOD),
        }
        assert len(snapshot.floors) == 3

    async def test_snapshot_outlives_what_it_kills(self, store: Store) -> None:
        """A floor of the snapshot lasts as long as the longest of its session, even if a lower floor said so."""
        later = NOW + 5 * HOUR
        changes = [given.floor("s1", 2, until=later), given.floor("s1", 3)]
        await written(store, lambda tx: tx.feed.append(changes))

        assert (await read(store, lambda tx: tx.feed.snapshot())).floors == (given.floor("s1", 3, until=later),)

    async def test_purge(self, store: Store) -> None:
        """What is both old enough in number and over in time goes, in steps of at most the limit; the head stays."""
        over, lasting = NOW - HOUR, NOW + HOUR
        changes = [
            *(given.floor(f"s{n}", 2, until=over) for n in range(3)),
            given.floor("lasting", 2, until=lasting),
            given.floor("ends now", 2, until=NOW),
            given.floor("too new", 2, until=over),
        ]
        entries = (await written(store, lambda tx: tx.feed.append(changes))).entries

        steps = [
            await written(store, lambda tx: tx.feed.purge(up_to=5, until_before=NOW, limit=2)),
            await written(store, lambda tx: tx.feed.purge(up_to=5, until_before=NOW, limit=2)),
            await written(store, lambda tx: tx.feed.purge(up_to=5, until_before=NOW, limit=2)),
        ]

        assert steps == [2, 1, 0]
        head = await read(store, lambda tx: tx.feed.head())
        assert head.seq == 6
        assert await store.news(0, limit=10) == News(head, entries[3:])

    async def test_numbers_after_a_purge(self, store: Store) -> None:
        """A number is never given twice, not even when everything was purged."""
        await written(store, lambda tx: tx.feed.append([given.floor(until=NOW - HOUR)]))
        assert await written(store, lambda tx: tx.feed.purge(up_to=1, until_before=NOW, limit=9)) == 1

        [entry] = (await written(store, lambda tx: tx.feed.append([given.floor()]))).entries

        assert entry.seq == 2

    async def test_purge_of_documents(self, store: Store) -> None:
        """A document's entry has no end in time; it goes with its number, for who comes later reads the document."""
        batch = await written(store, lambda tx: tx.feed.append([Document("roles", 2), Document("roles", 3)]))

        assert await written(store, lambda tx: tx.feed.purge(up_to=1, until_before=NOW, limit=9)) == 1
        assert [entry.seq for entry in batch.entries] == [1, 2]
        assert (await store.news(0, limit=10)).entries == batch.entries[1:]

    async def test_floor_of_no_session(self, store: Store) -> None:
        """A floor whose `sid` is odd is still a floor."""
        odd = Floor("", 2, NOW)
        await written(store, lambda tx: tx.feed.append([odd]))

        assert (await store.news(0, limit=10)).entries == (Entry(1, odd),)


class DocumentsSuite:
    """Documents come back by name, and are swapped by version."""

    async def test_document_comes_back(self, store: Store) -> None:
        """A document comes back by its name as it was added; a name that is taken stays taken."""
        roles = StoredDocument(name="roles", version=1, body='{"admin": ["*"]}')

        assert await written(store, lambda tx: tx.documents.add(roles))
        assert not await written(store, lambda tx: tx.documents.add(replace(roles, version=9, body="{}")))
        async with store.read() as tx:
            assert await tx.documents.get("roles") == roles
            assert await tx.documents.get("") is None
            assert await tx.documents.get("Roles") is None

    async def test_parallel_adds(self, store: Store) -> None:
        """Of fifty parallel adds of one name exactly one wins."""
        documents = [StoredDocument(name="roles", version=1, body=str(n)) for n in range(MANY)]

        won = await race(store, documents, lambda tx, each: tx.documents.add(each))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.documents.get("roles")) == documents[won.index(True)]

    async def test_swap(self, store: Store) -> None:
        """A swap replaces the version it was made from, and none that came later; nothing is made by a swap."""
        old = StoredDocument(name="roles", version=1, body="old")
        new = replace(old, version=2, body="new")
        await written(store, lambda tx: tx.documents.add(old))

        assert await written(store, lambda tx: tx.documents.swap(old, new))
        assert not await written(store, lambda tx: tx.documents.swap(old, replace(old, version=2, body="late")))
        assert not await written(store, lambda tx: tx.documents.swap(replace(old, name="x"), replace(new, name="x")))
        assert await read(store, lambda tx: tx.documents.get("roles")) == new
        assert await read(store, lambda tx: tx.documents.get("x")) is None

    async def test_parallel_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one version exactly one wins."""
        old = StoredDocument(name="roles", version=1, body="old")
        await written(store, lambda tx: tx.documents.add(old))
        news = [replace(old, version=2, body=str(n)) for n in range(MANY)]

        won = await race(store, news, lambda tx, new: tx.documents.swap(old, new))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.documents.get("roles")) == news[won.index(True)]
