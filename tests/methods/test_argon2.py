"""What the hasher makes, and what it says of what it did not make."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from ostiary.core.policy import WEB, Argon2, PasswordPolicy
from ostiary.errors import Misconfigured
from ostiary.methods.argon2 import Hasher
from ostiary.testing import CHEAPEST
from tests.methods.town import Watched

PASSWORD = "the tide forgets"


@asynccontextmanager
async def watched(policy: PasswordPolicy = CHEAPEST.password) -> AsyncGenerator[Watched]:
    """A watched hasher, closed at the end."""
    hasher = Watched(policy)
    try:
        yield hasher
    finally:
        hasher.close()


async def test_a_hash_is_of_its_password_only(hasher: Hasher) -> None:
    """A hash verifies the password it was made of, and no other, not even one that differs in case or by a space."""
    stored = await hasher.hash(PASSWORD)

    assert await hasher.verify(stored, PASSWORD)
    for other in (PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1], ""):
        assert not await hasher.verify(stored, other)


async def test_salted(hasher: Hasher) -> None:
    """Two hashes of one password have nothing to show that they are."""
    one, other = await hasher.hash(PASSWORD), await hasher.hash(PASSWORD)

    assert one.split("$")[:4] == other.split("$")[:4]
    assert one.split("$")[4] != other.split("$")[4]
    assert one.split("$")[5] != other.split("$")[5]


async def test_the_policy_sets_the_cost() -> None:
    """A hash is Argon2id with the costs of the policy, 16 bytes of salt, 32 of digest. So is the dummy."""
    async with watched(PasswordPolicy(argon2=Argon2(memory_kib=64, passes=3, lanes=2))) as hasher:
        found = extract_parameters(await hasher.hash(PASSWORD))

        assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 64, 3, 2)
        assert (found.salt_len, found.hash_len, found.version) == (16, 32, 19)
        assert extract_parameters(hasher.dummy) == found


def test_the_default_cost_is_no_lower_than_owasp_asks() -> None:
    """By default a hash costs 19 MiB and two passes."""
    assert WEB.password.argon2 == Argon2(memory_kib=19456, passes=2, lanes=1)


@pytest.mark.parametrize(
    ("environment", "cost", "made"),
    [
        ({}, "CHEAPEST", False),
        ({}, "replace(CHEAPEST, name='mine')", False),
        ({}, "WEB", True),
        ({"PYTEST_VERSION": "9.0"}, "CHEAPEST", True),
        ({"OSTIARY_TESTING": "1"}, "CHEAPEST", True),
    ],
)
def test_what_protects_nothing_is_for_tests(environment: dict[str, str], cost: str, made: bool) -> None:
    """Hashes that cost nothing are refused where no test runs, by whatever name they are asked for; others are not."""
    program = (
        "from dataclasses import replace; from ostiary.core.policy import CHEAPEST, WEB\n"
        f"from ostiary.methods.argon2 import Hasher; Hasher({cost}.password, threads=1)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "OSTIARY_"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode == 0) is made
    assert ("for tests only" in done.stderr) is not made


@pytest.mark.parametrize("cost", [Argon2(memory_kib=1, passes=1, lanes=1), Argon2(memory_kib=8, passes=0, lanes=1)])
def test_a_cost_that_argon2_cannot_have(cost: Argon2) -> None:
    """A policy that Argon2 cannot work with is refused when the hasher is made, in one line that shows the numbers."""
    with pytest.raises(Misconfigured) as refused:
        Hasher(PasswordPolicy(argon2=cost), threads=1)

    assert str(cost) in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_nobody_knows_the_dummy() -> None:
    """The dummy differs from hasher to hasher, and no password in sight opens it."""
    async with watched() as one, watched() as other:
        assert one.dummy != other.dummy
        for guess in ("", "dummy", one.dummy):
            assert not await one.verify(one.dummy, guess)


# ---------------------------------------------------------------------------------------------- old and foreign hashes


@pytest.mark.parametrize(
    "made",
    [
        PasswordHasher(time_cost=2, memory_cost=8, parallelism=1),
        PasswordHasher(time_cost=1, memory_cost=16, parallelism=1),
        PasswordHasher(time_cost=1, memory_cost=16, parallelism=2),
        PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, salt_len=8),
        PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16),
        PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.I),
    ],
)
async def test_hashes_of_other_costs(hasher: Hasher, made: PasswordHasher) -> None:
    """A hash of other costs, dearer or cheaper, still verifies, and asks to be made anew."""
    stored = made.hash(PASSWORD)

    assert await hasher.verify(stored, PASSWORD)
    assert not await hasher.verify(stored, "another")
    assert hasher.needs_rehash(stored)


async def test_our_own_hashes_stay(hasher: Hasher) -> None:
    """A hash made at the policy's costs does not ask to be made anew."""
    assert not hasher.needs_rehash(await hasher.hash(PASSWORD))
    assert not hasher.needs_rehash(hasher.dummy)


