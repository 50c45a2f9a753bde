"""Counting tries across workers: exact when they come together, and fair when clocks differ a little."""

import asyncio
from datetime import timedelta

import pytest

from ostiary.core.session import Carrier
from ostiary.core.throttle import LOGIN_ACCOUNT, Allowed, Counter, attempt
from ostiary.errors import Refused, Throttled
from tests.conftest import PASSWORD, House


async def test_parallel_guesses(house: House) -> None:
    """Fifty guesses at once are counted one by one: no more are let through than are free."""
    await house.user()

    answers = await asyncio.gather(
        *(house.auth.prove("ada@example.com", f"guess {n}") for n in range(50)), return_exceptions=True
    )

    assert sum(isinstance(answer, Throttled) for answer in answers) == 50 - LOGIN_ACCOUNT.free
    assert all(isinstance(answer, Refused) for answer in answers)


async def test_a_success_in_between(house: House) -> None:
    """A success at one account does not forgive what was tried from the same place at others."""
    await house.user()
    await house.user("eve@example.com")
    for n in range(100):
        with pytest.raises(Refused):
            await house.auth.prove(f"victim{n}@example.com", "guess", ip="203.0.113.7")
        if n % 10 == 0:
            proof = await house.auth.prove("eve@example.com", PASSWORD, ip="203.0.113.7")
            await house.auth.login(proof, carrier=Carrier.COOKIE)

    with pytest.raises(Throttled):
        await house.auth.prove("another@example.com", "guess", ip="203.0.113.7")
    await house.auth.prove("ada@example.com", PASSWORD, ip="203.0.113.8")


def test_clocks_that_differ(house: House) -> None:
    """A try counted by a worker whose clock is a little ahead makes nobody wait while tries are free."""
    now = house.clock.now()

    answer = attempt(Counter(count=1, at=now + timedelta(milliseconds=5)), LOGIN_ACCOUNT, now=now)

    assert answer == Allowed(Counter(count=2, at=now + timedelta(milliseconds=5)))
