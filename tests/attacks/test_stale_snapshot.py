"""Threat: a slow reader puts an old snapshot back after a revoke (logto#9428); a cancelled request leaves half a state.

The latter is rauthy#1177.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from pathlib import Path
from typing import Any, cast

import pytest

from ostiary import Issued
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from tests.attacks.interleaving import Gate, GatedStore, watched
from tests.conftest import PASSWORD, House, make_house

MOST_CALLS = 80


async def test_slow_reader(tmp_path: Path) -> None:
    """A check that read the session before the logout and answers after it is refused; nothing stale is remembered."""
    for stop_at in range(1, 20):
        folder = tmp_path / str(stop_at)
        folder.mkdir()
        house = make_house(cast("Store", GatedStore(MemoryStore())), folder)
        async with house.auth.running():
            await house.user()
            issued = await house.login(Carrier.COOKIE)
            first = await house.check(issued)
            assert isinstance(first, Principal)
            house.auth.guard._verified.clear()

            async def logout(house: House = house, who: Principal = first) -> None:
                await asyncio.create_task(house.auth.logout(who), context=Context())

            gate = Gate(stop_at, logout)
            answer = await watched(gate, house.check(issued))
            if gate.calls < stop_at:
                assert stop_at > 3
                return

            assert answer == Denied(Reason.REVOKED)
            assert await house.check(issued) == Denied(Reason.REVOKED)
    pytest.fail("the check was never let through")


Verb = Callable[[House, Issued], Awaitable[Any]]


async def change_password(house: House, issued: Issued) -> None:
    """Change the password, as a page does it."""
    proof = await house.auth.prove_again(issued.session.user_id, PASSWORD)
    await house.auth.accounts.change_password(proof, new="another lantern, far away", keep_session=None)


VERBS: dict[str, Verb] = {
    "login": lambda house, _: house.login(Carrier.BEARER),
    "refresh": lambda house, issued: house.auth.refresh(issued.session_token),
    "logout": lambda house, issued: house.auth.revoke(issued.session.id, actor="test"),
    "change password": change_password,
    "disable": lambda house, issued: house.auth.accounts.disable(issued.session.user_id, actor="test"),
    "register": lambda house, _: house.user("eve@example.com"),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_cancelled_at_every_call(tmp_path: Path, verb: str) -> None:
    """A request that is cancelled at whichever call has done all of it or nothing, and the house goes on."""
    for stop_at in range(1, MOST_CALLS):
        folder = tmp_path / str(stop_at)
        folder.mkdir()
        house = make_house(cast("Store", GatedStore(MemoryStore())), folder)
        async with house.auth.running():
            account = await house.user()
            issued = await house.login(Carrier.BEARER)

            async def cancel() -> None:
                current = asyncio.current_task()
                assert current is not None
                current.cancel()
                await asyncio.sleep(0)

            gate = Gate(stop_at, cancel)
            task = asyncio.create_task(watched(gate, VERBS[verb](house, issued)))
            await asyncio.wait([task])
            if gate.calls < stop_at:
                assert stop_at > 3
                return

            async with house.store.read() as tx:
                head, snapshot = await tx.feed.head(), await tx.feed.snapshot()
                sessions = await tx.sessions.of(account.user.id)
                user = await tx.users.get(account.user.id)
            assert snapshot.head == head
            dead_sids = {floor.sid for floor in snapshot.floors}
            assert dead_sids.isdisjoint(session.id for session in sessions)
            assert (user is not None and user.disabled_at is not None) <= (not sessions)
            await house.user("another@example.com")
            await house.login(Carrier.COOKIE, "another@example.com")
    pytest.fail("the verb was never let through")
