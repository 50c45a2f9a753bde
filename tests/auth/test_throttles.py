"""Counting tries across workers: exact when they come together, and fair when clocks differ a little."""

import asyncio
from datetime import timedelta

import pytest

from ostiary.core.session import Carrier
from ostiary.core.throttle import LOGIN_ACCOUNT, LOGIN_DEVICE, Allowed, Counter, attempt
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


async def test_a_known_device(house: House) -> None:
    """Who guesses elsewhere makes nobody wait on a device on which the account has logged in; a new device waits."""
    await house.user()
    token = (await house.login(Carrier.COOKIE)).device_token
    for n in range(LOGIN_ACCOUNT.free):
        with pytest.raises(Refused):
            await house.auth.prove("ada@example.com", f"guess {n}")

    with pytest.raises(Throttled):
        await house.auth.prove("ada@example.com", PASSWORD)
    for _ in range(20):
        proof = await house.auth.prove("Ada@Example.com", PASSWORD, device_token=token)
        token = (await house.auth.login(proof, carrier=Carrier.BEARER, device_token=token)).device_token


async def test_a_copied_device_token(house: House) -> None:
    """A copied device token gets the guesses of one device; the next one of the owner has its own counter."""
    await house.user()
    copied = (await house.login(Carrier.COOKIE)).device_token
    renewed = await house.auth.login(
        await house.auth.prove("ada@example.com", PASSWORD, device_token=copied),
        carrier=Carrier.COOKIE,
        device_token=copied,
    )

    answers = await asyncio.gather(
        *(house.auth.prove("ada@example.com", f"guess {n}", device_token=copied) for n in range(20)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Throttled) for answer in answers) == 20 - LOGIN_DEVICE.free
    await house.auth.prove("ada@example.com", PASSWORD, device_token=renewed.device_token)
    await house.auth.prove("ada@example.com", PASSWORD)


async def test_a_device_of_two(house: House) -> None:
    """A device is known to each account that logs in on it, and to nobody else's."""
    token = ""
    for email in ("ada@example.com", "eve@example.com"):
        await house.user(email)
        issued = await house.auth.login(
            await house.auth.prove(email, PASSWORD), carrier=Carrier.COOKIE, device_token=token
        )
        token = issued.device_token
    await house.user("victim@example.com")

    tries = {email: await guesses(house, email, token) for email in ("ada@example.com", "victim@example.com")}

    assert tries == {"ada@example.com": 5, "victim@example.com": 5}
    await house.auth.prove("ada@example.com", PASSWORD)  # the device was counted, not the account
    await house.auth.prove("eve@example.com", PASSWORD, device_token=token)
    with pytest.raises(Throttled):  # the account was counted: its guesses were a stranger's
        await house.auth.prove("victim@example.com", PASSWORD)


async def guesses(house: House, email: str, device_token: str) -> int:
    """Return how many guesses from a device are let through at once."""
    for n in range(10):
        try:
            await house.auth.prove(email, f"guess {n}", device_token=device_token)
        except Throttled:
            return n
        except Refused:
            continue
    return 10


@pytest.mark.parametrize("token", ["osd1", "osd1..", "osd1" + ".AAAAAAAAAAAAAAAAAAAAAA" * 2, "x" * 500, "\udc00"])
async def test_an_invented_device_token(house: House, token: str) -> None:
    """What is no token of ours is no device: it is counted as a stranger's, and is no obstacle to a login."""
    await house.user()

    assert await guesses(house, "ada@example.com", token) == LOGIN_ACCOUNT.free
    house.clock.advance(timedelta(seconds=1))
    proof = await house.auth.prove("ada@example.com", PASSWORD, device_token=token)
    issued = await house.auth.login(proof, carrier=Carrier.COOKIE, device_token=token)
    await house.auth.prove("ada@example.com", PASSWORD, device_token=issued.device_token)


def test_clocks_that_differ(house: House) -> None:
    """A try counted by a worker whose clock is a little ahead makes nobody wait while tries are free."""
    now = house.clock.now()

    answer = attempt(Counter(count=1, at=now + timedelta(milliseconds=5)), LOGIN_ACCOUNT, now=now)

    assert answer == Allowed(Counter(count=2, at=now + timedelta(milliseconds=5)))
