"""The records of logins."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ostiary.core.decision import Reason
from ostiary.core.session import Carrier, Device, Session, revoked
from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import HOUR, MANY, NOW, ada, race, read, written


async def stored(store: Store, *sessions: Session) -> None:
    """Store Ada and some sessions."""
    await ada(store)
    async with store.write() as tx:
        for session in sessions:
            await tx.sessions.add(session)


class SessionsSuite:
    """Sessions are swapped by their counters, never revived, and found by their user."""

    async def test_added_session_comes_back(self, store: Store) -> None:
        """A session comes back as it was added, dead or alive."""
        full = given.session(
            "full",
            carrier=Carrier.BEARER,
            amr=("pwd", "otp"),
            revision=2**40,
            accepted=7,
            issued=9,
            previous=6,
            kept=8,
            revoked_at=NOW,
            revoked_for=Reason.REUSED,
        )
        bare = given.session("bare", device=Device(), amr=(), client_id="")
        await stored(store, full, bare)

        async with store.read() as tx:
            assert await tx.sessions.get("full") == full
            assert await tx.sessions.get("bare") == bare
            assert await tx.sessions.get("nothing") is None
            assert await tx.sessions.get("") is None

    @pytest.mark.parametrize(
        ("device", "expected"),
        [
            (Device(name="phone", user_agent="another", ip="192.0.2.1"), True),
            (Device(name="another", user_agent="Mozilla/5.0", ip="192.0.2.1"), True),
            (Device(name="another", user_agent="another", ip="192.0.2.1"), False),
            (Device(name="Phone", user_agent="mozilla/5.0", ip="192.0.2.1"), False),
            (Device(name="phone", user_agent="Mozilla/5.0", ip="192.0.2.2"), False),
            (Device(name="phone", user_agent="Mozilla/5.0"), False),
        ],
    )
    async def test_known_device(self, store: Store, device: Device, *, expected: bool) -> None:
        """A device is known by its address and its name or user agent, of a session dead or alive, never by less."""
        held = Device(name="phone", user_agent="Mozilla/5.0", ip="192.0.2.1")
        await stored(store, given.session("dead", device=held, revoked_at=NOW, revoked_for=Reason.REVOKED))

        assert await read(store, lambda tx: tx.sessions.known("ada", device)) is expected
        assert not await read(store, lambda tx: tx.sessions.known("eve", held))
        assert not await read(store, lambda tx: tx.sessions.known("", held))

    async def test_of_nobody(self, store: Store) -> None:
        """There is no session of a user that is not there."""
        with pytest.raises(ValueError, match=r"."):
            await written(store, lambda tx: tx.sessions.add(given.session(user_id="nobody")))
        assert await read(store, lambda tx: tx.sessions.get("s1")) is None

    async def test_added_twice(self, store: Store) -> None:
        """A session whose id is taken is refused, and the first stays as it was."""
        first = given.session()
        await stored(store, first)

        with pytest.raises(ValueError, match=r"."):
            await written(store, lambda tx: tx.sessions.add(given.session(client_id="another")))
        assert await read(store, lambda tx: tx.sessions.get("s1")) == first

    async def test_swap(self, store: Store) -> None:
        """A swap replaces every field of the session it names, and of no other."""
        old, other = given.session(), given.session("s2")
        new = replace(
            old,
            device=Device(name="renamed", user_agent="curl", ip="::1"),
            amr=("pwd", "hwk"),
            auth_time=NOW + HOUR,
            last_seen_at=NOW + HOUR,
            expires_at=NOW + 20 * HOUR,
            tokens_until=NOW + 2 * HOUR,
            revision=2,
            accepted=1,
            issued=2,
            previous=1,
            kept=2,
            turned_at=NOW + HOUR,
        )
        await stored(store, old, other)

        assert await written(store, lambda tx: tx.sessions.swap(old, new))
        assert await read(store, lambda tx: tx.sessions.get("s1")) == new
        assert await read(store, lambda tx: tx.sessions.get("s2")) == other

    @pytest.mark.parametrize("changed", [{"accepted": 1}, {"issued": 2}, {"kept": 1}, {"revision": 2}], ids=str)
    async def test_swap_of_an_old_state(self, store: Store, changed: dict[str, Any]) -> None:
        """Who read a session before any of its counters moved changes nothing, in whichever direction it moved."""
        old = given.session()
        moved = replace(old, **changed)
        await stored(store, old)
        await written(store, lambda tx: tx.sessions.swap(old, moved))

        assert not await written(store, lambda tx: tx.sessions.swap(old, replace(old, issued=9)))
        assert await read(store, lambda tx: tx.sessions.get("s1")) == moved
        assert await written(store, lambda tx: tx.sessions.swap(moved, old))
        assert not await written(store, lambda tx: tx.sessions.swap(moved, replace(moved, issued=9)))
        assert await read(store, lambda tx: tx.sessions.get("s1")) == old

    async def test_revoked_is_for_ever(self, store: Store) -> None:
        """A revoked session is never changed again: not by who read it alive, and not by who read it dead."""
        alive = given.session()
        dead = replace(alive, revoked_at=NOW, revoked_for=Reason.REVOKED)
        await stored(store, alive)
        assert await written(store, lambda tx: tx.sessions.swap(alive, dead))

        assert not await written(store, lambda tx: tx.sessions.swap(alive, replace(alive, issued=2)))
        assert not await written(store, lambda tx: tx.sessions.swap(dead, replace(dead, revoked_at=None)))
        assert not await written(store, lambda tx: tx.sessions.swap(dead, replace(dead, revoked_for=Reason.REUSED)))
        assert await read(store, lambda tx: tx.sessions.get("s1")) == dead

    async def test_parallel_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one state, turns and revokes mixed, exactly one wins."""
        old = given.session()
        await stored(store, old)
        news = [
            revoked(old, now=NOW) if n % 5 == 0 else replace(old, accepted=1, issued=2, client_id=str(n))
            for n in range(MANY)
        ]

        won = await race(store, news, lambda tx, new: tx.sessions.swap(old, new))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.sessions.get("s1")) == news[won.index(True)]

    async def test_turns_against_a_revoke(self, store: Store) -> None:
        """However many turns are under way, a revoke ends them: once it was answered none succeeds any more."""
        await stored(store, given.session())
        answered = asyncio.Event()
        turns: list[bool] = []

        async def turn() -> None:
            while True:
                async with store.read() as tx:
                    old = await tx.sessions.get("s1")
                assert old is not None
                late = answered.is_set()
                async with store.write() as tx:
                    turns.append(await tx.sessions.swap(old, replace(old, issued=old.issued + 1)))
                await asyncio.sleep(0)
                assert not (late and turns[-1])
                if late:
                    return

        async def revoke() -> Session:
            while len(turns) < MANY:
                await asyncio.sleep(0)
            async with store.write() as tx:
                old = await tx.sessions.get("s1")
                assert old is not None
                assert await tx.sessions.swap(old, revoked(old, now=NOW))
            answered.set()
            return revoked(old, now=NOW)

        *_, dead = await asyncio.gather(turn(), turn(), turn(), revoke())

        assert True in turns
        assert await read(store, lambda tx: tx.sessions.get("s1")) == dead

    async def test_of(self, store: Store) -> None:
        """The sessions of one user are those not revoked, the oldest first; nobody finds another's."""
        young, old = given.session("a", created_at=NOW + HOUR), given.session("z")
        await stored(store, young, old, given.session("dead", revoked_at=NOW, revoked_for=Reason.REVOKED))
        async with store.write() as tx:
            await tx.users.add(given.user("bob"))

        async with store.read() as tx:
            assert await tx.sessions.of("ada") == [old, young]
            assert await tx.sessions.of("bob") == []
            assert await tx.sessions.of("") == []

    async def test_seen(self, store: Store) -> None:
        """A use moves `last_seen_at` forward and nothing else; it never goes back, and what is dead is not touched."""
        dead = given.session("dead", revoked_at=NOW, revoked_for=Reason.REVOKED)
        await stored(store, given.session("forward"), given.session("back"), given.session("unused"), dead)
        later, earlier = NOW + HOUR, NOW - HOUR

        await written(
            store, lambda tx: tx.sessions.seen({"forward": later, "back": earlier, "dead": later, "gone": later})
        )

        async with store.read() as tx:
            assert await tx.sessions.get("forward") == given.session("forward", last_seen_at=later)
            assert await tx.sessions.get("back") == given.session("back")
            assert await tx.sessions.get("unused") == given.session("unused")
            assert await tx.sessions.get("dead") == dead
            assert await tx.sessions.get("gone") is None

    async def test_seen_by_several_processes(self, store: Store) -> None:
        """Whoever writes last, the latest use stays."""
        await stored(store, given.session())
        moments = [NOW + n * HOUR for n in (3, 1, 5, 2, 4)]

        await race(store, moments, lambda tx, at: tx.sessions.seen({"s1": at}))

        found = await read(store, lambda tx: tx.sessions.get("s1"))
        assert found == given.session(last_seen_at=NOW + 5 * HOUR)

    async def test_seen_nothing(self, store: Store) -> None:
        """To have seen nobody changes nothing."""
        await stored(store, given.session())

        await written(store, lambda tx: tx.sessions.seen({}))

        assert await read(store, lambda tx: tx.sessions.get("s1")) == given.session()

    async def test_seen_spares_the_counters(self, store: Store) -> None:
        """A use that is written down between a read and a swap does not make the swap fail."""
        old = given.session()
        await stored(store, old)
        await written(store, lambda tx: tx.sessions.seen({"s1": NOW + HOUR}))

        assert await written(store, lambda tx: tx.sessions.swap(old, replace(old, issued=2)))

    async def test_purge(self, store: Store) -> None:
        """What was revoked or expired before a time goes, in steps of at most the limit; the rest stays."""
        ended = [given.session(f"e{n}", expires_at=NOW - HOUR) for n in range(3)]
        ended += [given.session(f"r{n}", revoked_at=NOW - HOUR, revoked_for=Reason.REVOKED) for n in range(2)]
        kept = [
            given.session("alive"),
            given.session("just expired", expires_at=NOW),
            given.session("just revoked", revoked_at=NOW, revoked_for=Reason.REVOKED),
        ]
        await stored(store, *ended, *kept)

        steps = [
            await written(store, lambda tx: tx.sessions.purge(ended_before=NOW, limit=2)),
            await written(store, lambda tx: tx.sessions.purge(ended_before=NOW, limit=2)),
            await written(store, lambda tx: tx.sessions.purge(ended_before=NOW, limit=2)),
            await written(store, lambda tx: tx.sessions.purge(ended_before=NOW, limit=2)),
        ]

        assert steps == [2, 2, 1, 0]
        async with store.read() as tx:
            assert [await tx.sessions.get(session.id) for session in ended] == [None] * 5
            assert [await tx.sessions.get(session.id) for session in kept] == kept
