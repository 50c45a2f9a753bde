"""Users, what finds them, and what proves them."""

from dataclasses import replace
from typing import Any

import pytest

from ostiary.ports import Store
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import HOUR, MANY, NOW, ada, race, read, written


class UsersSuite:
    """Users come back, are swapped by revision, and go with all that is theirs."""

    async def test_added_user_comes_back(self, store: Store) -> None:
        """A user comes back as it was added, and nobody else does."""
        full = given.user("full", roles=("admin", "reader"), disabled_at=NOW, revision=7)
        bare = given.user("bare", name="", roles=())
        async with store.write() as tx:
            await tx.users.add(full)
            await tx.users.add(bare)

        async with store.read() as tx:
            assert await tx.users.get("full") == full
            assert await tx.users.get("bare") == bare
            assert await tx.users.get("nobody") is None
            assert await tx.users.get("") is None

    async def test_added_twice(self, store: Store) -> None:
        """A user whose id is taken is refused, and the first stays as it was."""
        first = await ada(store)

        with pytest.raises(ValueError, match=r"."):
            await ada(store, name="Eve")
        assert await read(store, lambda tx: tx.users.get("ada")) == first

    async def test_swap(self, store: Store) -> None:
        """A swap replaces every field, and only of the user it names."""
        old, other = await ada(store), given.user("bob")
        new = replace(old, name="Ada King", roles=(), disabled_at=NOW, revision=2)
        await written(store, lambda tx: tx.users.add(other))

        assert await written(store, lambda tx: tx.users.swap(old, new))
        assert await read(store, lambda tx: tx.users.get("ada")) == new
        assert await read(store, lambda tx: tx.users.get("bob")) == other

    async def test_swap_of_an_old_revision(self, store: Store) -> None:
        """Who read a user before another changed it changes nothing, and a swap makes nobody."""
        old = await ada(store)
        new = replace(old, name="first", revision=2)
        late = replace(old, name="second", revision=2)
        await written(store, lambda tx: tx.users.swap(old, new))

        assert not await written(store, lambda tx: tx.users.swap(old, late))
        assert not await written(
            store, lambda tx: tx.users.swap(given.user("nobody"), given.user("nobody", revision=2))
        )
        assert await read(store, lambda tx: tx.users.get("ada")) == new
        assert await read(store, lambda tx: tx.users.get("nobody")) is None

    async def test_parallel_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one state exactly one wins, and the winner's is what is stored."""
        old = await ada(store)

        won = await race(store, range(MANY), lambda tx, n: tx.users.swap(old, replace(old, name=str(n), revision=2)))

        assert won.count(True) == 1
        stored = await read(store, lambda tx: tx.users.get("ada"))
        assert stored == replace(old, name=str(won.index(True)), revision=2)

    async def test_holds(self, store: Store) -> None:
        """Whether anybody has a role is told of that role alone, whatever characters it and others have."""
        odd = given.user("odd", roles=('x"admin"y', "Admin", "%", "administrator"))
        await written(store, lambda tx: tx.users.add(odd))
        before = await read(store, lambda tx: tx.users.holds("admin"))
        await written(store, lambda tx: tx.users.add(given.user("full", roles=("admin", "reader"))))

        assert not before
        async with store.read() as tx:
            asked = ("admin", "reader", 'x"admin"y', "%", "", "adm_n", "read", "x", "y", "dm")
            assert [role for role in asked if await tx.users.holds(role)] == ["admin", "reader", 'x"admin"y', "%"]
            assert not await tx.users.holds("admin", but="full")

    async def test_remove(self, store: Store) -> None:
        """With a user go its identifiers, credentials and sessions; what happened stays on record, and others stay."""
        await ada(store)
        happened = given.event()
        kept = given.identifier("bob@example.com", user_id="bob")
        async with store.write() as tx:
            await tx.users.add(given.user("bob"))
            await tx.identifiers.add(kept)
            await tx.identifiers.add(given.identifier())
            await tx.credentials.add(given.credential())
            await tx.sessions.add(given.session())
            await tx.sessions.add(given.session("of bob", user_id="bob"))
            await tx.events.add(happened)

        assert await written(store, lambda tx: tx.users.remove("ada"))
        async with store.read() as tx:
            assert await tx.users.get("ada") is None
            assert await tx.identifiers.get("email", "ada@example.com") is None
            assert await tx.identifiers.of("ada") == []
            assert await tx.credentials.get("password-of-ada") is None
            assert await tx.sessions.get("s1") is None
            assert await tx.events.of("ada", limit=10) == [happened]
            assert await tx.identifiers.of("bob") == [kept]
            assert await tx.sessions.get("of bob") is not None

    async def test_remove_nobody(self, store: Store) -> None:
        """To remove a user that is not there is `False`, and removes nobody."""
        await ada(store)

        assert not await written(store, lambda tx: tx.users.remove("nobody"))
        assert not await written(store, lambda tx: tx.users.remove(""))
        assert await read(store, lambda tx: tx.users.get("ada")) is not None

    async def test_page(self, store: Store) -> None:
        """Pages follow each other in the order of ids, without a gap and without an overlap."""
        names = [f"{letter}{n}" for n in range(3) for letter in "zaÄ~-"]
        async with store.write() as tx:
            for name in names:
                await tx.users.add(given.user(name))

        found: list[str] = []
        async with store.read() as tx:
            while page := await tx.users.page(after=found[-1] if found else "", limit=4):
                assert len(page) <= 4
                found += [user.id for user in page]

        assert found == sorted(names)


