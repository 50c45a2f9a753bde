"""What differs where counters and challenges are in Redis: they end by themselves, and no transaction undoes them."""

import asyncio

import pytest

from ostiary.core.throttle import Counter
from ostiary.errors import Unavailable
from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.everything import add_everything, all_of_it, everything
from ostiary.testing.conformance.given import HOUR, MANY, NOW, race, read, written
from ostiary.testing.conformance.records import ChallengesSuite, CountersSuite
from ostiary.testing.conformance.transactions import TransactionsSuite


class CountersBesideSuite(CountersSuite):
    """Counters that Redis keeps, beside a store."""

    async def test_purge(self, store: Store) -> None:
        """There is nothing to purge: an old counter stays until its own end, and a new one is not touched."""
        old, new = Counter(count=1, at=NOW - HOUR), Counter(count=1, at=NOW)
        await written(store, lambda tx: tx.counters.swap({}, {"old": old, "new": new}))

        assert await written(store, lambda tx: tx.counters.purge(before=NOW, limit=2)) == 0
        assert await read(store, lambda tx: tx.counters.get(["old", "new"])) == {"old": old, "new": new}

    async def test_one_of_many_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one state exactly one wins, also of several counters at once."""
        news = [Counter(count=n, at=NOW) for n in range(MANY)]

        won = await race(store, news, lambda tx, new: tx.counters.swap({}, {"a": new, "b": new}))

        assert won.count(True) == 1
        winner = news[won.index(True)]
        assert await read(store, lambda tx: tx.counters.get(["a", "b"])) == {"a": winner, "b": winner}


class ChallengesBesideSuite(ChallengesSuite):
    """Challenges that Redis keeps, beside a store."""

    async def test_purge(self, store: Store) -> None:
        """There is nothing to purge: one that has expired is not given out, and goes by itself."""
        await written(store, lambda tx: tx.challenges.add(given.challenge("old", expires_at=NOW - HOUR)))
        await written(store, lambda tx: tx.challenges.add(given.challenge()))

        assert await written(store, lambda tx: tx.challenges.purge(expired_before=NOW, limit=2)) == 0
        assert await given.taken(store, "old") is None
        assert await given.taken(store) == given.challenge()

    @pytest.mark.parametrize(("purpose", "digest"), [("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("", "a:b:c")])
    async def test_no_two_make_one_key(self, store: Store, purpose: str, digest: str) -> None:
        """However a purpose and a digest are written, they find nothing but themselves."""
        mine = given.challenge(digest, purpose=purpose)
        await written(store, lambda tx: tx.challenges.add(mine))

        for other, another in (("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("", "a:b:c")):
            if (other, another) != (purpose, digest):
                assert await given.taken(store, another, purpose=other) is None
        assert await given.taken(store, digest, purpose=purpose) == mine


class TransactionsBesideSuite(TransactionsSuite):
    """Transactions over a store, and a Redis that knows of none."""

    async def test_failed_block(self, store: Store) -> None:
        """A block that raises leaves nothing but what it counted, and the next one works."""
        before = await everything(store)

        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what fails
            async with store.write() as tx:
                await add_everything(tx)
                raise ZeroDivisionError
        assert await everything(store) == (*before[:5], Counter(count=1, at=NOW), *before[6:])

        await written(store, add_everything)
        assert await everything(store) == all_of_it(before)

    async def test_no_half_state(self, store: Store) -> None:
        """Readers beside a writer of pairs never see one of a pair without the other, if one swap writes both."""
        done = asyncio.Event()

        async def write() -> None:
            for n in range(MANY):
                pair: dict[str, Counter] = dict.fromkeys(("left", "right"), Counter(count=n, at=NOW))
                async with store.write() as tx:
                    assert await tx.counters.swap(await tx.counters.get(pair), pair)
            done.set()

        async def look() -> int:
            looks = 0
            while not done.is_set():
                pair = await read(store, lambda tx: tx.counters.get(["left", "right"]))
                assert pair.get("left") == pair.get("right")
                looks += 1
            return looks

        _, *looks = await asyncio.gather(write(), look(), look())

        assert all(looks)

    async def test_reopened_within_a_block(self, store: Store) -> None:
        """A block that outlives a close and an open fails, and changes nothing in Redis from then on."""
        with pytest.raises(Unavailable):  # noqa: PT012 - the block is what fails
            async with store.write() as tx:
                await store.close()
                await store.open()
                await written(store, lambda tx: given.put(tx, "new", Counter(count=1, at=NOW)))
                await given.put(tx, "new", Counter(count=2, at=NOW))

        assert await read(store, lambda tx: given.counter(tx, "new")) == Counter(count=1, at=NOW)
