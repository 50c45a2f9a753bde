"""A password is hashed anew when the costs have changed, at its user's next login, and nobody notices."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from argon2 import PasswordHasher

from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied
from ostiary.errors import Overloaded, Unavailable
from ostiary.methods.argon2 import Hasher
from ostiary.methods.password import Password
from ostiary.stores.memory import MemoryStore, MemoryTransaction
from ostiary.testing import CHEAPEST
from tests.methods.town import Town

OLD = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
PASSWORD = "the tide forgets"
CHANGED = "the tide remembers"


async def test_hashed_anew_at_login(town: Town, method: Password, hasher: Hasher) -> None:
    """After a login the hash has today's costs and the same version, so that no session ends and no proof is stale."""
    before = await town.settle("ada", OLD.hash(PASSWORD))
    proof = await town.login(method, "ada", PASSWORD)
    after = await town.credential("ada")

    assert before is not None
    assert isinstance(proof, Proof)
    assert proof.credential_version == before.version == after.version
    assert after.changed_at == before.changed_at
    assert after.secret != before.secret
    assert not hasher.needs_rehash(after.secret)
    assert isinstance(await town.login(method, "ada", PASSWORD), Proof)
    assert await town.credential("ada") == after


async def test_hashed_anew_at_a_step_up(town: Town, method: Password, hasher: Hasher) -> None:
    """Proving oneself once more hashes anew as well."""
    await town.settle("ada", OLD.hash(PASSWORD))
    before = await town.credential("ada")

    assert isinstance(
        await method.reprove(town.store, user_id="user-ada", password=PASSWORD, now=before.changed_at), Proof
    )
    assert not hasher.needs_rehash((await town.credential("ada")).secret)


@pytest.mark.parametrize(("password", "disabled"), [("wrong", False), (PASSWORD, True)])
async def test_only_a_proof_hashes_anew(town: Town, method: Password, password: str, disabled: bool) -> None:
    """Neither a wrong password nor a disabled user's right one changes anything."""
    before = await town.settle("ada", OLD.hash(PASSWORD), disabled=disabled)

    assert isinstance(await town.login(method, "ada", password), Denied)
    assert await town.credential("ada") == before


# ------------------------------------------------------------------------------------------------ races

T = TypeVar("T")
Happening = Callable[[], Awaitable[object]]


class Interrupted(Hasher):
    """A hasher before or after whose work something else happens, once: at the `stop_at`th place where it could."""

    def __init__(self, stop_at: int, then: Happening) -> None:
        super().__init__(CHEAPEST.password, threads=1)
        self.places = 0
        self._stop_at = stop_at
        self._then = then

    async def run(self, work: Callable[[], T]) -> T:
        await self._place()
        result = await super().run(work)
        await self._place()
        return result

    async def _place(self) -> None:
        self.places += 1
        if self.places == self._stop_at:
            await self._then()


PLACES = {"before verifying": 1, "after verifying": 2, "before hashing": 3, "after hashing": 4}


@pytest.mark.parametrize("stop_at", PLACES.values(), ids=PLACES.keys())
async def test_a_change_comes_in_between(town: Town, method: Password, stop_at: int) -> None:
    """A password changed anywhere during a login stays changed: the old one is not written back, and opens nothing."""
    await town.settle("ada", OLD.hash(PASSWORD))
    hasher = Interrupted(stop_at, lambda: town.change("ada", OLD.hash(CHANGED)))
    proof = await town.login(Password(CHEAPEST.password, hasher=hasher), "ada", PASSWORD)
    hasher.close()
    after = await town.credential("ada")

    assert hasher.places == len(PLACES)
    assert isinstance(proof, Proof)
    assert proof.credential_version == 1  # by which whoever takes the proof sees that it is no longer good
    assert after.version == 2
    assert OLD.verify(after.secret, CHANGED)
    assert isinstance(await town.login(method, "ada", PASSWORD), Denied)
    assert isinstance(await town.login(method, "ada", CHANGED), Proof)


@pytest.mark.parametrize("stop_at", PLACES.values(), ids=PLACES.keys())
async def test_a_deletion_comes_in_between(town: Town, method: Password, stop_at: int) -> None:
    """A user deleted anywhere during a login stays deleted."""
    await town.settle("ada", OLD.hash(PASSWORD))

    async def delete() -> None:
        async with town.store.write() as tx:
            assert await tx.users.remove("user-ada")

    hasher = Interrupted(stop_at, delete)
    await town.login(Password(CHEAPEST.password, hasher=hasher), "ada", PASSWORD)
    hasher.close()

    assert isinstance(await town.login(method, "ada", PASSWORD), Denied)
    async with town.store.read() as tx:
        assert await tx.credentials.of("user-ada", "password") == []


async def test_many_logins_at_once(town: Town, method: Password, hasher: Hasher) -> None:
    """Of parallel logins that all hash anew every one succeeds, and what stays is one hash of the same version."""
    await town.settle("ada", OLD.hash(PASSWORD))
    proofs = await asyncio.gather(*(town.login(method, "ada", PASSWORD) for _ in range(10)))
    after = await town.credential("ada")

    assert all(isinstance(proof, Proof) for proof in proofs)
    assert after.version == 1
    assert not hasher.needs_rehash(after.secret)
    assert isinstance(await town.login(method, "ada", PASSWORD), Proof)


# ------------------------------------------------------------------------------------------------ faults


class Failing(MemoryStore):
    """A store that cannot write: it fails at the beginning, at a call or at the end of a write, once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_at: str | None = None
        self.failed = 0

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[MemoryTransaction]:
        self._fail("beginning")
        async with super().write() as tx:
            yield tx
            self._fail("end")

    def _fail(self, place: str) -> None:
        if self.fails_at == place:
            self.failed += 1
            raise Unavailable("the disk is full")


@pytest.mark.parametrize("fails_at", ["beginning", "end"])
async def test_the_store_cannot_write(method: Password, fails_at: str) -> None:
    """A store that cannot keep the new hash does not fail the login. The next one tries again."""
    store = Failing()
    await store.open()
    town = Town(store)
    before = await town.settle("ada", OLD.hash(PASSWORD))
    store.fails_at = fails_at
    proofs = [await town.login(method, "ada", PASSWORD) for _ in range(2)]
    unchanged = await town.credential("ada")
    store.fails_at = None
    await town.login(method, "ada", PASSWORD)

    assert all(isinstance(proof, Proof) for proof in proofs)
    assert store.failed == 2
    assert unchanged == before
    assert await town.credential("ada") != before


async def test_no_room_to_hash_anew(town: Town) -> None:
    """When too much is waiting to hash anew, the login succeeds without."""
    before = await town.settle("ada", OLD.hash(PASSWORD))

    async def fill() -> None:
        hasher._taken = hasher._room

    hasher = Interrupted(PLACES["before hashing"], fill)
    proof = await town.login(Password(CHEAPEST.password, hasher=hasher), "ada", PASSWORD)
    with pytest.raises(Overloaded):
        await hasher.hash("x")
    hasher.close()

    assert isinstance(proof, Proof)
    assert await town.credential("ada") == before