class IdentifiersSuite:
    """An address finds one user, and of parallel claims to it one wins."""

    async def test_added_identifier_comes_back(self, store: Store) -> None:
        """An identifier is found by kind and value together, and comes back as it was added."""
        await ada(store)
        address = given.identifier(typed="Ada@Example.com", verified_at=NOW)
        name = given.identifier("ada", kind="username")
        async with store.write() as tx:
            assert await tx.identifiers.add(address)
            assert await tx.identifiers.add(name)

        async with store.read() as tx:
            assert await tx.identifiers.get("email", "ada@example.com") == address
            assert await tx.identifiers.get("username", "ada") == name
            assert await tx.identifiers.get("email", "ada") is None
            assert await tx.identifiers.get("", "") is None
            assert await tx.identifiers.of("ada") == [address, name]

    async def test_taken(self, store: Store) -> None:
        """A value belongs to whoever had it first, whatever else is different; another kind is another value."""
        first = given.identifier()
        await ada(store)
        await written(store, lambda tx: tx.users.add(given.user("eve")))
        await written(store, lambda tx: tx.identifiers.add(first))

        assert not await written(store, lambda tx: tx.identifiers.add(replace(first, user_id="eve", typed="ADA")))
        assert await written(store, lambda tx: tx.identifiers.add(replace(first, user_id="eve", kind="username")))
        assert await read(store, lambda tx: tx.identifiers.get("email", "ada@example.com")) == first

    async def test_several_at_once(self, store: Store) -> None:
        """Of several, those whose value is free are added. Which values are taken can be asked of several too."""
        await ada(store)
        free, taken = given.identifier("free"), given.identifier("taken")
        added = [
            await written(store, lambda tx: tx.identifiers.add(taken)),
            await written(store, lambda tx: tx.identifiers.add(free, replace(taken, typed="TAKEN"))),
            await written(store, lambda tx: tx.identifiers.add(given.identifier("a"), given.identifier("b"))),
            await written(store, lambda tx: tx.identifiers.add()),
        ]

        assert added == [True, False, True, True]
        async with store.read() as tx:
            assert await tx.identifiers.get("email", "taken") == taken
            assert await tx.identifiers.taken("email", ["free", "taken", "other", "\0", "\ud800"]) == {"free", "taken"}
            assert await tx.identifiers.taken("username", ["free"]) == set()
            assert await tx.identifiers.taken("email", []) == set()

    async def test_parallel_adds(self, store: Store) -> None:
        """Of fifty parallel adds of one value exactly one wins."""
        async with store.write() as tx:
            for n in range(MANY):
                await tx.users.add(given.user(f"u{n}"))

        won = await race(store, range(MANY), lambda tx, n: tx.identifiers.add(given.identifier(user_id=f"u{n}")))

        assert won.count(True) == 1
        stored = await read(store, lambda tx: tx.identifiers.get("email", "ada@example.com"))
        assert stored is not None
        assert stored.user_id == f"u{won.index(True)}"

    async def test_removed(self, store: Store) -> None:
        """What is removed is free for another user, once; and nobody removes what is not theirs."""
        await ada(store)
        await written(store, lambda tx: tx.users.add(given.user("eve")))
        address, other = given.identifier(), given.identifier("ada@example.org")
        await written(store, lambda tx: tx.identifiers.add(address))
        await written(store, lambda tx: tx.identifiers.add(other))

        assert not await written(store, lambda tx: tx.identifiers.remove(replace(address, user_id="eve")))
        assert not await written(store, lambda tx: tx.identifiers.remove(replace(address, kind="username")))
        assert await written(store, lambda tx: tx.identifiers.remove(address))
        assert not await written(store, lambda tx: tx.identifiers.remove(address))
        assert await read(store, lambda tx: tx.identifiers.of("ada")) == [other]
        assert await written(store, lambda tx: tx.identifiers.add(replace(address, user_id="eve")))

    async def test_parallel_removes(self, store: Store) -> None:
        """Of fifty parallel removes of one value exactly one is told that it did it."""
        await ada(store)
        await written(store, lambda tx: tx.identifiers.add(given.identifier()))

        removed = await race(store, range(MANY), lambda tx, _: tx.identifiers.remove(given.identifier()))

        assert removed.count(True) == 1

    async def test_look_alikes(self, store: Store) -> None:
        """The store compares exactly: case, accents, width and spaces are the canonical form's business."""
        await ada(store)
        values = ["ada", "Ada", "ada ", "\u00e9", "e\u0301", "\uff41da", "%", "_"]
        async with store.write() as tx:
            added = [await tx.identifiers.add(given.identifier(value)) for value in values]

        assert all(added)
        async with store.read() as tx:
            for value in values:
                assert await tx.identifiers.get("email", value) == given.identifier(value)

    async def test_empty_filter(self, store: Store) -> None:
        """An empty user id finds nothing, however much there is."""
        await ada(store)
        await written(store, lambda tx: tx.identifiers.add(given.identifier()))

        assert await read(store, lambda tx: tx.identifiers.of("")) == []

    async def test_of_nobody(self, store: Store) -> None:
        """Nothing can be kept for a user that is not there."""
        with pytest.raises(ValueError, match=r"."):
            await written(store, lambda tx: tx.identifiers.add(given.identifier(user_id="nobody")))
        assert await read(store, lambda tx: tx.identifiers.get("email", "ada@example.com")) is None


