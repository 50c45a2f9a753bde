"""Threat: a refresh that overlaps a revoke hands out something that outlives it (keycloak#51312)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from pathlib import Path
from typing import cast

import pytest

from ostiary import Issued
from ostiary.auth import Minted
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.errors import Refused
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from tests.attacks.interleaving import Gate, GatedStore, until_stuck, watched
from tests.conftest import PASSWORD, House, make_house

MOST_CALLS = 80

Verb = Callable[[House, Issued, Principal], Awaitable[Issued | Minted]]


async def _refresh(house: House, issued: Issued, who: Principal) -> Issued:
    return await house.auth.refresh(issued.session_token)


async def _mint(house: House, issued: Issued, who: Principal) -> Minted:
    return await house.auth.mint(who)


async def _step_up(house: House, issued: Issued, who: Principal) -> Issued:
    return await house.auth.step_up(who, await house.auth.prove_again(who.user_id, PASSWORD))


@pytest.mark.parametrize(
    ("verb", "carrier"),
    [(_refresh, Carrier.BEARER), (_mint, Carrier.COOKIE), (_step_up, Carrier.COOKIE), (_step_up, Carrier.BEARER)],
)
async def test_interleaved_at_every_call(tmp_path: Path, verb: Verb, carrier: Carrier) -> None:
    """At whichever call a logout comes in between: once it has answered, nothing is minted, and what was is dead."""
    for stop_at in range(1, MOST_CALLS):
        folder = tmp_path / str(stop_at)
        folder.mkdir()
        house = make_house(cast("Store", GatedStore(MemoryStore())), folder)
        async with house.auth.running():
            await house.user()
            issued = await house.login(carrier)
            who = await house.check(issued)
            assert isinstance(who, Principal)
            logout = Logout(house, who)

            gate = Gate(stop_at, logout.come_between)
            try:
                got: Issued | Minted | None = await watched(gate, verb(house, issued, who))
            except Refused:
                got = None
            if logout.task is None:
                assert stop_at > 5  # the verb was stopped at each of its calls
                return
            await logout.task

            if got is not None:
                assert not logout.answered_at_once or stop_at == gate.calls  # it was durable before the logout began
                assert await house.check(got) == Denied(Reason.REVOKED)
                if isinstance(got, Issued) and carrier is Carrier.BEARER:
                    with pytest.raises(Refused, match="revoked"):
                        await house.auth.refresh(got.session_token)
    pytest.fail("the verb was never let through")


class Logout:
    """A logout that begins in the middle of something else and goes as far as it can."""

    def __init__(self, house: House, who: Principal) -> None:
        self._house = house
        self._who = who
        self.task: asyncio.Task[None] | None = None
        self.answered_at_once = False

    async def come_between(self) -> None:
        self.task = asyncio.create_task(self._house.auth.logout(self._who), context=Context())
        await until_stuck(self.task)
        self.answered_at_once = self.task.done()
