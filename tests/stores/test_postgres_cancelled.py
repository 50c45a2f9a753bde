"""Requests that are cancelled, or that read before somebody wrote, on PostgreSQL."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextvars import Context
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from ostiary import Issued
from ostiary.core.access import Principal
from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.ports import Store
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.pool import Opening
from ostiary.stores.sql.postgres import Postgres as Database
from ostiary.testing.conformance.cancelling import Cancelled, cancelled_at
from tests.attacks.interleaving import Gate, GatedStore, watched
from tests.conftest import PASSWORD, make_house
from tests.servers.postgres import Postgres
from tests.stores.living import Living, living, until

CANCELLED = 200
LONGEST = 60

Verb = Callable[[Living, Issued, Proof], Coroutine[Any, Any, Any]]

VERBS: list[Verb] = [
    lambda house, issued, _: house.auth.refresh(issued.session_token),
    lambda house, issued, _: house.auth.session(issued.session.id),
    lambda house, issued, _: house.auth.accounts.set_roles(issued.session.user_id, ["reader"], actor="test"),
    lambda house, _, proof: house.auth.login(proof, carrier=Carrier.COOKIE),
]


def opening(house: Living) -> Opening:
    """Return the connections of a house."""
    assert isinstance(house.auth._store, SqlStore)
    assert isinstance(house.auth._store._database, Database)
    return house.auth._store._database.opened()


async def test_cancelled_at_random(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    """Two hundred requests cancelled at any wait lose no connection and leave no transaction open; all goes on."""
    chance = random.Random(7)
    name = urlsplit(postgres_url).path[1:]
    async with living(postgres_url, tmp_path) as house:
        issued = await house.login()
        await house.auth.accounts.register(email="bob@example.com", password=PASSWORD)
        proof = await house.auth.prove("bob@example.com", PASSWORD)  # so many logins end the oldest session
        cancelled = 0
        while cancelled < CANCELLED:
            outcomes = await asyncio.gather(
                *(
                    cancelled_at(
                        chance.randrange(1, LONGEST),
                        _quiet(verb(house, issued, proof)),
                        after=chance.choice([0, 0.002]),
                    )
                    for verb in chance.choices(VERBS, k=20)
                )
            )
            cancelled += outcomes.count(Cancelled.YES)
        pool, leaving = opening(house).pool, opening(house).leaving

        async def all_back() -> bool:
            return not leaving and pool.get_idle_size() == pool.get_size()

        await until(all_back)
        states = postgres.query(f"SELECT state FROM pg_stat_activity WHERE datname = '{name}'").split("\n")  # noqa: S608
        after = await asyncio.gather(*(house.auth.refresh(issued.session_token) for _ in range(20)))

    assert pool.get_size() <= 10
    assert len(states) <= 1 + 10
    assert set(states) == {"idle"}
    assert len({each.session_token for each in after}) == 1


async def _quiet(work: Coroutine[Any, Any, Any]) -> None:
    await work


async def test_slow_reader(postgres_url: str, tmp_path: Path) -> None:
    """A check that began before a logout and answers after it is refused, wherever it was slow."""
    house = make_house(cast("Store", GatedStore(SqlStore(postgres_url))), tmp_path)
    async with house.auth.running():
        await house.user()
        for stop_at in range(1, 20):
            issued = await house.login(Carrier.COOKIE)
            who = await house.check(issued)
            assert isinstance(who, Principal)
            house.auth.guard._verified.clear()

            async def logout(who: Principal = who) -> None:
                await asyncio.create_task(house.auth.logout(who), context=Context())

            gate = Gate(stop_at, logout)
            answer = await watched(gate, house.check(issued))
            if gate.calls < stop_at:
                assert stop_at > 3
                return

            assert answer == Denied(Reason.REVOKED)
            assert await house.check(issued) == Denied(Reason.REVOKED)
    pytest.fail("the check was never let through")
