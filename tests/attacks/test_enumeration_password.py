"""Threat: a login tells who has an account by what it answers or how long it takes (CVE-2024-39329, CVE-2025-22234)."""

import time
from collections.abc import AsyncGenerator
from itertools import product
from statistics import median
from typing import cast

import pytest
from argon2 import extract_parameters

from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import Argon2, PasswordPolicy
from ostiary.methods.password import Password
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.testing import CHEAPEST
from tests.attacks.interleaving import Gate, GatedStore, watched
from tests.methods.town import NOW, Town, Watched

DEARER = PasswordPolicy(argon2=Argon2(memory_kib=4096, passes=2, lanes=1))
"""A hash of some milliseconds: enough to stand out from what surrounds it."""

RIGHT = "the tide forgets"
ADDRESSES = {
    "unknown": "nobody@example.com",
    "no address": "nobody",
    "an endless address": "a" * 100_000 + "@example.com",
    "wrong password": "ada@example.com",
    "disabled": "eve@example.com",
    "no password set": "bob@example.com",
    "damaged": "dan@example.com",
}
PASSWORDS = {
    "empty": "",
    "short": "x",
    "usual": "the tide remembers",
    "longest": "p" * 256,
    "too long": "p" * 257,
    "widest": "😀" * 256,
    "decomposed": "e\u0301" * 256,
    "a megabyte": "p" * 1_000_000,
    "a megabyte of accents": "e" + "\u0301\u0316" * 500_000,
    "a NUL": "the tide\x00remembers",
    "half a pair": "the tide \ud800",
}


class City(Town):
    """A town with the method under test, which is watched."""

    def __init__(self, policy: PasswordPolicy) -> None:
        super().__init__(cast("Store", GatedStore(cast("Store", MemoryStore()))))
        self.hasher = Watched(policy)
        self.method = Password(policy, hasher=self.hasher)

    async def refuse(self, address: str, password: str) -> Denied:
        """Try to log in where that must fail."""
        answer = await self.method.prove(self.store, address=address, password=password, now=NOW)
        assert isinstance(answer, Denied)
        return answer


@pytest.fixture
async def city(request: pytest.FixtureRequest) -> AsyncGenerator[City]:
    """A city with a user of each kind, where hashes cost nothing unless a test asks for another policy."""
    city = City(getattr(request, "param", CHEAPEST.password))
    await city.store.open()
    right = await city.hasher.hash(RIGHT)
    await city.settle("ada", right)
    await city.settle("eve", right, disabled=True)
    await city.settle("bob", None)
    await city.settle("dan", right[:-3] + "???")
    yield city
    city.method.close()
    await city.store.close()


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS.keys())
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
async def test_one_answer_one_hash(city: City, address: str, password: str) -> None:
    """Whoever is asked for and whatever is tried, one hash of the policy's costs is computed, and the answer is one."""
    city.hasher.against.clear()
    answer = await city.refuse(address, password)

    computed = [stored for stored in city.hasher.against if not stored.endswith("???")]
    assert answer == Denied(Reason.BAD_CREDENTIALS)
    assert [extract_parameters(stored) for stored in computed] == [extract_parameters(city.hasher.dummy)]


async def test_the_same_questions(city: City) -> None:
    """Whoever is asked for and whatever is tried, the store is asked the same number of questions."""
    asked: dict[tuple[str, str], int] = {}

    async def nothing() -> None: ...

    for kind, address in ADDRESSES.items():
        for what, password in PASSWORDS.items():
            gate = Gate(0, nothing)
            await watched(gate, city.refuse(address, password))
            asked[kind, what] = gate.calls

    assert len(set(asked.values())) == 1
    assert min(asked.values()) > 0


async def test_disabled_and_right(city: City) -> None:
    """A disabled user's right password costs what a wrong one costs. The web layer shows both alike."""
    city.hasher.against.clear()

    assert await city.refuse("eve@example.com", RIGHT) == Denied(Reason.USER_DISABLED)
    assert len(city.hasher.against) == 1


@pytest.mark.xdist_group("timing")
@pytest.mark.parametrize("city", [DEARER], indirect=True, ids=["dearer"])
async def test_one_duration(city: City) -> None:
    """Whoever is asked for and however long the password, a refusal takes the same time.

    Processor time is compared, so that a busy machine does not matter; medians of samples taken in turn, so that a
    machine that warms up or slows down does not either.
    """
    asked = ("unknown", "wrong password", "disabled", "no password set", "damaged")
    tried = ("short", "longest", "a megabyte")
    samples: dict[tuple[str, str], list[float]] = {}
    for _ in range(9):
        for case in product(asked, tried):
            started = time.process_time()
            await city.refuse(ADDRESSES[case[0]], PASSWORDS[case[1]])
            samples.setdefault(case, []).append(time.process_time() - started)

    medians = {case: median(taken) for case, taken in samples.items()}
    usual = median(medians.values())

    assert {case: taken / usual for case, taken in medians.items() if not 0.6 < taken / usual < 1.6} == {}
