"""Letters that have not left yet."""

import asyncio
from datetime import datetime, timedelta

import pytest

from ostiary.ports import LetterRecord, Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import HOUR, MANY, NOW, race, read, written

SECOND = timedelta(seconds=1)


async def add(store: Store, *letters: LetterRecord) -> None:
    """Add letters."""
    async with store.write() as tx:
        for letter in letters:
            await tx.outbox.add(letter)


async def claim(store: Store, *, now: datetime = NOW, until: datetime = NOW + HOUR) -> LetterRecord | None:
    """Claim a letter in a transaction of its own."""
    return await written(store, lambda tx: tx.outbox.claim(now=now, until=until))


class OutboxSuite:
    """Letters wait until they are sent, and two who send do not send the same."""

    async def test_claimed(self, store: Store) -> None:
        """A letter comes back as it was added, but due when the claim ends, and with one try."""
        await add(store, given.letter())

        claimed = await claim(store)

        assert claimed == given.letter(due_at=NOW + HOUR, tries=1)

    async def test_not_due(self, store: Store) -> None:
        """A letter is not given out before it is due, to the microsecond."""
        await add(store, given.letter(due_at=NOW + timedelta(microseconds=1)))

        assert await claim(store) is None
        assert await claim(store, now=NOW + timedelta(microseconds=1)) is not None

    async def test_visible_again(self, store: Store) -> None:
        """A claimed letter is nobody else's until the claim ends; then it is due again, with its tries counted."""
        await add(store, given.letter())
        await claim(store, until=NOW + HOUR)

        assert await claim(store, now=NOW + HOUR - SECOND) is None
        assert await claim(store, now=NOW + HOUR, until=NOW + 2 * HOUR) == given.letter(due_at=NOW + 2 * HOUR, tries=2)

    async def test_longest_due_first(self, store: Store) -> None:
        """The letter that has been due longest comes first, and of two, the one whose id does."""
        await add(store, given.letter("b"), given.letter("c", due_at=NOW - HOUR), given.letter("a"))

        claimed = [await claim(store) for _ in range(4)]

        assert [each and each.id for each in claimed] == ["c", "a", "b", None]

    async def test_first(self, store: Store) -> None:
        """Everybody can see when the next letter is due, and that there is none."""
        assert await read(store, lambda tx: tx.outbox.first()) is None
        await add(store, given.letter("a", due_at=NOW + HOUR), given.letter("b", due_at=NOW - HOUR))

        assert await read(store, lambda tx: tx.outbox.first()) == NOW - HOUR
        await claim(store, until=NOW + 2 * HOUR)
        assert await read(store, lambda tx: tx.outbox.first()) == NOW + HOUR

    async def test_parallel_claims(self, store: Store) -> None:
        """Of fifty parallel claims each gets another letter, and none is given twice."""
        await add(store, *(given.letter(f"l{n}") for n in range(MANY - 10)))

        claimed = await asyncio.gather(*(claim(store) for _ in range(MANY)))

        got = [each.id for each in claimed if each is not None]
        assert len(got) == len(set(got))
        rest = [await claim(store) for _ in range(MANY)]  # who met another one's claim may have left with nothing
        got += [each.id for each in rest if each is not None]
        assert sorted(got) == sorted(f"l{n}" for n in range(MANY - 10))

    async def test_again(self, store: Store) -> None:
        """A claimed letter can be made due at another time; its tries stay counted."""
        await add(store, given.letter())
        claimed = await claim(store)
        assert claimed is not None

        assert await written(store, lambda tx: tx.outbox.again(claimed, at=NOW + SECOND))
        assert await claim(store) is None
        assert await claim(store, now=NOW + SECOND) == given.letter(due_at=NOW + HOUR, tries=2)

    async def test_again_of_an_old_claim(self, store: Store) -> None:
        """Whose claim has ended, and was followed by another one's, changes nothing."""
        await add(store, given.letter())
        old = await claim(store, until=NOW)
        assert old is not None
        await claim(store, until=NOW + HOUR)

        assert not await written(store, lambda tx: tx.outbox.again(old, at=NOW))
        assert await claim(store) is None

    async def test_done(self, store: Store) -> None:
        """A letter that is done is gone, and only that one. It is done once, and nothing brings it back."""
        await add(store, given.letter("a"), given.letter("b"))
        claimed = await claim(store)
        assert claimed is not None

        assert await written(store, lambda tx: tx.outbox.done("a"))
        assert not await written(store, lambda tx: tx.outbox.done("a"))
        assert not await written(store, lambda tx: tx.outbox.again(claimed, at=NOW))
        left = await claim(store)
        assert left is not None
        assert left.id == "b"

    async def test_parallel_ends(self, store: Store) -> None:
        """Of fifty that end one letter, exactly one did."""
        await add(store, given.letter())

        ended = await race(store, range(MANY), lambda tx, _: tx.outbox.done("l1"))

        assert ended.count(True) == 1

    async def test_added_twice(self, store: Store) -> None:
        """An id that is there already is refused, and the first letter stays as it is."""
        await add(store, given.letter())

        with pytest.raises(ValueError, match=r"."):
            await add(store, given.letter(sealed=b"another"))
        assert await claim(store) == given.letter(due_at=NOW + HOUR, tries=1)

    async def test_given_up_block(self, store: Store) -> None:
        """A letter of a transaction that fails was never written."""
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what fails
            async with store.write() as tx:
                await tx.outbox.add(given.letter())
                raise ZeroDivisionError

        assert await read(store, lambda tx: tx.outbox.first()) is None

    async def test_every_byte(self, store: Store) -> None:
        """What is sealed comes back byte by byte."""
        await add(store, given.letter(sealed=bytes(range(256))))

        claimed = await claim(store)

        assert claimed is not None
        assert claimed.sealed == bytes(range(256))
