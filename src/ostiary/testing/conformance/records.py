"""Counters, challenges, verifiers, keys at rest, and the audit log."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ostiary.core.events import Kind
from ostiary.core.keys import Purpose
from ostiary.core.throttle import Counter
from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import HOUR, MANY, NOW, ada, race, read, written


class CountersSuite:
    """Counters are swapped whole, and of parallel swaps of one state one wins."""

    async def test_swap(self, store: Store) -> None:
        """A swap sets, changes and drops counters, each under its own key only."""
        one, two = Counter(count=1, at=NOW), Counter(count=2, at=NOW + HOUR)
        assert await written(store, lambda tx: tx.counters.swap({}, {"ada": one, "eve": one}))
        assert await written(store, lambda tx: tx.counters.swap({"ada": one, "eve": one}, {"ada": two}))

        async with store.read() as tx:
            assert await tx.counters.get(["ada", "eve", "bob", ""]) == {"ada": two}
            assert await tx.counters.get([]) == {}

    @pytest.mark.parametrize("field", [{"count": 7}, {"at": NOW + HOUR}], ids=str)
    async def test_swap_of_an_old_state(self, store: Store, field: dict[str, Any]) -> None:
        """Who was overtaken at one of several counters changes none of them."""
        stored = {"a": Counter(count=1, at=NOW), "b": Counter(count=1, at=NOW)}
        later = Counter(count=9, at=NOW)
        await written(store, lambda tx: tx.counters.swap({}, stored))

        for old in (
            {**stored, "b": replace(stored["b"], **field)},
            {**stored, "c": Counter(count=1, at=NOW)},
            {"a": stored["a"]},
            {},
        ):
            assert not await written(store, lambda tx, old=old: tx.counters.swap(old, {"a": later, "b": later}))  # type: ignore[misc]
        assert await read(store, lambda tx: tx.counters.get(["a", "b", "c"])) == stored

    async def test_no_try_is_lost(self, store: Store) -> None:
        """Of fifty parallel tries each is counted, however long each thinks between reading and writing."""

        async def attempt() -> None:
            swapped = False
            while not swapped:
                async with store.counting() as counters:
                    old = await counters.get(["k", "l"])
                    await asyncio.sleep(0)
                    count = old["k"].count + 1 if old else 1
                    swapped = await counters.swap(old, dict.fromkeys(("k", "l"), Counter(count=count, at=NOW)))

        await asyncio.gather(*(attempt() for _ in range(MANY)))

        all_of_them = Counter(count=MANY, at=NOW)
        assert await read(store, lambda tx: tx.counters.get(["k", "l"])) == {"k": all_of_them, "l": all_of_them}

    async def test_the_same_counters(self, store: Store) -> None:
        """What is counted alone and what is counted within a transaction are the same counters."""
        one, two = Counter(count=1, at=NOW), Counter(count=2, at=NOW)
        async with store.counting() as counters:
            assert await counters.swap({}, {"ada": one})
        assert await written(store, lambda tx: tx.counters.swap({"ada": one}, {"ada": two}))

        async with store.counting() as counters:
            assert await counters.get(["ada"]) == {"ada": two}
        assert await read(store, lambda tx: tx.counters.get(["ada"])) == {"ada": two}

    async def test_purge(self, store: Store) -> None:
        """Counters last changed before a time go, in steps of at most the limit."""
        old, new = Counter(count=1, at=NOW - HOUR), Counter(count=1, at=NOW)
        await written(store, lambda tx: tx.counters.swap({}, {**{f"k{n}": old for n in range(5)}, "now": new}))

        steps = [await written(store, lambda tx: tx.counters.purge(before=NOW, limit=2)) for _ in range(4)]

        assert steps == [2, 2, 1, 0]
        assert await read(store, lambda tx: tx.counters.get(["k0", "now"])) == {"now": new}


class ChallengesSuite:
    """A challenge is taken once, by whoever is first, and not after its time."""

    async def test_taken_once(self, store: Store) -> None:
        """A challenge comes back as it was added, once."""
        await written(store, lambda tx: tx.challenges.add(given.challenge()))

        takes = [await given.taken(store) for _ in range(2)]

        assert takes == [given.challenge(), None]

    async def test_parallel_takes(self, store: Store) -> None:
        """Of fifty parallel takes exactly one gets it."""
        await written(store, lambda tx: tx.challenges.add(given.challenge()))

        takes = await asyncio.gather(*(given.taken(store) for _ in range(MANY)))

        assert [take for take in takes if take is not None] == [given.challenge()]

    async def test_looked_at(self, store: Store) -> None:
        """Who looks at a challenge sees it as it was added and leaves it there; until its time, and for its purpose."""
        await written(store, lambda tx: tx.challenges.add(given.challenge()))
        ends = given.challenge().expires_at

        for now in (NOW, NOW):
            assert await given.seen(store, now=now) == given.challenge()
        assert await given.seen(store, now=ends) is None
        assert await given.seen(store, purpose="reset") is None
        assert await given.seen(store, "digest2") is None
        assert await given.taken(store) == given.challenge()
        assert await given.seen(store) is None

    async def test_another_purpose(self, store: Store) -> None:
        """A take for one purpose neither gets nor ends what was made for another with the same secret."""
        other = given.challenge(purpose="reset")
        await written(store, lambda tx: tx.challenges.add(other))

        assert await given.taken(store) is None
        assert await given.taken(store, "digest2", purpose="reset") is None
        assert await given.taken(store, purpose="reset") == other

    async def test_expired(self, store: Store) -> None:
        """A challenge whose time has come is not given out any more."""
        await written(store, lambda tx: tx.challenges.add(given.challenge(expires_at=NOW)))

        assert await given.taken(store) is None

    async def test_added_twice(self, store: Store) -> None:
        """A secret that was used for this purpose already is refused, and the first challenge stays."""
        await written(store, lambda tx: tx.challenges.add(given.challenge()))

        with pytest.raises(ValueError, match=r"."):
            await written(store, lambda tx: tx.challenges.add(given.challenge(body="another")))
        assert await given.taken(store) == given.challenge()

    async def test_purge(self, store: Store) -> None:
        """Challenges that have expired go, in steps of at most the limit."""
        for n in range(5):
            each = given.challenge(f"old {n}", expires_at=NOW - HOUR)
            await written(store, lambda tx, each=each: tx.challenges.add(each))  # type: ignore[misc]
        await written(store, lambda tx: tx.challenges.add(given.challenge()))

        steps = [await written(store, lambda tx: tx.challenges.purge(expired_before=NOW, limit=2)) for _ in range(4)]

        assert sum(steps) == 5
        assert max(steps) <= 2
        assert await given.taken(store) == given.challenge()


class VerifiersSuite:
    """Verifiers come back in the order of their names, and each name is taken once."""

    async def test_verifiers_come_back(self, store: Store) -> None:
        """Verifiers come back as they were added, in the order of their names."""
        orders, billing = given.verifier("orders"), given.verifier("billing")
        assert await written(store, lambda tx: tx.verifiers.add(orders))
        assert await written(store, lambda tx: tx.verifiers.add(billing))

        assert await read(store, lambda tx: tx.verifiers.all()) == [billing, orders]

    async def test_parallel_adds(self, store: Store) -> None:
        """Of fifty parallel adds of one name exactly one wins."""
        news = [given.verifier(id=str(n)) for n in range(MANY)]

        won = await race(store, news, lambda tx, each: tx.verifiers.add(each))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.verifiers.all()) == [news[won.index(True)]]

    async def test_remove(self, store: Store) -> None:
        """One that is removed is gone, and its name is free; to remove nobody is `False`."""
        await written(store, lambda tx: tx.verifiers.add(given.verifier()))

        removed = [await written(store, lambda tx: tx.verifiers.remove("orders")) for _ in range(2)]

        assert removed == [True, False]
        assert await read(store, lambda tx: tx.verifiers.all()) == []
        assert await written(store, lambda tx: tx.verifiers.add(given.verifier(id="another")))


class KeysSuite:
    """Keys come back, the oldest first, and end once."""

    async def test_keys_come_back(self, store: Store) -> None:
        """Keys come back as they were added, the oldest first."""
        young = given.key("a", created_at=NOW + HOUR, verifies_until=NOW + 9 * HOUR)
        old = given.key("z", purpose=Purpose.SESSION, algorithm=None, sealed=b"")
        async with store.write() as tx:
            await tx.keys.add(young)
            await tx.keys.add(old)

        assert await read(store, lambda tx: tx.keys.all()) == [old, young]

    async def test_added_twice(self, store: Store) -> None:
        """A key whose id is taken is refused, and the first stays as it was."""
        await written(store, lambda tx: tx.keys.add(given.key()))

        with pytest.raises(ValueError, match=r"."):
            await written(store, lambda tx: tx.keys.add(given.key(sealed=b"another")))
        assert await read(store, lambda tx: tx.keys.all()) == [given.key()]

    @pytest.mark.parametrize("until", [None, NOW + HOUR], ids=["verifies for ever", "verifies until"])
    async def test_swap(self, store: Store, until: datetime | None) -> None:
        """A swap replaces a key whose end is still the one it was made from, and only that key."""
        old, other = given.key(verifies_until=until), given.key("k2", created_at=NOW + HOUR)
        new = replace(old, verifies_until=NOW + 2 * HOUR)
        late = replace(old, verifies_until=NOW + 3 * HOUR)
        async with store.write() as tx:
            await tx.keys.add(old)
            await tx.keys.add(other)

        assert await written(store, lambda tx: tx.keys.swap(old, new))
        assert not await written(store, lambda tx: tx.keys.swap(old, late))
        assert not await written(store, lambda tx: tx.keys.swap(given.key("k3"), given.key("k3")))
        assert await read(store, lambda tx: tx.keys.all()) == [new, other]

    async def test_parallel_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one state exactly one wins."""
        old = given.key()
        await written(store, lambda tx: tx.keys.add(old))
        news = [replace(old, verifies_until=NOW + n * HOUR) for n in range(MANY)]

        won = await race(store, news, lambda tx, new: tx.keys.swap(old, new))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.keys.all()) == [news[won.index(True)]]


