"""A follower of a stream in Redis: what it need not ask for, and what it finds missing."""

import asyncio

from ostiary.core.floor import NONE_IS_GOOD, Head
from tests.feed.streams import appended, batch, by_hand, come, floor, followed, opened, until


async def test_no_question_for_a_change(url: str) -> None:
    """A follower takes in a thousand changes of other processes without a question to the store."""
    async with followed(url) as (follower, floors, store, _), opened(url) as [sender]:
        for n in range(1000):
            sender.send(await appended(store, floor(f"s{n}")))
            await asyncio.sleep(0)
        await until(lambda: len(floors.of) == 1000)

        async with store.read() as tx:
            assert floors.head == await tx.feed.head()
        assert follower.asked == 1


async def test_lost(url: str) -> None:
    """A batch that never came is found missing at the next, which is in force all the same, and asked for."""
    async with followed(url) as (follower, floors, store, stream):
        await appended(store, floor("lost"))
        stream.send(await appended(store, floor("came")))
        await until(lambda: len(floors.of) == 2)

        assert set(floors.of) == {"lost", "came"}
        assert follower.asked > 1


async def test_doubled_and_out_of_order(url: str) -> None:
    """Whatever order batches come in and however often, each is in force once and none is missing."""
    async with followed(url) as (_, floors, store, stream):
        batches = [await appended(store, floor("s", n)) for n in range(1, 6)]
        for each in (batches[3], batches[1], batches[1], batches[4], batches[0], batches[2], *batches):
            stream.send(each)
        await until(lambda: floors.head is not None and floors.head.seq == 5)
        await asyncio.sleep(0.05)

        async with store.read() as tx:
            assert floors.head == await tx.feed.head()
        assert floors.of == {"s": 5}


async def test_old_batches_again(url: str) -> None:
    """Somebody puts back into Redis what we once sealed: no floor sinks, and the view does not move."""
    async with followed(url) as (_, floors, store, stream), by_hand(url) as (client, key):
        for n in range(1, 4):
            stream.send(await appended(store, floor("s", n)))
        await until(lambda: floors.of == {"s": 3})
        entries = await client.execute_command("XRANGE", key, "-", "+")
        for _, fields in entries:
            await client.execute_command("XADD", key, "*", "batch", fields[b"batch"])
        stream.send(await appended(store, floor("t", 1)))
        await until(lambda: "t" in floors.of)

        assert floors.of == {"s": 3, "t": 1}
        assert floors.head is not None
        assert floors.head.seq == 4


async def test_another_incarnation(url: str) -> None:
    """A batch of another history raises nothing here, and makes the follower ask which history it is in."""
    async with followed(url) as (follower, floors, _, stream):
        stream.send(batch(1, floor("s"), incarnation="another"))
        await until(lambda: follower.asked > 1)

        assert floors.of == {}


async def test_a_forged_number_hides_nothing(url: str) -> None:
    """Somebody who can write into Redis puts an entry in the place of a logout to come: the logout is noticed.

    Without a seal the view would go past that number, and take the real entry for one that it has seen.
    """
    async with followed(url) as (follower, floors, store, stream):
        head = floors.head
        assert head is not None
        forged = batch(head.seq + 1, floor("nobody", 1), incarnation=head.incarnation)
        async with opened(url, secrets=lambda: [b"x" * 32]) as [attacker]:
            attacker.send(forged)
            await come(attacker)
        await asyncio.sleep(0.1)
        logout = await appended(store, floor("ada"))
        stream.send(logout)
        await until(lambda: "ada" in floors.of)

        assert floors.of == {"ada": NONE_IS_GOOD}
        assert floors.head == Head(head.incarnation, head.seq + 1)
        assert follower.asked == 1