GOOD = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD, salt=b"sixteen of these")
UNREADABLE = {
    "empty": "",
    "one character": "$",
    "plain text": PASSWORD,
    "no digest": GOOD.rpartition("$")[0],
    "an empty digest": GOOD.rpartition("$")[0] + "$",
    "not base64": GOOD[:-3] + "???",
    "cut short": GOOD[:-41],
    "too much": GOOD + "$extra",
    "an unknown variant": GOOD.replace("argon2id", "argon2x"),
    "no passes": GOOD.replace("t=1", "t=0"),
    "a negative memory": GOOD.replace("m=8", "m=-8"),
    "4 TiB of memory": GOOD.replace("m=8", "m=4294967295"),
    "a month of passes": GOOD.replace("t=1", "t=4294967295"),
    "a thousand threads": GOOD.replace("m=8", "m=65536").replace("p=1", "p=1000"),
    "a number without end": GOOD.replace("m=8", "m=" + "8" * 5000),
    "digits of another script": GOOD.replace("m=8", "m=٨"),
    "half a surrogate pair": GOOD[:-1] + "\ud800",
    "a megabyte": "$argon2id$" * 100_000,
}


@pytest.mark.parametrize("stored", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_unreadable_hash_is_of_no_password(stored: str) -> None:
    """What cannot be read verifies as false, and costs one verification at the policy's costs."""
    async with watched() as hasher:
        assert not await hasher.verify(stored, PASSWORD)
        assert hasher.against[-1] == hasher.dummy
        assert hasher.against in ([hasher.dummy], [stored, hasher.dummy])


def test_an_unreadable_hash_asks_to_be_made_anew(hasher: Hasher) -> None:
    """What cannot be read asks to be made anew. Damage inside the digest is found only by verifying."""
    silent = {name for name, stored in UNREADABLE.items() if not hasher.needs_rehash(stored)}

    assert silent == {"not base64"}


async def test_a_readable_hash_costs_one_verification() -> None:
    """A hash that can be read is verified once, right or wrong, and the dummy is left alone."""
    async with watched() as hasher:
        assert await hasher.verify(GOOD, PASSWORD)
        assert not await hasher.verify(GOOD, "another")

        assert hasher.against == [GOOD, GOOD]


# ------------------------------------------------------------------------------------------------ odd passwords


@pytest.mark.parametrize("odd", ["", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "😀" * 256, "x" * 100_000])
async def test_any_string_can_be_verified(hasher: Hasher, odd: str) -> None:
    """There is no string that the hasher cannot hash and verify, or that equals its own beginning."""
    stored = await hasher.hash(odd)

    assert await hasher.verify(stored, odd)
    assert not await hasher.verify(stored, odd + "x")


async def test_every_byte_counts(hasher: Hasher) -> None:
    """Nothing is cut off at 72 bytes, or at any other length."""
    for length in (71, 72, 73, 128, 255, 256):
        stored = await hasher.hash("p" * length)

        assert not await hasher.verify(stored, "p" * (length - 1) + "q")
        assert not await hasher.verify(stored, "p" * (length + 1))


# ------------------------------------------------------------------------------------------------ no memory


def test_no_memory_is_nobodys_wrong_password() -> None:
    """When memory runs out, hashing and verifying say so: a right password is never called wrong."""
    program = """
        import asyncio, resource
        from ostiary.core.policy import Argon2, PasswordPolicy
        from ostiary.errors import Unavailable
        from ostiary.methods.argon2 import Hasher

        async def main():
            hasher = Hasher(PasswordPolicy(argon2=Argon2(memory_kib=65536, passes=1, lanes=1)), threads=1)
            stored = await hasher.hash("right")
            pages = int(open("/proc/self/statm").read().split()[0])
            limit = pages * resource.getpagesize() + 8 * 1024 * 1024
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            for asked in (hasher.verify(stored, "right"), hasher.hash("right")):
                try:
                    print(await asked)
                except Unavailable as error:
                    print("unavailable", error)
            hasher.close()

        asyncio.run(main())
    """
    if sys.platform != "linux":
        pytest.skip("RLIMIT_AS and /proc are Linux's")

    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["unavailable argon2: Memory allocation error"] * 2


# ------------------------------------------------------------------------------------------------ secrets


async def test_the_hasher_shows_nothing(hasher: Hasher) -> None:
    """Neither a hasher's `repr` nor that of a task in flight shows a password or a hash."""
    stored = await hasher.hash(PASSWORD)
    task = asyncio.ensure_future(hasher.verify(stored, PASSWORD))
    await asyncio.sleep(0)
    shown = repr(hasher) + repr(task) + repr(hasher.__dict__)
    await task

    assert PASSWORD not in shown
    assert stored not in shown


async def test_two_policies(hasher: Hasher) -> None:
    """Two hashers of different costs verify each other's hashes and each asks for its own."""
    async with watched(replace(CHEAPEST.password, argon2=Argon2(memory_kib=16, passes=2, lanes=1))) as dearer:
        stored = await hasher.hash(PASSWORD)

        assert await dearer.verify(stored, PASSWORD)
        assert dearer.needs_rehash(stored)
        assert not dearer.needs_rehash(await dearer.hash(PASSWORD))
