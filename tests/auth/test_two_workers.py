"""Two workers on one SQLite file: what one ends, the other refuses, in milliseconds; and never later than the lease."""

import asyncio
import time
from pathlib import Path

import pytest

from ostiary import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.testing import CHEAPEST
from tests.conftest import ISSUER, PASSWORD, headers_of

pytestmark = pytest.mark.xdist_group("timing")


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_dead_in_both(tmp_path: Path, carrier: Carrier) -> None:
    """A logout in one worker is a refusal in the other by the news, with nothing asked of the store."""
    one, two = (Auth.embedded(tmp_path / "app.db", issuer=ISSUER, policy=CHEAPEST) for _ in range(2))
    delays: list[float] = []
    async with one.running(), two.running():
        await one.accounts.register(email="ada@example.com", password=PASSWORD)
        proof = await one.prove("ada@example.com", PASSWORD)
        for _ in range(100):
            issued = await one.login(proof, carrier=carrier)
            headers = headers_of(one, issued)
            who = await one.authenticate(headers, "GET")
            assert isinstance(who, Principal)
            assert isinstance(await two.authenticate(headers, "GET"), Principal)

            await one.logout(who)
            answered = time.perf_counter()
            assert one.guard.check(headers, "GET") == Denied(Reason.REVOKED)
            while isinstance(two.guard.check(headers, "GET"), Principal):
                await asyncio.sleep(0.001)
            delays.append(time.perf_counter() - answered)

            assert two.guard.check(headers, "GET") == Denied(Reason.REVOKED)
    delays.sort()
    print(f"logout to refusal in another worker: p50 {delays[50] * 1000:.1f} ms, p99 {delays[98] * 1000:.1f} ms")
    assert delays[50] < CHEAPEST.lease.total_seconds() / 8  # by asking it would take up to twice that


async def test_a_worker_that_starts_late(tmp_path: Path) -> None:
    """A worker that starts after a logout knows of it: its view begins from the snapshot, never empty."""
    one, two = (Auth.embedded(tmp_path / "app.db", issuer=ISSUER, policy=CHEAPEST) for _ in range(2))
    async with one.running():
        await one.accounts.register(email="ada@example.com", password=PASSWORD)
        issued = await one.login(await one.prove("ada@example.com", PASSWORD), carrier=Carrier.BEARER)
        headers = headers_of(one, issued)
        who = await one.authenticate(headers, "GET")
        assert isinstance(who, Principal)
        await one.logout(who)

        async with two.running():
            assert two.guard.check(headers, "GET") == Denied(Reason.REVOKED)
