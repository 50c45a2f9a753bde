"""Threat: an old refresh token works again after a restart or a jump of the clock (CVE-2026-9802, keycloak#50999)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.session import Carrier
from ostiary.errors import Refused
from ostiary.testing import FakeClock
from tests.conftest import STORES, House, make_house
from tests.servers.redis import Redis


@pytest.fixture(params=["sqlite", "postgres", "postgres and redis"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[FakeClock], House]:
    """Start a service on a store that outlives it. A Redis beside the store has forgotten everything each time."""
    name, _, beside = request.param.partition(" and ")
    make = STORES[name]

    def started(clock: FakeClock) -> House:
        store = make(request, tmp_path)
        if not beside:
            return make_house(store, tmp_path, clock=clock)
        redis: Redis = request.getfixturevalue("redis")
        redis.flush()
        return make_house(store, tmp_path, clock=clock, redis=redis.url())

    return started


@pytest.mark.parametrize(
    "jump", [timedelta(0), timedelta(days=1), -timedelta(days=1)], ids=["still", "forward", "back"]
)
async def test_replayed_after_a_restart(start: Callable[[FakeClock], House], jump: timedelta) -> None:
    """No refresh token but the newest is worth anything after a restart, whatever the clock did meanwhile."""
    clock = FakeClock()
    house = start(clock)
    async with house.auth.running():
        await house.user()
        chain = [await house.login(Carrier.BEARER)]
        for _ in range(4):
            clock.advance(timedelta(minutes=5))
            chain.append(await house.auth.refresh(chain[-1].session_token))

    clock.advance(timedelta(minutes=5))
    clock.jump(jump)
    again = start(clock)
    async with again.auth.running():
        # The newest but one is the retry of a lost answer. Anything older is a copy, or at best a late packet.
        for old in chain[:-2]:
            with pytest.raises(Refused, match=r"reused|late|revoked"):
                await again.auth.refresh(old.session_token)


async def test_two_rotations_in_one_instant(house: House) -> None:
    """Two rotations while the clock stands still differ, and the first successor is old after the second."""
    await house.user()
    first = await house.login(Carrier.BEARER)

    second = await house.auth.refresh(first.session_token)
    third = await house.auth.refresh(second.session_token)

    assert len({first.session_token, second.session_token, third.session_token}) == 3
    assert len({first.access_token, second.access_token, third.access_token}) == 3
    with pytest.raises(Refused, match="late"):
        await house.auth.refresh(first.session_token)