class CredentialsSuite:
    """Credentials come back by id and by user, and are swapped by version and secret."""

    async def test_added_credential_comes_back(self, store: Store) -> None:
        """A credential comes back as it was added, by its id and by user and kind."""
        await ada(store)
        password, seed = given.credential(version=3), given.credential("seed", kind="totp")
        async with store.write() as tx:
            await tx.credentials.add(password)
            await tx.credentials.add(seed)

        async with store.read() as tx:
            assert await tx.credentials.get("password-of-ada") == password
            assert await tx.credentials.get("nothing") is None
            assert await tx.credentials.of("ada", "password") == [password]
            assert await tx.credentials.of("ada", "totp") == [seed]

    async def test_filters(self, store: Store) -> None:
        """A filter that is empty or names nobody finds nothing, and nobody finds another's."""
        await ada(store)
        async with store.write() as tx:
            await tx.users.add(given.user("bob"))
            await tx.credentials.add(given.credential())

        async with store.read() as tx:
            assert await tx.credentials.of("", "password") == []
            assert await tx.credentials.of("", "") == []
            assert await tx.credentials.of("ada", "") == []
            assert await tx.credentials.of("bob", "password") == []

    async def test_swap(self, store: Store) -> None:
        """A swap replaces every field of the credential it names."""
        await ada(store)
        old = given.credential()
        new = replace(old, secret="$argon2id$2", version=2, changed_at=NOW + HOUR)
        await written(store, lambda tx: tx.credentials.add(old))

        assert await written(store, lambda tx: tx.credentials.swap(old, new))
        assert await read(store, lambda tx: tx.credentials.get(old.id)) == new

    @pytest.mark.parametrize("changed", [{"version": 2}, {"secret": "hashed anew"}], ids=["version", "secret"])
    async def test_swap_of_an_old_state(self, store: Store, changed: dict[str, Any]) -> None:
        """Who read a credential before its version or its secret changed changes nothing."""
        await ada(store)
        old = given.credential()
        await written(store, lambda tx: tx.credentials.add(old))
        stored = given.credential(**changed)
        await written(store, lambda tx: tx.credentials.swap(old, stored))

        assert not await written(store, lambda tx: tx.credentials.swap(old, replace(old, secret="late")))
        assert await read(store, lambda tx: tx.credentials.get(old.id)) == stored

    async def test_parallel_swaps(self, store: Store) -> None:
        """Of fifty parallel swaps of one state exactly one wins, even when none raises the version."""
        await ada(store)
        old = given.credential()
        await written(store, lambda tx: tx.credentials.add(old))

        news = [replace(old, secret=f"hashed by {n}") for n in range(MANY)]

        won = await race(store, news, lambda tx, new: tx.credentials.swap(old, new))

        assert won.count(True) == 1
        assert await read(store, lambda tx: tx.credentials.get(old.id)) == news[won.index(True)]
