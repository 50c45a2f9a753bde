"""Clients that go: in the middle of what they send, or before the answer. What they had is theirs still."""

import asyncio
import random

from tests.faults.report.asking import SAME_ORIGIN, Asking, Held, roll_call
from tests.faults.report.client import Request, hang_up
from tests.faults.report.load import Load
from tests.server.running import PASSWORD

TIMES = 1000
AT_ONCE = 40
GUESTS = 12


async def hang_ups(load: Load, chance: random.Random) -> None:
    """Let clients go a thousand times, and have each of them show afterwards that it is in."""
    asking = load.asking
    guests = [guest for guest in [await _enter(load, number) for number in range(GUESTS)] if guest is not None]
    if not guests:
        return  # the service is gone: that is seen elsewhere
    turn = asyncio.Semaphore(AT_ONCE)

    async def go() -> None:
        async with turn:
            await _go(asking, chance, chance.choice(guests))

    await asyncio.gather(*(go() for _ in range(TIMES)))
    for guest in guests:
        await roll_call(asking, guest)
        await asking.audit(guest)
        await asking.revoke(guest)


async def _enter(load: Load, number: int) -> Held | None:
    client = load.clients[number % len(load.clients)]
    for _ in range(60):
        guest = await load.asking.login(client.user, client.email, client.carrier)
        if guest is not None:
            return guest
        await asyncio.sleep(0.2)
    return None


async def _go(asking: Asking, chance: random.Random, guest: Held) -> None:
    login = {"email": guest.email, "password": PASSWORD, "carrier": guest.carrier}
    requests = (
        Request("DELETE", "/auth/sessions?all=neither", guest.carried()),
        Request("GET", "/auth/session", guest.carried()),
        Request("POST", "/auth/login", (SAME_ORIGIN,), login),
        Request("POST", "/auth/refresh", body={"refresh_token": guest.secret}),
    )
    weights = (40, 25, 1, 34) if guest.carrier == "bearer" else (60, 39, 1, 0)
    (request,) = chance.choices(requests, weights)
    share = 1.0 if chance.random() < 0.7 else chance.random()
    await hang_up(asking.stack.service.port, request, after=chance.uniform(0, 0.03), share=share)