class EventsSuite:
    """The audit log only grows, gives its newest first, and can forget what is personal."""

    async def test_of(self, store: Store) -> None:
        """The newest events of one user come first, up to a limit; of two at one moment, the one added later."""
        first = given.event(Kind.REGISTERED, session_id="s1", actor="cli", ip="::1", detail={"carrier": "cookie"})
        second = given.event(Kind.LOGGED_IN)
        earlier = given.event(Kind.LOGIN_FAILED, at=NOW - HOUR)
        async with store.write() as tx:
            for event in (first, second, earlier, given.event(user_id="bob"), given.event(user_id="")):
                await tx.events.add(event)

        async with store.read() as tx:
            assert await tx.events.of("ada", limit=10) == [second, first, earlier]
            assert await tx.events.of("ada", limit=2) == [second, first]

    async def test_empty_filter(self, store: Store) -> None:
        """An empty user id finds nothing, not even what happened to nobody known."""
        await written(store, lambda tx: tx.events.add(given.event(user_id="")))

        assert await read(store, lambda tx: tx.events.of("", limit=10)) == []

    async def test_outlive_the_user(self, store: Store) -> None:
        """What happened needs no user to be recorded, and stays when the user goes."""
        await ada(store)
        event = given.event(Kind.USER_DELETED)
        async with store.write() as tx:
            await tx.events.add(event)
            await tx.users.remove("ada")
            await tx.events.add(event)

        assert await read(store, lambda tx: tx.events.of("ada", limit=10)) == [event, event]

    async def test_forget(self, store: Store) -> None:
        """What is personal in one user's records is blanked and the rest stays; nobody else's are touched."""
        hers, quiet = given.event(ip="203.0.113.7", detail={"carrier": "cookie"}), given.event()
        others = [given.event(user_id=user_id, ip="203.0.113.8") for user_id in ("bob", "")]
        await written(store, lambda tx: tx.events.add(hers, quiet, *others))

        assert await written(store, lambda tx: tx.events.forget("")) == 0
        assert await written(store, lambda tx: tx.events.forget("ada")) == 1
        assert await read(store, lambda tx: tx.events.of("ada", limit=10)) == [quiet, replace(hers, ip="")]
        assert await read(store, lambda tx: tx.events.of("bob", limit=10)) == others[:1]

    async def test_purge(self, store: Store) -> None:
        """Events older than a time go, in steps of at most the limit."""
        kept = given.event()
        async with store.write() as tx:
            for _ in range(5):
                await tx.events.add(given.event(at=NOW - HOUR))
            await tx.events.add(kept)

        steps = [await written(store, lambda tx: tx.events.purge(before=NOW, limit=2)) for _ in range(4)]

        assert steps == [2, 2, 1, 0]
        assert await read(store, lambda tx: tx.events.of("ada", limit=10)) == [kept]
